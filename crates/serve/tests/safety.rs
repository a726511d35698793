//! What keeps a server up: limits, keys, foreign pages, clients that vanish, an orderly end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use lyceum_core::ErrorKind;
use lyceum_serve::{Limits, Server};
use lyceum_store::db::{Db, Scope};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{client, get, post, script, send, start, start_script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHAT: &str = r#"{"model":"base","messages":[{"role":"user","content":"hi"}]}"#;

async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bad_bodies_get_a_4xx_in_the_protocols_shape() {
    let small = Limits { body_bytes: 2000, ..Limits::default() };
    let server = start(Server::new(small).engine(Arc::new(script("x")))).await;
    let tell = |body: String| {
        let server = &server;
        async move {
            let a = post(server, "/v1/chat/completions", body).await;
            let e = a.json()["error"].clone();
            (
                a.status,
                e["message"].as_str().unwrap().to_string(),
                e["param"].as_str().unwrap_or_default().to_string(),
            )
        }
    };
    let with = |extra: &str| CHAT.replacen('{', &format!("{{{extra},"), 1);
    assert_eq!(tell("{\"model\":".into()).await.0, 400);
    assert_eq!(tell(with("\"temperature\":NaN")).await.0, 400);
    assert_eq!(tell(with("\"temperature\":1e99")).await.2, "temperature");
    for tokens in ["-2", "0", "-9223372036854775808"] {
        let told = tell(with(&format!("\"max_tokens\":{tokens}"))).await;
        assert_eq!((told.0, told.2.as_str()), (400, "max_tokens"), "{}", told.1);
    }
    assert_eq!(tell(with("\"max_tokens\":1.5")).await.2, "max_tokens");
    assert_eq!(tell(with("\"n\":1000")).await.2, "n");
    assert_eq!(tell(with("\"max_tokens\":1000")).await.2, "max_tokens", "over the context");
    assert_eq!(tell(r#"{"messages":[]}"#.into()).await.2, "model");
    assert_eq!(tell(r#"{"model":"base","messages":[]}"#.into()).await.2, "messages");
    let (status, text, _) = tell(format!("{{\"model\":\"{}\"}}", "x".repeat(3000))).await;
    assert_eq!((status, text.as_str()), (413, "the body is larger than 2000 bytes"));
    let long =
        json!({"model": "base", "messages": [{"role": "user", "content": "x".repeat(300)}]}).to_string();
    assert!(tell(long).await.1.contains("more than the context of 200"));
    let request = client().post(format!("{}/v1/chat/completions", server.url)).body(vec![b'"', 0xff, b'"']);
    let a = send(request).await;
    assert!(a.status == 400 && a.text.contains("not UTF-8"), "{}", a.text);
    let a = get(&server, "/v1/nothing").await;
    assert_eq!((a.status, &a.json()["error"]["code"]), (404, &json!("unknown_url")));
    assert_eq!(get(&server, "/v1/chat/completions").await.status, 405);
}

#[tokio::test]
async fn chunked_bodies_over_the_limit_and_broken_heads() {
    let small = Limits { body_bytes: 2000, read_time: Duration::from_millis(700), ..Limits::default() };
    let server = start(Server::new(small).engine(Arc::new(script("x")))).await;
    let mut chunked =
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..5 {
        chunked.extend(format!("3e8\r\n{}\r\n", " ".repeat(1000)).as_bytes());
    }
    chunked.extend(b"0\r\n\r\n");
    assert!(raw(server.address(), &chunked).await.starts_with("HTTP/1.1 413"));
    let far = client().post(format!("{}/v1/completions", server.url)).body("x".repeat(16 << 20));
    let told = send(far).await;
    assert_eq!(told.status, 413, "a client that writes it all first still gets its answer");
    assert!(raw(server.address(), b"nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    // A head or a body that does not come is not waited for for ever.
    assert!(raw(server.address(), b"GET /health HT").await.len() < 200);
    let half = b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{";
    assert!(raw(server.address(), half).await.starts_with("HTTP/1.1 408"));
    assert_eq!(get(&server, "/health").await.status, 200);
}

#[tokio::test]
async fn foreign_hosts_and_pages_stay_out() {
    let server = start_script(script("x")).await;
    let url = format!("{}/v1/models", server.url);
    let a = send(client().get(&url).header("host", "evil.example")).await;
    assert_eq!((a.status, &a.json()["error"]["type"]), (403, &json!("permission_error")));
    assert_eq!(send(client().get(&url).header("origin", "https://evil.example")).await.status, 403);
    assert_eq!(send(client().get(&url).header("origin", server.url.as_str())).await.status, 200);
    let a = send(client().get(&url).header("x-request-id", "mine-1")).await;
    assert_eq!(a.headers["x-request-id"], "mine-1");
    let a = send(client().get(&url).header("x-request-id", "a b")).await;
    assert!(a.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn keys_close_every_route_until_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(dir.path().join("k.db")).unwrap());
    let server = start(Server::new(Limits::default()).engine(Arc::new(script("x"))).keys(db.clone())).await;
    assert_eq!(get(&server, "/v1/models").await.status, 200, "on this machine, no keys: open");
    let new = db.create_key("k", &[Scope::Infer]).unwrap();
    for path in ["/v1/models", "/info", "/metrics", "/v1/nothing"] {
        let a = get(&server, path).await;
        assert_eq!((a.status, a.headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"), "{path}");
    }
    for path in ["/", "/generate", "/invocations", "/embed", "/v1/chat/completions", "/predict", "/tokenize"]
    {
        assert_eq!(post(&server, path, "{}").await.status, 401, "{path}");
    }
    assert_eq!(get(&server, "/health").await.status, 200);
    let with = |key: &str| send(client().get(format!("{}/v1/models", server.url)).bearer_auth(key));
    assert_eq!(with(&new.key).await.status, 200);
    assert_eq!(with("lyc_wrong").await.json()["error"]["code"], "invalid_api_key");
    db.create_key("other", &[Scope::Infer]).unwrap();
    db.revoke_key("k").unwrap();
    assert_eq!(with(&new.key).await.status, 401);
}

#[tokio::test]
async fn beyond_this_machine_only_with_keys_and_ports_are_told() {
    let refused = Server::new(Limits::default()).bind("0.0.0.0:0").await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unauthorized);
    assert!(refused.to_string().contains("lyceum keys create"), "{refused}");
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(dir.path().join("k.db")).unwrap());
    db.create_key("k", &[]).unwrap();
    assert!(Server::new(Limits::default()).keys(db).bind("0.0.0.0:0").await.is_ok());

    let server = start_script(script("x")).await;
    let e = Server::new(Limits::default()).bind(server.address()).await.err().unwrap();
    assert!(e.kind() == ErrorKind::Conflict && e.to_string().contains("is in use by another program"), "{e}");
    let e = Server::new(Limits::default()).bind("nonsense").await.err().unwrap();
    assert!(e.to_string().contains("HOST:PORT"), "{e}");
    let e = Server::new(Limits::default()).bind_only("127.0.0.1:0", Some("opena")).await.err().unwrap();
    assert!(e.to_string().contains("did you mean `openai`"), "{e}");
}

#[tokio::test]
async fn a_full_queue_answers_429_with_a_time() {
    let limits = Limits { running: 1, waiting: 0, ..Limits::default() };
    let engine = script("abcdefgh").slow(Duration::from_millis(200));
    let live = engine.live.clone();
    let server = start(Server::new(limits).engine(Arc::new(engine))).await;
    let first = tokio::spawn(send(client().post(format!("{}/v1/chat/completions", server.url)).body(CHAT)));
    while live.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let a = post(&server, "/v1/chat/completions", CHAT).await;
    assert_eq!((a.status, a.headers["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(a.json()["error"]["code"], "queue_full");
    let a = post(&server, "/generate", json!({"inputs": "x"})).await;
    assert_eq!(a.json(), json!({"error": "Model is overloaded", "error_type": "overloaded"}));
    assert_eq!(first.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_vanished_client_ends_its_generation() {
    let engine = script("abcdefghijklmnopqrstuvwxyz").slow(Duration::from_millis(50));
    let live = engine.live.clone();
    let server = start_script(engine).await;
    for stream in [true, false] {
        let body = CHAT.replacen('{', &format!("{{\"stream\":{stream},"), 1);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        while live.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(socket);
        let mut waited = 0;
        while live.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            waited += 1;
            assert!(waited < 60, "the generation goes on without its client (stream: {stream})");
        }
    }
    let page = get(&server, "/metrics").await.text;
    assert!(page.contains("lorax_request_failure{model_name=\"base\",err=\"dropped\"} 2"), "{page}");
}

#[tokio::test]
async fn told_to_stop_it_ends_what_runs_and_takes_nothing_new() {
    let engine = script("abcdefgh").slow(Duration::from_millis(60));
    let live = engine.live.clone();
    let mut server = start_script(engine).await;
    let body = CHAT.replacen('{', "{\"stream\":true,", 1);
    let running = tokio::spawn(send(client().post(format!("{}/v1/chat/completions", server.url)).body(body)));
    while live.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(server.address()).await.is_err(), "the port is closed");
    let a = running.await.unwrap();
    assert!(a.text.ends_with("data: [DONE]\n\n"), "{}", a.text);
    server.ended().await;
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let limits = Limits { drain_time: Duration::from_millis(100), ..Limits::default() };
    let engine = script("abcdefgh").slow(Duration::from_secs(60));
    let live = engine.live.clone();
    let mut server = start(Server::new(limits).engine(Arc::new(engine))).await;
    let running =
        tokio::spawn(client().post(format!("{}/v1/chat/completions", server.url)).body(CHAT).send());
    while live.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop();
    server.ended().await;
    running.abort();
}

//! The Studio's routes: who gets the page, how one signs in, what a session may and a foreign page may not, reports
//! that stay in their folder.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use lyceum_core::{Context, Map, RunKind, Value as Data};
use lyceum_serve::{Limits, Server};
use lyceum_store::db::{Db, Scope, TraceReader, TraceSettings, Traces};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use support::{Answer, Running, client, get, post, script, send, start, start_script};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn accept(server: &Running, path: &str, accept: &str) -> Answer {
    send(client().get(format!("{}{path}", server.url)).header("accept", accept)).await
}

#[tokio::test]
async fn browsers_get_the_page_and_clients_get_json() {
    let server = start_script(script("x")).await;
    let page = accept(&server, "/", HTML).await;
    assert!(page.text.starts_with("<!doctype html>"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !page.text.contains("<script>") && !page.text.contains("style="));
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(get(&server, "/").await.json()["name"], "lyceum");
    assert_eq!(accept(&server, "/", "application/json").await.json()["name"], "lyceum");
    assert_eq!(accept(&server, "/studio", "*/*").await.text, page.text);

    let asset = get(&server, "/studio/assets/lib/dom.js").await;
    assert_eq!(
        (asset.status, asset.headers["content-type"].to_str().unwrap()),
        (200, "text/javascript; charset=utf-8")
    );
    let again = client().get(format!("{}/studio/assets/lib/dom.js", server.url));
    let again = send(again.header("if-none-match", asset.headers["etag"].clone())).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    for path in ["/studio/assets/", "/studio/assets/..%2f..%2fCargo.toml", "/studio/assets/no.js"] {
        assert_eq!(get(&server, path).await.status, 404, "{path}");
    }
    assert_eq!(
        get(&server, "/studio/api/session").await.json(),
        json!({ "login": false, "signed_in": false })
    );
    let told = get(&server, "/studio/api/overview").await;
    assert_eq!(told.headers["cache-control"], "no-store");
    let told = told.json();
    assert_eq!(
        (&told["models"][0]["name"], &told["models"][0]["adapters"][0]["name"]),
        (&json!("base"), &json!("loud"))
    );
    assert_eq!(post(&server, "/studio/api/login", r#"{"key":"x"}"#).await.status, 400, "no keys, no login");
}

#[tokio::test]
async fn one_protocol_alone_has_no_page() {
    let bound = Server::new(Limits::default()).engine(Arc::new(script("x")));
    let bound = bound.bind_only("127.0.0.1:0", Some("lorax")).await.unwrap();
    let url = bound.url();
    tokio::spawn(bound.serve(std::future::pending()));
    let root = send(client().get(&url).header("accept", HTML)).await;
    assert_eq!(root.json()["name"], "lyceum");
    assert_eq!(send(client().get(format!("{url}/studio"))).await.status, 404);
}

/// A browser that has signed in: its cookie and its page's token.
struct Visitor<'a> {
    server: &'a Running,
    cookie: String,
    csrf: String,
}

impl<'a> Visitor<'a> {
    async fn signs_in(server: &'a Running, key: &str) -> Self {
        let answer = post(server, "/studio/api/login", json!({ "key": key })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let csrf = answer.json()["csrf"].as_str().unwrap().to_string();
        Self { server, cookie: cookie.split(';').next().unwrap().to_string(), csrf }
    }

    fn asks(&self, path: &str) -> reqwest::RequestBuilder {
        client().get(format!("{}{path}", self.server.url)).header("cookie", &self.cookie)
    }

    fn posts(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = client().post(format!("{}{path}", self.server.url)).header("cookie", &self.cookie);
        request.header("content-type", "application/json").body(body.to_string())
    }
}

#[tokio::test]
async fn a_session_stands_in_for_a_key_and_no_foreign_page_can_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(dir.path().join("k.db")).unwrap());
    let key = db.create_key("desk", &[Scope::Infer]).unwrap();
    let boss = db.create_key("boss", &[Scope::Admin]).unwrap();
    let server = start(Server::new(Limits::default()).engine(Arc::new(script("yes"))).keys(db.clone())).await;
    assert_eq!(
        get(&server, "/studio/api/session").await.json(),
        json!({ "login": true, "signed_in": false })
    );
    assert_eq!(get(&server, "/studio/api/overview").await.status, 401);
    assert_eq!(accept(&server, "/", HTML).await.status, 200, "the page itself tells nothing");
    let wrong = post(&server, "/studio/api/login", r#"{"key":"lyc_0"}"#).await;
    assert_eq!((wrong.status, wrong.headers.contains_key("set-cookie")), (401, false));

    let visitor = Visitor::signs_in(&server, &key.key).await;
    let told = send(visitor.asks("/studio/api/session")).await.json();
    assert_eq!((&told["name"], &told["csrf"]), (&json!("desk"), &json!(visitor.csrf)));
    assert_eq!(send(visitor.asks("/studio/api/overview")).await.status, 200);
    assert_eq!(send(visitor.asks("/v1/models")).await.status, 200);
    let chat = json!({ "model": "base", "messages": [{ "role": "user", "content": "hi" }] });
    let posts = || visitor.posts("/v1/chat/completions", &chat);
    assert_eq!(send(posts()).await.status, 403, "a cookie alone changes nothing");
    assert_eq!(send(posts().header("x-lyceum-csrf", "0".repeat(64))).await.status, 403);
    let good = || posts().header("x-lyceum-csrf", &visitor.csrf);
    assert_eq!(send(good()).await.status, 200);
    assert_eq!(send(good().header("origin", server.url.as_str())).await.status, 200);
    assert_eq!(send(good().header("origin", "https://evil.example")).await.status, 403);
    assert_eq!(send(good().header("sec-fetch-site", "cross-site")).await.status, 403);

    for path in ["/studio/api/project", "/studio/api/runs", "/studio/api/runs/x", "/studio/reports/a/b.html"]
    {
        let refused = send(visitor.asks(path)).await;
        assert!(refused.status == 403 && refused.text.contains("scope admin"), "{}", refused.text);
    }
    let admin = Visitor::signs_in(&server, &boss.key).await;
    assert_eq!(send(admin.asks("/studio/api/project")).await.json(), Value::Null);

    assert_eq!(send(admin.posts("/studio/api/logout", &json!({}))).await.status, 403);
    let leave = admin.posts("/studio/api/logout", &json!({})).header("x-lyceum-csrf", &admin.csrf);
    let left = send(leave).await;
    assert!(left.status == 204 && left.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(send(admin.asks("/studio/api/overview")).await.status, 401);
    db.revoke_key("desk").unwrap();
    assert_eq!(send(visitor.asks("/studio/api/overview")).await.status, 401, "a session ends with its key");
}

#[tokio::test]
async fn a_report_is_shown_without_scripts_and_stays_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("results");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("report.html"), "<h1>Churn</h1>").unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret.txt"), folder.join("link.txt")).unwrap();
    let tell = || json!({ "name": "desk", "steps": [], "gates": [] });
    let server = Server::new(Limits::default()).engine(Arc::new(script("x")));
    server.live().project(tell);
    server.live().report("churn", &folder);
    let server = start(server).await;
    let report = get(&server, "/studio/reports/churn/report.html").await;
    assert_eq!((report.status, report.text.as_str()), (200, "<h1>Churn</h1>"));
    let policy = report.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox;") && policy.contains("default-src 'none'"), "{policy}");
    for path in [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "link.txt",
        "no.html",
        "%2fetc%2fpasswd",
        ".",
    ] {
        let answer = raw_get(&server, &format!("/studio/reports/churn/{path}")).await;
        assert!(!answer.contains("secret") || answer.contains("404"), "{path}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let e = get(&server, "/studio/reports/chrun/report.html").await;
    assert!(e.status == 404 && e.text.contains("churn"), "{}", e.text);
    assert_eq!(get(&server, "/studio/api/project").await.json()["name"], "desk");
    assert_eq!(get(&server, "/studio/api/overview").await.json()["reports"], json!(["churn"]));
    assert!(Path::new(&folder).exists());
}

/// A path as it is: clients would tidy it up.
async fn raw_get(server: &Running, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_was_recorded_is_read_in_pages_and_bad_questions_are_told() {
    assert_eq!(
        get(&start_script(script("x")).await, "/studio/api/runs").await.json()["error"]["code"],
        "no_traces"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let traces = Arc::new(Traces::open(&path, TraceSettings::default()).unwrap());
    let cx = Context::new().with_tracer(traces.clone());
    for name in ["one", "two", "three"] {
        let run = cx.span(RunKind::Chain, name, || (Data::from("why?"), Map::new()));
        run.event("tried", || Data::Int(1));
        run.finish(Ok(&Data::from("é".repeat(50_000))), Map::new);
    }
    assert!(traces.flush());
    let server =
        start(Server::new(Limits::default()).traces(Arc::new(TraceReader::open(&path).unwrap()))).await;
    let page = get(&server, "/studio/api/runs?root=1&limit=2").await.json();
    assert_eq!((&page["runs"][0]["name"], &page["runs"][1]["name"]), (&json!("three"), &json!("two")));
    let next = page["next"].as_str().unwrap();
    let last = get(&server, &format!("/studio/api/runs?limit=2&before={next}")).await.json();
    assert_eq!((last["runs"].as_array().unwrap().len(), &last["next"]), (1, &Value::Null));

    let at = format!("/studio/api/runs/{}", page["runs"][0]["id"].as_str().unwrap());
    assert_eq!(get(&server, &at).await.json()["total"], 1);
    let part = get(&server, &format!("{at}/content?side=output")).await.json();
    let (text, bytes) = (part["text"].as_str().unwrap(), part["bytes"].as_u64().unwrap());
    assert_eq!((part["cut"].as_bool(), bytes), (Some(true), 100_002));
    assert!(text.len() <= 64 << 10 && text.ends_with('é'), "cut between letters");
    let whole = get(&server, &format!("{at}/content?side=output&whole=1")).await;
    assert_eq!(whole.text.len(), 100_002);
    assert!(whole.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let told = get(&server, &format!("{at}/events")).await.json();
    assert_eq!((&told["events"][0]["name"], &told["more"]), (&json!("tried"), &json!(false)));
    let seq = &told["events"][0]["seq"];
    assert_eq!(get(&server, &format!("{at}/events?after={seq}")).await.json()["events"], json!([]));

    for (path, status, says) in [
        ("?kind=chian", 400, "chain"),
        ("?status=done", 400, "status of a run"),
        ("?limit=many", 400, "limit"),
        ("?before=yesterday", 400, ""),
        ("?colour=red", 400, "colour"),
        ("/zz", 400, "no id of a run"),
        ("/00000000-0000-7000-8000-000000000000", 404, "no run"),
        ("/00000000-0000-7000-8000-000000000000/content?side=middle", 404, "no run"),
    ] {
        let a = get(&server, &format!("/studio/api/runs{path}")).await;
        assert!(a.status == status && a.text.contains(says), "{path}: {} {}", a.status, a.text);
    }
    let a = get(&server, &format!("{at}/content?side=middle")).await;
    assert!(a.status == 400 && a.text.contains("expected input or output"), "{}", a.text);
}

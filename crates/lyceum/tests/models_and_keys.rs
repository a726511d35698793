//! `pull`, `ls`, `show`, `rm`, `keys` and `perf` as a person or a script runs them: output, errors, exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(self.out.lines().last().unwrap()).unwrap()
    }
}

fn lyceum(home: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    let Output { status, stdout, stderr } = command
        .args(args)
        .env("LYCEUM_HOME", home)
        .env("LYCEUM_OFFLINE", "1")
        .env_remove("OPENAI_API_KEY")
        .output()
        .unwrap();
    let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

#[test]
fn a_model_comes_is_listed_shown_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (home, file) = (dir.path().join("home"), dir.path().join("Tiny.Q4.gguf"));
    std::fs::write(&file, b"GGUF and more").unwrap();
    let run = |args: &[&str]| lyceum(&home, args);

    let r = run(&["ls"]);
    assert!(
        r.code == 0
            && r.out.contains("no models yet")
            && r.out.contains("`lyceum pull smollm2-135m-instruct`")
    );
    let r = run(&["pull", file.to_str().unwrap(), "--name", "tiny", "--json"]);
    assert_eq!(r.code, 0, "{}", r.err);
    let pulled = r.json();
    let keys: Vec<&String> = pulled.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "path", "sha256", "bytes", "source"]);
    assert_eq!((&pulled["name"], &pulled["bytes"]), (&"tiny".into(), &13.into()));
    assert!(pulled["path"].as_str().unwrap().ends_with("Tiny.Q4.gguf"));
    assert_eq!(run(&["ls", "--json"]).json()["models"][0]["sha256"], pulled["sha256"]);
    assert_eq!(run(&["show", "tiny", "--json"]).json()["files"][0]["path"], "Tiny.Q4.gguf");
    let r = run(&["rm", "tiny"]);
    assert_eq!(r.out, "removed tiny (13 B freed)\n");
    assert!(run(&["show", "tiny"]).err.contains("no model \"tiny\"; known are"));
}

#[test]
fn wrong_pulls_are_told_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let told = |args: &[&str]| {
        let r = lyceum(dir.path(), args);
        assert_ne!(r.code, 0, "{args:?}");
        assert_eq!(r.err.lines().filter(|l| l.starts_with("error: ")).count(), 1, "{}", r.err);
        (r.code, r.err)
    };
    let (code, text) = told(&["pull", "smollm2"]);
    assert!(code == 2 && text.contains("did you mean `smollm2-135m-instruct`?"), "{text}");
    assert!(told(&["pull", "./nothing.gguf"]).1.contains("no such file or folder"));
    assert!(told(&["pull", "hf:nonsense"]).1.contains("hf:owner/repo"));
    assert!(told(&["pull", "http://example.org/m.gguf", "--name", "m"]).1.contains("offline"));
    let pickle = dir.path().join("pytorch_model.bin");
    std::fs::write(&pickle, "x").unwrap();
    assert!(told(&["pull", pickle.to_str().unwrap()]).1.contains("pickle files can run any code"));
    let fake = dir.path().join("fake.gguf");
    std::fs::write(&fake, "<html>").unwrap();
    assert!(told(&["pull", fake.to_str().unwrap()]).1.contains("not a GGUF file"));
    assert!(
        told(&["pull", fake.to_str().unwrap(), "--name", "../up"]).1.contains("cannot be a model's name")
    );
    let r = lyceum(dir.path(), &["pull", "hf:a/b", "--json"]);
    assert_eq!((r.code, r.json()["error"]["code"].as_str().unwrap()), (1, "unavailable"));
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| lyceum(dir.path(), args);
    let made = run(&["keys", "create", "laptop", "--scope", "admin", "--json"]).json();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("lyc_"));
    let list = run(&["keys", "list"]);
    assert!(list.out.contains("admin  laptop") && !list.out.contains(key));
    assert!(run(&["keys", "revoke", "laptop"]).out.contains("revoked"));
    let r = run(&["keys", "revoke", "laptop"]);
    assert!(r.code == 2 && r.err.contains("no live key \"laptop\""), "{}", r.err);
    let r = run(&["keys", "create", "x", "--scope", "admn"]);
    assert!(r.code == 2 && r.err.contains("did you mean `admin`?"), "{}", r.err);
    std::fs::write(dir.path().join("bad.db"), vec![1u8; 4096]).unwrap();
    let r = run(&["keys", "list", "--store", dir.path().join("bad.db").to_str().unwrap()]);
    assert!(r.code == 2 && r.err.contains("not a readable store"), "{}", r.err);
}

#[test]
fn a_locked_store_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(lyceum(dir.path(), &["keys", "create", "laptop"]).code, 0);
    let store = dir.path().join("lyceum.db");
    let other = rusqlite::Connection::open(&store).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let r = lyceum(dir.path(), &["keys", "create", "phone"]);
    let says = format!(
        "error: {}: the store is locked by another process\n  hint: wait for it, or stop it\n",
        store.display()
    );
    assert_eq!((r.code, r.err.as_str()), (2, says.as_str()));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(lyceum(dir.path(), &["keys", "create", "phone"]).code, 0);
    let names = lyceum(dir.path(), &["keys", "list"]).out;
    assert!(names.contains("laptop") && names.contains("phone"), "{names}");
}

#[test]
fn perf_tells_that_nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let r = lyceum(dir.path(), &["perf", &format!("http://{closed}"), "--model", "m"]);
    assert!(r.code == 1 && r.err.contains("refused"), "{}", r.err);
    let r = lyceum(dir.path(), &["perf", "nonsense", "--model", "m"]);
    assert!(r.code == 2 && r.err.contains("is not an endpoint"), "{}", r.err);
}

//! `lyceum serve` as a process: refusals, and (with real models in `LYCEUM_TEST_SMOLLM2`, `LYCEUM_TEST_MINILM`) the
//! conversation of the unmodified Python clients (`LYCEUM_TEST_PYTHON`), a load test, and an orderly end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn lyceum(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command.args(args).env("LYCEUM_HOME", home).env("LYCEUM_OFFLINE", "1").env_remove("OPENAI_API_KEY");
    command.stdin(Stdio::null());
    command
}

fn refused(home: &Path, args: &[&str]) -> (i32, String) {
    let out = lyceum(home, args).output().unwrap();
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!err.contains("panicked"), "{err}");
    (out.status.code().unwrap(), err)
}

#[test]
fn what_cannot_be_served_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = |args: &[&str]| refused(dir.path(), args);
    let (code, text) = told(&["serve"]);
    assert!(code == 2 && text.contains("nothing to serve"), "{text}");
    let (code, text) = told(&["serve", "smollm2-135m-instrct"]);
    assert!(code == 2 && text.contains("did you mean `smollm2-135m-instruct`?"), "{text}");
    let (code, text) = told(&["serve", "smollm2-135m-instruct"]);
    assert!(code == 2 && text.contains("lyceum pull smollm2-135m-instruct"), "{text}");
    let (code, text) = told(&["serve", "--project", dir.path().to_str().unwrap()]);
    assert!(code == 2 && text.contains("lyceum up"), "{text}");
    let (code, text) = told(&["serve", "x", "--adapter", "nonsense"]);
    assert!(code == 2 && text.contains("--adapter NAME=DIR"), "{text}");
    let broken = dir.path().join("broken.gguf");
    std::fs::write(&broken, b"GGUF\x03\0\0\0").unwrap();
    let (code, text) = told(&["serve", broken.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(code == 2 && text.contains("broken.gguf"), "{text}");
}

struct Running {
    child: Child,
    ready: Value,
}

impl Running {
    fn start(home: &Path, args: &[&str]) -> Self {
        let mut child =
            lyceum(home, args).args(["--json", "--quiet"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        Self { child, ready }
    }

    fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn real_models_answer_real_clients() {
    let (Ok(chat), Ok(encoder)) = (std::env::var("LYCEUM_TEST_SMOLLM2"), std::env::var("LYCEUM_TEST_MINILM"))
    else {
        println!("SKIPPED: LYCEUM_TEST_SMOLLM2 and LYCEUM_TEST_MINILM name no models");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut server =
        Running::start(dir.path(), &["serve", &chat, "--model", &encoder, "--listen", "127.0.0.1:0"]);
    let models: Vec<&str> =
        server.ready["models"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect();
    let [chat, encoder] = models[..] else { panic!("{models:?}") };

    match std::env::var_os("LYCEUM_TEST_PYTHON") {
        Some(python) => {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../serve/tests/python/conversation.py");
            let done = Command::new(python)
                .arg(script)
                .args([server.url(), chat, "--embedder", encoder])
                .output()
                .unwrap();
            let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success() && out.contains("all is well"), "{out}\n{err}");
        }
        None => println!("SKIPPED: LYCEUM_TEST_PYTHON names no Python with openai and lorax-client"),
    }

    let args =
        ["perf", server.url(), "--model", chat, "--requests", "6", "--concurrency", "3", "--max-tokens", "8"];
    let done = lyceum(dir.path(), &args).args(["--ignore-eos", "--json", "--quiet"]).output().unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&report["completed"], &report["tokens_from"]), (&6.into(), &"usage".into()), "{report}");
    assert_eq!(report["output_tokens"], 48);
    assert!(
        report["ttft_ms"]["p95"].as_f64().unwrap() > 0.0
            && report["inter_token_ms"]["p50"].as_f64().unwrap() > 0.0
    );

    let (code, text) = refused(
        dir.path(),
        &[
            "serve",
            &std::env::var("LYCEUM_TEST_SMOLLM2").unwrap(),
            "--listen",
            server.url().strip_prefix("http://").unwrap(),
        ],
    );
    assert!(code == 2 && text.contains("is in use by another program"), "{text}");

    let told =
        Command::new("sh").arg("-c").arg(format!("kill -TERM {}", server.child.id())).status().unwrap();
    assert!(told.success());
    assert_eq!(server.child.wait().unwrap().code(), Some(0), "told to stop, it ends well");
}

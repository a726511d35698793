//! The unmodified Python clients (`openai`, `lorax-client`) hold a scripted conversation with the server.
//! `LYCEUM_TEST_PYTHON` is a Python that has both.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use std::process::Stdio;
use support::{script, start_script};

#[tokio::test]
async fn the_python_clients_are_content() {
    let Some(python) = std::env::var_os("LYCEUM_TEST_PYTHON") else {
        println!("SKIPPED: LYCEUM_TEST_PYTHON names no Python with openai and lorax-client");
        return;
    };
    let server = start_script(script("Hello, world. It goes on and on.")).await;
    let conversation = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/conversation.py");
    let mut command = tokio::process::Command::new(python);
    command.arg(conversation).args([server.url.as_str(), "base", "--adapter", "loud", "--embedder", "base"]);
    let done = command.stdin(Stdio::null()).output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    assert!(out.contains("all is well"), "{out}");
}

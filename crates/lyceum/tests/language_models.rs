//! The language-model verbs as scripts use them, on a tiny model: what they print. (What they refuse: `bad_models.rs`.)

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name).display().to_string()
}

fn lyceum(args: &[&str]) -> Output {
    let home = std::env::temp_dir().join("lyceum-test-home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command.args(args).env("LYCEUM_HOME", home).env("LYCEUM_THREADS", "2").output().unwrap()
}

/// The object on the last line of standard output.
fn object(args: &[&str]) -> Value {
    let out = lyceum(args);
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{args:?}: {text}\n{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap()
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden("llama/expected.json")).unwrap()).unwrap()
}

#[test]
fn tokenizes() {
    let e = expected();
    let got =
        object(&["tokenize", "--model", &golden("llama"), "--text", e["text"].as_str().unwrap(), "--json"]);
    assert_eq!(got["ids"], e["input_ids"]);
}

#[test]
fn generates_what_the_reference_generates() {
    let e = expected();
    let model = golden("llama");
    let mut args = vec!["generate", "--model", &model, "--prompt", e["text"].as_str().unwrap()];
    args.extend(["--max-tokens", "16", "--temperature", "0", "--ignore-eos", "--exact", "--json"]);
    let got = object(&args);
    assert_eq!(got["ids"], e["greedy_16_no_stop"]);
    assert_eq!(got["prompt_tokens"], e["input_ids"].as_array().unwrap().len());
    assert_eq!(got["logprobs"].as_array().unwrap().len(), 16);
    assert!(
        got["tokens_per_second"].as_f64().unwrap() > 0.0 && got["first_token_ms"].as_f64().unwrap() > 0.0
    );
    let adapter = golden("peft/lora_r8_all");
    args.extend(["--adapter", &adapter]);
    assert_ne!(object(&args)["ids"], e["greedy_16_no_stop"], "the adapter changes the answer");
    let chat = ["chat", "--model", &model, "--prompt", "Thanks", "--max-tokens", "3", "--json"];
    assert!(object(&chat)["text"].is_string());
}

#[test]
fn measures_perplexity() {
    let e = expected();
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "t.txt", e["text"].as_str().unwrap().as_bytes());
    let got = object(&["perplexity", "--model", &golden("llama"), "--text-file", &file, "--exact", "--json"]);
    assert_eq!(got["tokens"], 23);
    let nll = got["mean_nll"].as_f64().unwrap();
    assert!((nll - e["lm_loss_shifted_mean"].as_f64().unwrap()).abs() < 1e-3, "{nll}");
    assert!((got["perplexity"].as_f64().unwrap() - nll.exp()).abs() < 1e-6);
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> String {
    std::fs::write(dir.join(name), bytes).unwrap();
    dir.join(name).display().to_string()
}

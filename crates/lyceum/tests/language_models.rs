//! The language-model verbs as scripts use them, on a tiny model: what they print, and the one clear message for
//! each bad input.

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

/// The message of a failure, which exits with 2.
fn refusal(args: &[&str]) -> String {
    let out = lyceum(args);
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text
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

fn generate(model: &str, more: &[&str]) -> String {
    let mut args = vec!["generate", "--model", model, "--prompt", "hello"];
    args.extend(more);
    refusal(&args)
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> String {
    std::fs::write(dir.join(name), bytes).unwrap();
    dir.join(name).display().to_string()
}

#[test]
fn broken_gguf_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(golden("gguf/llama_q4_0.gguf")).unwrap();
    let cut = write(dir.path(), "cut.gguf", &whole[..whole.len() / 2]);
    assert!(generate(&cut, &[]).contains("cut.gguf: the file is truncated: tensor"));
    let magic = write(dir.path(), "magic.gguf", b"NOPE0000000000000000000000000000");
    assert!(generate(&magic, &[]).contains("does not begin with `GGUF`"));
    let pickle = write(dir.path(), "model.bin", b"\x80\x02}q\x00.");
    assert!(generate(&pickle, &[]).contains("pickle"));
    let key = b"tokenizer.ggml.tokens";
    let at = whole.windows(key.len()).position(|w| w == key).unwrap() + key.len() - 1;
    let mut mute = whole.clone();
    mute[at] = b'x';
    let mute = write(dir.path(), "mute.gguf", &mute);
    assert!(generate(&mute, &[]).contains("the file has no tokenizer"));
    let name = b"blk.0.attn_q.weight";
    let at = whole.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4 + 16;
    let mut strange = whole.clone();
    strange[at] = 16;
    let strange = write(dir.path(), "strange.gguf", &strange);
    assert!(generate(&strange, &[]).contains("is quantised as IQ2_XXS, which is not read"));
}

#[test]
fn broken_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().display().to_string();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(Path::new(&golden("llama")).join(name), dir.path().join(name)).unwrap();
    }
    assert!(generate(&model, &[]).contains("model.safetensors"));
    let tensors = std::fs::read(Path::new(&golden("llama")).join("model.safetensors")).unwrap();
    write(dir.path(), "model.safetensors", &tensors[..tensors.len() - 100]);
    assert!(generate(&model, &[]).contains("truncated"));
    write(dir.path(), "model.safetensors", &tensors);
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(generate(&model, &[]).contains("no tokenizer.json"));
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let model = golden("llama");
    assert!(generate(&model, &["--adapter", &golden("peft/ia3")]).contains("adapters of kind IA3"));
    assert!(generate(&model, &["--adapter", &golden("llama")]).contains("not an adapter folder"));
    let dir = tempfile::tempdir().unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(Path::new(&golden("peft/lora_r8_all")).join(name), dir.path().join(name)).unwrap();
    }
    let config = dir.path().join("adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"r\": 8", "\"r\": 16")).unwrap();
    let path = dir.path().display().to_string();
    assert!(generate(&model, &["--adapter", &path]).contains("rank mismatch at `model.layers.0"));
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let model = golden("llama");
    assert!(generate(&model, &["--max-tokens", "-1"]).contains("max_tokens is -1"));
    assert!(generate(&model, &["--temperature", "NaN"]).contains("temperature is NaN"));
    assert!(generate(&model, &["--top-p", "1.5"]).contains("top_p is 1.5"));
    let long = "word ".repeat(300);
    let said = refusal(&["generate", "--model", &model, "--prompt", &long]);
    assert!(said.contains("the model's context 128"), "{said}");
    assert!(
        refusal(&["generate", "--model", "no/such/model.gguf", "--prompt", "x"])
            .contains("no such model file")
    );
}

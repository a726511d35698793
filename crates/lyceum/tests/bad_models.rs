//! Broken models, adapters that do not fit and requests that cannot be: the whole message of the real program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use std::net::TcpListener;
use std::path::Path;
use support::{golden, lyceum, refused};

const PICKLE: &str = "this is a pickle file, which could run any code when loaded; it is not read\n  hint: use a .safetensors or .gguf file of the same model";

fn golden_text(name: &str) -> String {
    golden(name).display().to_string()
}

/// Generates with a model and is refused.
#[track_caller]
fn generate(dir: &Path, model: &str, more: &[&str], says: &str) {
    let args = [&["generate", "--model", model, "--prompt", "hello", "--quiet"], more].concat();
    refused(dir, &args, 2, says);
}

#[test]
fn broken_gguf_files() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(golden("gguf/llama_q4_0.gguf")).unwrap();
    let fails = |name: &str, bytes: &[u8], says: &str| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        generate(dir.path(), name, &[], says);
    };
    fails(
        "half.gguf",
        &whole[..whole.len() / 2],
        "half.gguf: the file is truncated: tensor `blk.1.attn_q.weight` needs 2304 bytes at 46720, the file has 48256",
    );
    fails(
        "head.gguf",
        &whole[..100],
        "head.gguf: general.name: the file is truncated: 8 more bytes expected at 93, it has 100",
    );
    fails("empty.gguf", b"", "empty.gguf: the file is empty");
    fails(
        "magic.gguf",
        b"NOPE0000000000000000000000000000",
        "magic.gguf: not a GGUF file: it does not begin with `GGUF`",
    );
    fails("old.gguf", b"GGUF\x01\0\0\0", "old.gguf: GGUF version 1; versions 2 and 3 are read");
    fails(
        "model.bin",
        b"\x80\x02}q\x00.",
        "model.bin: pickle files can run any code when they are loaded, and are never read\n  hint: convert it to safetensors, or take the GGUF or safetensors version of the model",
    );
    fails("pickle.gguf", b"\x80\x02}q\x00.", &format!("pickle.gguf: {PICKLE}"));
    let place = |key: &[u8]| whole.windows(key.len()).position(|w| w == key).unwrap() + key.len();
    let mut mute = whole.clone();
    mute[place(b"tokenizer.ggml.tokens") - 1] = b'x';
    fails(
        "mute.gguf",
        &mute,
        "mute.gguf: the file has no tokenizer (no `tokenizer.ggml.tokens`)\n  hint: get a GGUF file with its tokenizer, or a folder with tokenizer.json",
    );
    let mut strange = whole.clone();
    strange[place(b"blk.0.attn_q.weight") + 4 + 16] = 16;
    fails(
        "strange.gguf",
        &strange,
        "strange.gguf: tensor `blk.0.attn_q.weight` is quantised as IQ2_XXS, which is not read\n  hint: get the model in one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4",
    );
}

#[test]
fn broken_folders() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("m");
    std::fs::create_dir(&model).unwrap();
    let fails = |says: &str| generate(dir.path(), "m", &[], says);
    fails("m: no config.json: not a model folder");
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(golden("llama").join(name), model.join(name)).unwrap();
    }
    fails("m: no model.safetensors and no model.safetensors.index.json");
    std::fs::write(model.join("pytorch_model.bin"), b"\x80\x02}q\x00.").unwrap();
    fails(
        "m: no model.safetensors and no model.safetensors.index.json\n  hint: pytorch_model.bin is a pickle, which could run any code when loaded; it is not read\n  hint: use a .safetensors or .gguf file of the same model",
    );
    let tensors = std::fs::read(golden("llama/model.safetensors")).unwrap();
    std::fs::write(model.join("model.safetensors"), &tensors[..tensors.len() - 100]).unwrap();
    fails(
        "m/model.safetensors: the file is truncated or not a safetensors file (incomplete metadata, file not fully covered)",
    );
    std::fs::write(model.join("model.safetensors"), b"GGUF and more, but no header").unwrap();
    fails("m/model.safetensors: not a safetensors file (header too large)");
    std::fs::write(model.join("model.safetensors"), &tensors).unwrap();
    std::fs::remove_file(model.join("tokenizer.json")).unwrap();
    fails(
        "m: no tokenizer.json in the model's folder\n  hint: copy tokenizer.json beside the weights; `tokenizer.model` alone is not read",
    );
}

#[test]
fn adapters_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = dir.path().join("a");
    std::fs::create_dir(&adapter).unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(golden("peft/lora_r8_all").join(name), adapter.join(name)).unwrap();
    }
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    for name in [
        "qwen3/config.json",
        "qwen3/model.safetensors",
        "llama/tokenizer.json",
        "llama/tokenizer_config.json",
    ] {
        let from = golden(name);
        std::fs::copy(&from, other.join(from.file_name().unwrap())).unwrap();
    }
    let says = "a/adapter_model.safetensors: the adapter is for another base: at `model.layers.0.self_attn.q_proj` it maps 64 to 64, the base maps 64 to 128";
    generate(dir.path(), "other", &["--adapter", "a"], says);
    let config = adapter.join("adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"r\": 8", "\"r\": 16")).unwrap();
    let base = golden_text("llama");
    generate(
        dir.path(),
        &base,
        &["--adapter", "a"],
        "a/adapter_model.safetensors: rank mismatch at `model.layers.0.self_attn.q_proj`: lora_A has 8, lora_B has 8, adapter_config.json says 16",
    );
    std::fs::write(&config, text.replace("LORA", "LOHA")).unwrap();
    generate(
        dir.path(),
        &base,
        &["--adapter", "a"],
        "a/adapter_config.json: peft_type: adapters of kind LOHA are not read; LORA, VERA, IA3, ADAPTION_PROMPT are\n  hint: did you mean `LORA`?\n  hint: merge it into its base with PEFT, and use that model",
    );
    std::fs::rename(adapter.join("adapter_model.safetensors"), adapter.join("adapter_model.bin")).unwrap();
    std::fs::write(&config, &text).unwrap();
    generate(dir.path(), &base, &["--adapter", "a"], &format!("a/adapter_model.bin: {PICKLE}"));
    std::fs::remove_file(&config).unwrap();
    generate(dir.path(), &base, &["--adapter", "a"], "a: no adapter_config.json: not an adapter folder");
}

#[test]
fn requests_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let model = golden_text("llama");
    let fails = |more: &[&str], says: &str| generate(dir.path(), &model, more, says);
    fails(&["--max-tokens", "-1"], "max_tokens: max_tokens is -1, expected a whole number from 0");
    fails(&["--temperature", "NaN"], "temperature: temperature is NaN, expected a finite number from 0");
    fails(&["--top-p", "1.5"], "top_p: top_p is 1.5, expected over 0 and at most 1");
    let long = "word ".repeat(300);
    let says = "the prompt has 603 tokens, the model's context 128; at least one must be left\n  hint: shorten the prompt";
    refused(dir.path(), &["generate", "--model", &model, "--prompt", &long], 2, says);
    refused(
        dir.path(),
        &["tokenize", "--model", "no/model.gguf", "--text", "x"],
        2,
        "no/model.gguf: no such model file or folder",
    );
    let says = "no model \"smollm\"; known are all-minilm-l6-v2, smollm2-135m-instruct\n  hint: `lyceum pull` gets others; a path to a .gguf file or a safetensors folder works too";
    refused(dir.path(), &["tokenize", "--model", "smollm", "--text", "x"], 2, says);
}

#[test]
fn the_port_and_the_keys_come_before_the_model() {
    let dir = tempfile::tempdir().unwrap();
    // Would it be loaded first, it would be refused first.
    std::fs::write(dir.path().join("broken.gguf"), b"GGUF\x03\0\0\0").unwrap();
    let serve = |listen: &str, code: i32, says: &str| {
        refused(dir.path(), &["serve", "broken.gguf", "--listen", listen], code, says);
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    serve(
        &address,
        2,
        &format!(
            "{address} is in use by another program\n  hint: choose another with --listen HOST:PORT; port 0 takes any free one"
        ),
    );
    serve(
        "0.0.0.0:0",
        1,
        "0.0.0.0:0 can be reached from other machines, and there is no API key\n  hint: make one with `lyceum keys create NAME`, or listen on 127.0.0.1",
    );
    serve(
        "nonsense",
        2,
        "listen: \"nonsense\" is not an address to listen on\n  hint: write HOST:PORT, such as 127.0.0.1:8080",
    );
    assert!(lyceum(dir.path(), &["keys", "create", "k"]).output().unwrap().status.success());
    let out = lyceum(dir.path(), &["serve", "broken.gguf", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&out.stderr).contains("broken.gguf: the file is truncated"),
        "with a key it goes on"
    );
}

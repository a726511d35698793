//! `lyceum finetune` on the tiny reference model: DoRA is learnt, asked and merged; a base is rounded or refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name);
    path.canonicalize().unwrap().display().to_string()
}

struct Work(tempfile::TempDir);

impl Work {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let line = |i: usize| format!("{{\"prompt\": \"number {i} is\", \"completion\": \"{}\"}}\n", i % 3);
        std::fs::write(dir.path().join("data.jsonl"), (0..12).map(line).collect::<String>()).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn lyceum(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
        command.current_dir(self.0.path()).env("LYCEUM_HOME", self.path("home"));
        command.args(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> Json {
        let out = self.lyceum(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_str(String::from_utf8(out.stdout).unwrap().trim_end().lines().last().unwrap())
            .unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let out = self.lyceum(args);
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(!out.status.success() && !text.contains("panicked"), "{args:?}: {text}");
        text
    }
}

fn learn<'a>(model: &'a str, output: &'a str) -> Vec<&'a str> {
    let words = ["finetune", "--model", model, "--data", "data.jsonl", "--output", output];
    [&words[..], &["--steps", "8", "--learning-rate", "0.01", "--json"]].concat()
}

#[test]
fn dora_is_learnt_asked_and_merged() {
    let (work, model) = (Work::new(), golden("llama"));
    let report = work.ok(&[&learn(&model, "dora")[..], &["--use-dora"]].concat());
    let loss = report["loss"].as_array().unwrap();
    assert!(loss[7].as_f64() < loss[0].as_f64(), "{report}");
    let config: Json =
        serde_json::from_slice(&std::fs::read(work.path("dora/adapter_config.json")).unwrap()).unwrap();
    assert_eq!(config["use_dora"], true);
    let ask = |model: &str, adapter: &[&str]| {
        let words = ["generate", "--model", model, "--prompt", "number 4 is", "--max-tokens", "6"];
        let words = [&words[..], &["--temperature", "0", "--exact", "--json"], adapter].concat();
        work.ok(&words)["ids"].clone()
    };
    let with = ask(&model, &["--adapter", "dora"]);
    assert_ne!(with, ask(&model, &[]));
    work.ok(&[
        "merge",
        "--model",
        &model,
        "--adapter",
        "dora",
        "--output",
        "whole",
        "--format",
        "f32",
        "--json",
    ]);
    assert_eq!(ask("whole", &[]), with);
}

#[test]
fn a_base_that_cannot_be_rounded_is_refused() {
    let (work, model) = (Work::new(), golden("llama"));
    let e = work.refused(&[&learn(&model, "a")[..], &["--quantize", "nf5"]].concat());
    assert!(e.contains("did you mean `nf4`?"), "{e}");
    let e = work.refused(&[&learn(&model, "a")[..], &["--quantize", "nf4"]].concat());
    assert!(
        e.contains("`model.layers.0.mlp.down_proj` are 80 long, which NF4's blocks of 64 do not fill"),
        "{e}"
    );
    let quantised = golden("gguf/llama_q8_0.gguf");
    let e = work.refused(&[&learn(&quantised, "a")[..], &["--quantize", "nf4"]].concat());
    assert!(e.contains("stored as Q8_0 already"), "{e}");
    assert!(!work.path("a").exists());
}

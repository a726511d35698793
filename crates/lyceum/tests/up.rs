//! `lyceum up` as a person runs it: the real program on a small project.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A project of one table model, and an adapter when a base model is at hand.
fn project(dir: &Path, base: Option<&str>) -> PathBuf {
    let root = dir.join("small");
    std::fs::create_dir_all(root.join("data")).unwrap();
    let rows = |from: usize, to: usize| {
        (from..to).fold("size,colour,large\n".to_string(), |text, i| {
            let size = (i * 37) % 100;
            let odd = if i % 17 == 0 { 60 } else { 0 };
            let large = if size + odd > 55 { "yes" } else { "no" };
            text + &format!("{size},{},{large}\n", ["red", "green", "blue"][i % 3])
        })
    };
    std::fs::write(root.join("data/train.csv"), rows(0, 300)).unwrap();
    std::fs::write(root.join("data/test.csv"), rows(300, 420)).unwrap();
    let mut yaml = "\
name: small
learn:
  large:
    model_type: gbm
    data: data/train.csv
    input_features: [{name: size, type: number}, {name: colour, type: category}]
    output_features: [{name: large, type: binary}]
"
    .to_string();
    let mut gates = "\
evaluate:
  large_auc: {data: data/test.csv, target: large, metric: auc, gate: {at_least: 0.7}}
"
    .to_string();
    if let Some(base) = base {
        let line = |i: usize| {
            let word = ["red", "green", "blue"][i % 3];
            format!("{{\"prompt\": \"Colour {i}: {word}\", \"completion\": \"{word}\"}}\n")
        };
        std::fs::write(root.join("data/say.jsonl"), (0..24).map(line).collect::<String>()).unwrap();
        std::fs::write(root.join("data/say_test.jsonl"), (30..33).map(line).collect::<String>()).unwrap();
        yaml += &format!(
            "  say:\n    model_type: llm\n    base_model: {base}\n    data: data/say.jsonl\n    \
             adapter: {{type: lora, r: 4, dropout: 0.0}}\n    \
             trainer: {{type: finetune, train_steps: 4, batch_size: 2, learning_rate: 0.002}}\n"
        );
        gates += "  say_f1: {data: data/say_test.jsonl, target: say, baseline: base, metric: token_f1, \
                  max_tokens: 8, gate: {at_least: 0.0}}\n";
    }
    std::fs::write(root.join("lyceum.yaml"), yaml + &gates).unwrap();
    root
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    c.args(arguments).env("LYCEUM_HOME", home).stdin(Stdio::null());
    c
}

fn json(out: &Output) -> Value {
    let text = String::from_utf8_lossy(&out.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)))
}

fn up(home: &Path, root: &Path) -> (Value, i32) {
    let out = command(home, &["up", root.to_str().unwrap(), "--once", "--json"]).output().unwrap();
    (json(&out), out.status.code().unwrap_or(-1))
}

fn base() -> Option<String> {
    let base = std::env::var("LYCEUM_TEST_SMOLLM2").ok();
    if base.is_none() {
        eprintln!("SKIPPED: the adapter's part (set LYCEUM_TEST_SMOLLM2 to a GGUF file)");
    }
    base
}

#[test]
fn does_what_is_stale_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let root = project(dir.path(), None);
    let plan = command(&home, &["up", root.to_str().unwrap(), "--dry-run", "--json"]).output().unwrap();
    assert_eq!(json(&plan)["stale"][0]["reason"], "never done");
    assert!(!root.join(".lyceum").exists(), "a dry run makes nothing");

    let (first, code) = up(&home, &root);
    assert_eq!(code, 0, "{first}");
    assert_eq!(first["done"], serde_json::json!(["learn.large", "evaluate.large_auc"]));
    let gate = &first["gates"][0];
    assert!(gate["verdict"] == "pass" && gate["low"].as_f64().unwrap() < gate["value"].as_f64().unwrap());
    assert!(first["url"].is_null() && first["ok"] == true);

    let (second, _) = up(&home, &root);
    assert_eq!(second["done"], serde_json::json!([]));
    assert_eq!(second["gates"], first["gates"]);

    let test = std::fs::read_to_string(root.join("data/test.csv")).unwrap();
    std::fs::write(root.join("data/test.csv"), test + "99,red,yes\n").unwrap();
    let (third, _) = up(&home, &root);
    assert_eq!(third["done"], serde_json::json!(["evaluate.large_auc"]));
    assert_eq!(third["fresh"], serde_json::json!(["learn.large"]));

    let yaml = std::fs::read_to_string(root.join("lyceum.yaml")).unwrap().replace("0.7", "0.9999");
    std::fs::write(root.join("lyceum.yaml"), yaml).unwrap();
    let (fourth, code) = up(&home, &root);
    assert_eq!(code, 3, "{fourth}");
    assert_eq!(fourth["ok"], false);

    let freed = command(&home, &["gc", root.to_str().unwrap(), "--json"]).output().unwrap();
    assert!(json(&freed)["bytes"].as_u64().unwrap() > 0, "the older evaluation is garbage");
}

#[test]
fn a_killed_run_ends_where_an_undisturbed_one_does() {
    let base = base();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let whole = project(&dir.path().join("a"), base.as_deref());
    let (undisturbed, _) = up(&home, &whole);
    let root = project(&dir.path().join("b"), base.as_deref());
    for after in [5, 40, 150, 400, 900] {
        let mut child = command(&home, &["up", root.to_str().unwrap(), "--once", "--json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (resumed, code) = up(&home, &root);
    assert_eq!(code, 0, "{resumed}");
    assert_eq!(resumed["gates"], undisturbed["gates"]);
    let left = std::fs::read_dir(root.join(".lyceum/work")).map_or(0, |d| d.count());
    assert_eq!(left, 0, "no unfinished work is left");
}

#[test]
fn a_second_run_says_who_is_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let root = project(dir.path(), None);
    std::fs::create_dir_all(root.join(".lyceum")).unwrap();
    let lock = lyceum_store::lock::Lock::acquire(root.join(".lyceum/lock"), "lyceum up").unwrap();
    let out = command(&home, &["up", root.to_str().unwrap(), "--once"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("process {} (`lyceum up`", std::process::id())), "{said}");
    drop(lock);
}

//! `lyceum traces` and `lyceum trace` on what `lyceum up` recorded: steps, training steps as events, evaluated examples.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod support;

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use support::{end_of, golden, lyceum, refused};

/// A project of one table model and an adapter of the tiny reference model.
fn project(dir: &Path, trace: &str) -> PathBuf {
    let root = dir.join("small");
    std::fs::create_dir_all(root.join("data")).unwrap();
    let row = |i: usize| format!("{},{}\n", i * 37 % 100, if i * 37 % 100 > 55 { "yes" } else { "no" });
    let rows = (0..200).map(row).collect::<String>();
    std::fs::write(root.join("data/t.csv"), format!("size,large\n{rows}")).unwrap();
    let line = |i: usize| format!("{{\"prompt\": \"canary {i} is\", \"completion\": \"{}\"}}\n", i % 3);
    std::fs::write(root.join("data/say.jsonl"), (0..12).map(line).collect::<String>()).unwrap();
    std::fs::write(root.join("data/ask.jsonl"), (20..23).map(line).collect::<String>()).unwrap();
    let yaml = format!(
        "name: small
{trace}learn:
  large:
    model_type: gbm
    data: data/t.csv
    input_features: [{{name: size, type: number}}]
    output_features: [{{name: large, type: binary}}]
  say:
    model_type: llm
    base_model: {}
    data: data/say.jsonl
    valid: data/ask.jsonl
    adapter: {{type: lora, r: 4, dropout: 0.0}}
    trainer: {{type: finetune, train_steps: 6, batch_size: 2, learning_rate: 0.002}}
evaluate:
  say_f1: {{data: data/ask.jsonl, target: say, baseline: base, metric: token_f1, max_tokens: 4, gate: {{at_least: 0.0}}}}
",
        golden("llama").display()
    );
    std::fs::write(root.join("lyceum.yaml"), yaml).unwrap();
    root
}

fn out(dir: &Path, args: &[&str]) -> String {
    let out = lyceum(dir, args).output().unwrap();
    let (code, said) = end_of(&out);
    assert_eq!(code, 0, "{args:?}: {said}");
    String::from_utf8(out.stdout).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Json {
    let text = out(dir, args);
    serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap()
}

fn names(list: &Json) -> Vec<&str> {
    list["runs"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect()
}

#[test]
fn up_is_recorded_from_its_top_to_each_evaluated_example() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    project(dir, "");
    refused(
        dir,
        &["traces", "--project", "small"],
        2,
        "small/.lyceum/lyceum.db: no runs are recorded here\n  hint: `lyceum up` and `lyceum serve` record runs; \
         --project DIR names a project's",
    );
    out(dir, &["up", "small", "--once", "--json"]);

    let list = json(dir, &["traces", "--project", "small", "--json"]);
    assert_eq!(list["runs"].as_array().unwrap().len(), 2, "up, and the sample answer: {list}");
    let top = list["runs"].as_array().unwrap().iter().find(|r| r["name"] == "up").unwrap();
    assert_eq!(top["status"], "success");
    let id = top["id"].as_str().unwrap();

    let tree = json(dir, &["trace", &id[24..32], "--project", "small", "--content", "--json"]);
    let runs = tree["runs"].as_array().unwrap();
    let of = |kind: &str| -> Vec<&Json> { runs.iter().filter(|r| r["run_type"] == kind).collect() };
    let trainings: Vec<_> = of("training").iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(trainings, ["learn.large", "learn.say"]);
    let events = of("training")[1]["events"].as_array().unwrap();
    let steps: Vec<&Json> = events.iter().filter(|e| e["name"] == "step").collect();
    assert_eq!(steps.len(), 6);
    for (i, step) in steps.iter().enumerate() {
        let data = &step["data"];
        assert_eq!(data["step"], i + 1);
        assert!(
            data["loss"].is_f64() && data["lr"].is_f64() && data["tokens_per_second"].as_f64() > Some(0.0)
        );
    }
    assert!(events.iter().any(|e| e["name"] == "validation" && e["data"]["loss"].is_f64()));
    let models = of("llm");
    assert_eq!(models.len(), 6, "three examples, adapter and base");
    let evaluation = of("evaluation")[0];
    assert_eq!(evaluation["outputs"]["verdict"], "pass");
    assert!(
        models
            .iter()
            .all(|m| m["parent_run_id"] == evaluation["id"] && m["prompt_tokens"].as_i64() > Some(0))
    );
    let adapted: Vec<_> = models.iter().filter(|m| m["adapter"] == "say").collect();
    assert_eq!(adapted.len(), 3);
    assert!(adapted[0]["generation"].is_string());
    assert!(adapted[0]["inputs"].to_string().contains("canary"));

    let shown = out(dir, &["trace", id, "--project", "small"]);
    let first: Vec<&str> = shown.lines().take(2).collect();
    assert!(first[0].starts_with("chain up of 20") && first[1].starts_with("up "), "{shown}");
    assert!(shown.contains("├ learn.large") && shown.contains('█'), "{shown}");
    assert!(shown.lines().last().unwrap().contains(" runs, ") && shown.contains("tokens read"), "{shown}");

    let of = |more: &[&str]| json(dir, &[&["traces", "--project", "small", "--json"], more].concat());
    assert_eq!(names(&of(&["--kind", "training", "--since", "1h"])), ["learn.say", "learn.large"]);
    assert_eq!(names(&of(&["--name", "learn.say"])), ["learn.say"]);
    assert!(names(&of(&["--status", "error", "--all"])).is_empty());
    let page = of(&["--all", "--limit", "2"]);
    assert_eq!(page["runs"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    assert_ne!(of(&["--all", "--limit", "2", "--before", next])["runs"][0]["id"], page["runs"][1]["id"]);

    let wrong = |args: &[&str], says: &str| refused(dir, &[args, &["--project", "small"]].concat(), 2, says);
    wrong(
        &["traces", "--status", "eror"],
        "status: \"eror\" is no status of a run, expected running, success, error, interrupted, cancelled\n  \
         hint: did you mean `error`?",
    );
    wrong(&["traces", "--since", "soon"], "since: \"soon\" is no time\n  hint: write 90s, 15m, 1h or 7d");
    wrong(&["trace", "ffffffff"], "small/.lyceum/lyceum.db: no run \"ffffffff\" is recorded");
}

#[test]
fn a_project_says_what_is_kept_of_its_runs() {
    let dir = tempfile::tempdir().unwrap();
    let root = project(dir.path(), "trace: {content: redacted}\n");
    out(dir.path(), &["up", "small", "--once", "--json"]);
    let file = std::fs::read(root.join(".lyceum/lyceum.db")).unwrap();
    assert!(!String::from_utf8_lossy(&file).contains("canary"));
    let list = json(&root, &["traces", "--kind", "llm", "--json"]);
    assert_eq!(
        list["runs"][0]["input_preview"].as_str().unwrap(),
        r#"{"role":"user","content":"<12 characters>"}"#
    );
}

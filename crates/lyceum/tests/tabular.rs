//! The tabular verbs as a script sees them: one JSON object on the last line, Ludwig's flags and folders, exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use serde_json::Value as Json;
use std::path::Path;
use std::process::{Command, Output};

/// 300 rows; `late` follows from weight and distance.
fn table(path: &Path) {
    let mut out = String::from("id,weight,distance,day,late\n");
    for i in 0..300u32 {
        let (w, d) = (i * 7919 % 200, i * 104_729 % 900);
        let day = ["mon", "tue", "wed"][(i % 3) as usize];
        let late = if 4 * w + d > 850 { "yes" } else { "no" };
        out.push_str(&format!("p{i},{}.{},{d},{day},{late}\n", w / 10, w % 10));
    }
    std::fs::write(path, out).unwrap();
}

fn lyceum(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lyceum")).args(args).current_dir(dir).output().unwrap()
}

fn json(out: &Output) -> Json {
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    serde_json::from_str(last).unwrap()
}

fn ok(dir: &Path, args: &[&str]) -> Json {
    let out = lyceum(dir, args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    json(&out)
}

#[test]
fn from_a_table_to_predictions() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    table(&dir.join("d.csv"));
    let made =
        ok(dir, &["init_config", "--dataset", "d.csv", "--target", "late", "--output", "c.yaml", "--json"]);
    let config = made["config"].as_str().unwrap();
    assert!(config.contains("{name: late, type: binary}"), "{config}");
    assert!(config.contains("# left out: id (names its row)"), "{config}");
    assert_eq!(ok(dir, &["check", "c.yaml", "--json"])["valid"], true);

    let t = ok(
        dir,
        &["train", "-c", "c.yaml", "--dataset", "d.csv", "-od", "out", "-rs", "7", "-b", "local", "--json"],
    );
    assert!(t["metrics"]["late"]["roc_auc"].as_f64().unwrap() > 0.9, "{t}");
    assert!(t["baseline"]["late"]["roc_auc"].is_f64() && t["seconds"].is_f64(), "{t}");
    assert_eq!(t["model_path"], "out/experiment_run/model");

    let e = ok(
        dir,
        &[
            "evaluate",
            "--model_path",
            "out/experiment_run/model",
            "--dataset",
            "d.csv",
            "--split",
            "test",
            "-od",
            "eval",
            "--json",
        ],
    );
    assert_eq!(e["metrics"], t["metrics"]);
    assert!(dir.join("eval/test_statistics.json").is_file());
    let p = ok(
        dir,
        &["predict", "-m", "out/experiment_run/model", "--dataset", "d.csv", "-od", "pred", "--json"],
    );
    assert_eq!((&p["predictions_path"], &p["rows"]), (&Json::from("pred/predictions.csv"), &Json::from(300)));
    let head = std::fs::read_to_string(dir.join("pred/predictions.csv")).unwrap();
    let head = head.lines().next().unwrap();
    assert_eq!(
        head,
        "late_predictions,late_probabilities,late_probabilities_no,late_probabilities_yes,late_probability"
    );
    ok(
        dir,
        &[
            "predict",
            "-m",
            "out/experiment_run/model",
            "--dataset",
            "d.csv",
            "--contributions",
            "-od",
            "why",
            "--json",
        ],
    );
    let why = std::fs::read_to_string(dir.join("why/predictions.csv")).unwrap();
    let (head_with, first) = (why.lines().next().unwrap(), why.lines().nth(1).unwrap());
    assert_eq!(
        head_with,
        format!(
            "{head},late_contributions,late_contributions_expected_value,late_contributions_weight,\
             late_contributions_distance,late_contributions_day"
        )
    );
    // The numbers at the end are those of the object, and sum to the log-odds.
    let numbers: Vec<f64> = first.rsplit(',').take(4).map(|x| x.parse().unwrap()).collect();
    let p: f64 = first.split("\"{").next().unwrap().rsplit(',').nth(2).unwrap().parse().unwrap();
    let sum: f64 = numbers.iter().sum();
    assert!((sum - (p / (1.0 - p)).ln()).abs() < 1e-6, "{first}");
    ok(dir, &["visualize", "out/experiment_run", "--json"]);
    let drawn = ok(dir, &["visualize", "out/experiment_run", "--tree", "2", "--json"]);
    let page = std::fs::read_to_string(dir.join(drawn["report"].as_str().unwrap())).unwrap();
    assert!(page.contains("Tree 0 (of ") && page.contains("Tree 2 (of "));
    let out = lyceum(dir, &["visualize", "out/experiment_run", "--tree", "99999"]);
    assert_eq!(out.status.code(), Some(2));
    let message = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(message.contains("there is no tree 99999: the model's trees are 0 to "), "{message}");

    let x =
        ok(dir, &["experiment", "-cs", config, "--dataset", "d.csv", "--output_directory", "out", "--json"]);
    assert_eq!(x["model_path"], "out/experiment_run_0/model");
    assert!(dir.join("out/experiment_run_0/predictions.csv").is_file());
}

#[test]
fn faults_are_one_message_and_exit_code_two() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    table(&dir.join("d.csv"));
    let yaml =
        "input_features: [{name: weight, type: number}]\noutput_features: [{name: late, type: binary}]\n";
    std::fs::write(dir.join("c.yaml"), format!("{yaml}trainer:\n  learing_rate: 0.1\n")).unwrap();
    let out = lyceum(dir, &["check", "c.yaml", "--json"]);
    assert_eq!(out.status.code(), Some(2));
    let want = r#"{"valid":false,"errors":[{"path":"trainer.learing_rate","line":4,"column":3,"message":"unknown key `learing_rate`","hint":"did you mean `learning_rate`?"}],"unsupported":[],"warnings":[]}"#;
    assert_eq!(json(&out).to_string(), want);
    let out = lyceum(dir, &["train", "-c", "c.yaml", "--dataset", "d.csv", "--json"]);
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&out.stderr),
        "error: c.yaml:4:3: trainer.learing_rate: unknown key `learing_rate`\n  hint: did you mean `learning_rate`?\n"
    );
    assert_eq!(json(&out)["error"]["code"], "invalid");
    assert!(!dir.join("results").exists());
    let out = lyceum(dir, &["predict", "-m", "nowhere", "--dataset", "d.csv"]);
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "error: nowhere: there is no model folder\n");
}

#[test]
fn a_new_project_has_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    table(&dir.join("d.csv"));
    ok(dir, &["new", "own", "--data", "d.csv", "--target", "late", "--json"]);
    let project = std::fs::read_to_string(dir.join("own/lyceum.yaml")).unwrap();
    assert!(
        project.starts_with("name: own\nlearn:\n  late:\n    data: data/d.csv\n    model_type: gbm\n"),
        "{project}"
    );
    assert_eq!(std::fs::read(dir.join("own/data/d.csv")).unwrap(), std::fs::read(dir.join("d.csv")).unwrap());
    ok(dir, &["new", "sample", "--json"]);
    assert_eq!(ok(dir, &["check", "sample/lyceum.yaml", "--json"])["valid"], true);
    assert!(dir.join("sample/data/parcels.csv").is_file());
    let out = lyceum(dir, &["new", "own", "--json"]);
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&out.stderr),
        "error: own: is there already and not empty\n  hint: choose another folder\n"
    );
    let out = lyceum(dir, &["new", "other", "--data", "d.csv", "--target", "lat", "--json"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("did you mean `late`"));
    assert!(!dir.join("other").exists());
}

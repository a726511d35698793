//! The folder of `lyceum fit` in the other verbs: calibration and threshold, shares and interactions, the report, the
//! server, a search that saves its best, a project.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod support;

use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use support::{json as said, lyceum, refused};

/// 400 rows; the classes of `fate` and `grade` overlap, `mark` is a class by number, `sum` a number.
fn loans() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "a,b,where,fate,grade,mark,sum\n".to_string();
    for i in 0u32..400 {
        let (a, b, noise) = (i * 37 % 101, i * 53 % 97, i * 7919 % 83);
        let fate = if a + b + noise > 140 { "paid" } else { "due" };
        let mark = ["1", "2", "10"][((a + noise) / 62).min(2) as usize];
        let grade = ["fair", "good", "poor"][((b + noise) / 60).min(2) as usize];
        let _ =
            writeln!(text, "{a},{b},{},{fate},{grade},{mark},{}", ["in", "out"][(i % 2) as usize], a * 2 + b);
    }
    std::fs::write(dir.path().join("loans.csv"), text).unwrap();
    dir
}

/// The table without what is not known when it is asked: one target is left in it.
fn only(dir: &Path, target: &str) {
    let raw = lyceum_data::read(dir.join("loans.csv")).unwrap();
    let names = ["a", "b", "where", target];
    let mut text = names.join(",") + "\n";
    for row in 0..raw.rows() {
        let cells: Vec<&str> = names.iter().map(|n| raw.column(n).unwrap().get(row).unwrap()).collect();
        text += &(cells.join(",") + "\n");
    }
    std::fs::write(dir.join(format!("{target}.csv")), text).unwrap();
}

fn texts(file: &Path, name: &str) -> Vec<String> {
    let raw = lyceum_data::read(file).unwrap();
    raw.column(name).unwrap().iter().map(|c| c.unwrap().to_string()).collect()
}

fn fit(dir: &Path, estimator: &str, target: &str, more: &[&str]) -> Json {
    only(dir, target);
    let data = format!("{target}.csv");
    let args = ["fit", estimator, "--data", &data, "--target", target, "--output", estimator];
    said(dir, &[&args[..], more].concat())
}

#[test]
fn probabilities_are_calibrated_and_the_threshold_decides() {
    let dir = loans();
    let dir = dir.path();
    let plain = fit(dir, "logistic", "fate", &[]);
    let predict = |model: &str| {
        said(dir, &["predict", "-m", model, "--dataset", "fate.csv", "-od", "out"]);
        let file = dir.join("out/predictions.csv");
        let p =
            texts(&file, "fate_probabilities_paid").iter().map(|p| p.parse().unwrap()).collect::<Vec<f64>>();
        (texts(&file, "fate_predictions"), p)
    };
    let (_, before) = predict("logistic");
    let fitted = fit(dir, "logistic", "fate", &["--calibrate", "isotonic", "--threshold", "cost=4:1"]);
    assert!(plain.get("threshold").is_none());
    let threshold = fitted["threshold"]["threshold"].as_f64().unwrap();
    assert!(threshold > 0.6, "{threshold}");
    let (classes, after) = predict("logistic");
    assert_ne!(before, after);
    for (class, p) in classes.iter().zip(&after) {
        assert_eq!(class, if *p >= threshold { "paid" } else { "due" }, "{p} at {threshold}");
    }
    assert!(after.iter().any(|p| (0.5..threshold).contains(p)), "no row tells the threshold from half");
    // The rows that were held out, and those that were kept for calibration, are found again.
    let part = |part: &str| {
        let args = ["evaluate", "-m", "logistic", "--dataset", "fate.csv", "-od", "out", "-s", part];
        said(dir, &args)
    };
    let at = &fitted["threshold"]["test"];
    let test = part("test");
    assert_eq!(test["rows"], at["rows"]);
    for metric in ["precision", "recall"] {
        let (is, was) = (test["metrics"]["fate"][metric].as_f64().unwrap(), at[metric].as_f64().unwrap());
        assert!((is - was).abs() < 1e-12, "{metric}: {is} {was}");
    }
    let kept = part("validation");
    assert_eq!((&kept["rows"], &part("training")["rows"]), (&json!(80), &json!(240)));
    let recall = fitted["threshold"]["chosen_on"]["recall"].as_f64().unwrap();
    assert!((kept["metrics"]["fate"]["recall"].as_f64().unwrap() - recall).abs() < 1e-12);

    // Classes that are numbers stand as they do in the table, in their order.
    let fitted = fit(dir, "lda", "mark", &["--calibrate", "temperature", "--param", "priors=[1,1,2]"]);
    assert_eq!(fitted["classes"], json!(["1", "2", "10"]));
    said(dir, &["predict", "-m", "lda", "--dataset", "mark.csv", "-od", "out"]);
    let classes = texts(&dir.join("out/predictions.csv"), "mark_predictions");
    assert!(classes.iter().all(|c| ["1", "2", "10"].contains(&c.as_str())), "{classes:?}");
    let test = said(dir, &["evaluate", "-m", "lda", "--dataset", "mark.csv", "-od", "out", "-s", "test"]);
    let (is, was) = (&test["metrics"]["mark"]["loss"], &fitted["test"]["log_loss"]);
    assert!((is.as_f64().unwrap() - was.as_f64().unwrap()).abs() < 1e-12, "{is} {was}");
}

#[test]
fn shares_and_interactions_add_up() {
    let dir = loans();
    let dir = dir.path();
    let objects = |name: &str| -> Vec<Json> {
        let all = texts(&dir.join("out/predictions.csv"), name);
        all.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    };
    let number = |v: &Json| v.as_f64().unwrap();
    let features = ["a", "b", "where"];
    fit(dir, "gradient_boosting", "fate", &["--param", "num_iterations=20", "--calibrate", "sigmoid"]);
    let why = ["--contributions", "--interactions"];
    let args = ["predict", "-m", "gradient_boosting", "--dataset", "fate.csv", "-od", "out"];
    said(dir, &[&args[..], &why].concat());
    let (shares, pairs) = (objects("fate_contributions"), objects("fate_interactions"));
    let mut shared = 0.0;
    for (share, pair) in shares.iter().zip(&pairs) {
        assert!((number(&share["expected_value"]) - number(&pair["expected_value"])).abs() < 1e-9);
        for a in features {
            let own: f64 = features.iter().map(|b| number(&pair[a][b])).sum();
            assert!((own - number(&share[a])).abs() < 1e-9, "{share} {pair}");
            assert!(features.iter().all(|b| pair[a][b] == pair[b][a]));
        }
        shared += number(&pair["a"]["b"]).abs();
    }
    assert!(shared > 0.1, "{shared}");
    // Several classes have an object each.
    fit(dir, "gradient_boosting", "grade", &["--param", "num_iterations=5"]);
    let args =
        ["predict", "-m", "gradient_boosting", "--dataset", "grade.csv", "-od", "out", "--interactions"];
    said(dir, &args);
    let pair = objects("grade_interactions").swap_remove(7);
    assert_eq!(pair.as_object().unwrap().keys().collect::<Vec<_>>(), ["fair", "good", "poor"]);
    assert!(pair["good"]["a"]["b"].is_f64() && pair["good"]["expected_value"].is_f64(), "{pair}");

    // A linear model: coefficient times the distance from the mean of the rows that it learned from.
    fit(dir, "ridge", "sum", &[]);
    said(dir, &["predict", "-m", "ridge", "--dataset", "sum.csv", "-od", "out", "--contributions"]);
    let says = texts(&dir.join("out/predictions.csv"), "sum_predictions");
    for (share, says) in objects("sum_contributions").iter().zip(says) {
        let sum: f64 = ["expected_value", "a", "b", "where"].iter().map(|k| number(&share[k])).sum();
        assert!((sum - says.parse::<f64>().unwrap()).abs() < 1e-9, "{share} {says}");
    }
    let refuses = |model: &'static str, target: &'static str, flag: &'static str, says: &str| {
        refused(dir, &["predict", "-m", model, "--dataset", target, "-od", "none", flag], 2, says);
    };
    let trees = "only boosted trees tell what pairs of features share\n  \
                 hint: take `--contributions`, or train with `model_type: gbm`";
    refuses("ridge", "sum.csv", "--interactions", trees);
    let shares =
        "this model does not tell the shares of its features\n  hint: boosted trees and linear models do";
    fit(dir, "qda", "fate", &["--param", "reg_param=0.1"]);
    refuses("qda", "fate.csv", "--contributions", shares);
}

#[test]
fn a_report_is_drawn_from_a_table() {
    let dir = loans();
    let dir = dir.path();
    fit(dir, "gradient_boosting", "fate", &["--param", "num_iterations=10", "--threshold", "youden"]);
    let none = "gradient_boosting: there is no report yet\n  hint: draw one from a table with --dataset FILE";
    refused(dir, &["visualize", "-m", "gradient_boosting"], 2, none);
    let drawn = said(dir, &["visualize", "-m", "gradient_boosting", "--dataset", "fate.csv"]);
    assert_eq!(drawn["report"], "gradient_boosting/report.html");
    let page = || std::fs::read_to_string(dir.join("gradient_boosting/report.html")).unwrap();
    let first = page();
    for part in
        ["gradient_boosting of fate", "(test rows)", "80 rows of fate.csv", "<h3>ROC</h3>", "Permutation"]
    {
        assert!(first.to_lowercase().contains(&part.to_lowercase()), "{part}");
    }
    let all =
        ["visualize", "-m", "gradient_boosting", "--dataset", "fate.csv", "--split", "full", "--tree", "3"];
    said(dir, &all);
    assert!(page().contains("400 rows of fate.csv") && page() != first);
    // The page of an earlier model does not outlive it.
    fit(dir, "gradient_boosting", "fate", &["--param", "num_iterations=5"]);
    assert!(!dir.join("gradient_boosting/report.html").exists());
}

#[test]
fn a_search_saves_its_best() {
    let dir = loans();
    let dir = dir.path();
    only(dir, "sum");
    let tune = ["tune", "huber", "--data", "sum.csv", "--target", "sum", "--trials", "4", "--output", "best"];
    let tuned = said(dir, &tune);
    let about: Json = serde_json::from_slice(&std::fs::read(dir.join("best/model.json")).unwrap()).unwrap();
    assert_eq!((&about["model_type"], &about["rows"]), (&json!("huber"), &json!([400, 0, 0])));
    assert_eq!(about["params"]["epsilon"], tuned["best"]["epsilon"]);
    let rmse = &about["scores"]["cross_validation"]["root_mean_squared_error"];
    assert_eq!(rmse, &tuned["leaderboard"][0]["value"]);
    let evaluated = said(dir, &["evaluate", "-m", "best", "--dataset", "sum.csv", "-od", "out"]);
    assert!(evaluated["metrics"]["sum"]["r2"].as_f64().unwrap() > 0.99, "{evaluated}");
    for estimator in ["quantile", "lars"] {
        let args = ["tune", estimator, "--data", "sum.csv", "--target", "sum", "--trials", "2", "--cv", "3"];
        assert!(said(dir, &args)["leaderboard"][0]["value"].is_f64());
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body of an answer to a POST, and its status.
fn post(url: &str, path: &str, body: &str) -> (u16, Json) {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {text}")))
}

#[test]
fn a_server_answers_as_for_every_model_of_tables() {
    let dir = loans();
    let dir = dir.path();
    fit(dir, "logistic", "fate", &["--threshold", "cost=4:1"]);
    said(dir, &["predict", "-m", "logistic", "--dataset", "fate.csv", "-od", "out"]);
    let want: f64 = texts(&dir.join("out/predictions.csv"), "fate_probabilities_paid")[0].parse().unwrap();
    let args = ["serve", "--model_path", "logistic", "--listen", "127.0.0.1:0", "--json", "-q"];
    let mut child = lyceum(dir, &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _running = Running(child);
    let ready: Json = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["tabular"], json!(["logistic"]));
    let url = ready["url"].as_str().unwrap();
    let row = json!({ "where": "in", "b": 0, "a": 0, "more": 1 });
    let (status, said) = post(url, "/predict/logistic", &row.to_string());
    let answer = if said.is_array() { &said[0] } else { &said };
    assert_eq!((status, answer["fate_probabilities_paid"].as_f64()), (200, Some(want)), "{said}");
    assert_eq!(answer["fate_predictions"], "due");
    let (status, said) = post(url, "/predict/logistic?contributions=true", &row.to_string());
    let answer = if said.is_array() { &said[0] } else { &said };
    assert!(status == 200 && answer["fate_contributions"]["a"].is_f64(), "{said}");
    let (status, said) = post(url, "/predict/logistic", r#"{"a": 1, "where": "in"}"#);
    assert!((400..500).contains(&status) && said.to_string().contains("\\\"b\\\""), "{status} {said}");
}

#[test]
fn a_project_learns_an_estimator() {
    let dir = loans();
    let dir = dir.path();
    only(dir, "fate");
    let table = std::fs::read_to_string(dir.join("fate.csv")).unwrap();
    std::fs::write(dir.join("fate.csv"), table.replace("paid", "yes").replace("due", "no")).unwrap();
    let project = |item: &str| {
        let yaml = format!(
            "name: loans\nlearn:\n  fate: {{data: fate.csv, {item}}}\nevaluate:\n  \
             auc: {{data: fate.csv, target: fate, metric: auc, gate: {{at_least: 0.6}}}}\n"
        );
        std::fs::write(dir.join("lyceum.yaml"), yaml).unwrap();
    };
    project("estimator: logistic, target: fate, params: {C: 0.5}, calibrate: sigmoid, threshold: f1");
    let up = said(dir, &["up", ".", "--once"]);
    assert!(up["ok"] == true && up["done"] == json!(["learn.fate", "evaluate.auc"]), "{up}");
    assert_eq!(said(dir, &["up", ".", "--once"])["done"], json!([]));
    project("estimator: logistic, target: fate, params: {C: 0.25}, cv: 4");
    assert_eq!(said(dir, &["up", ".", "--once"])["done"], json!(["learn.fate", "evaluate.auc"]));
    for (item, says) in [
        (
            "estimator: logistc, target: fate",
            "3:37: learn.fate.estimator: no estimator \"logistc\"\n  hint: did you mean `logistic`?",
        ),
        (
            "estimator: logistic, target: fate, params: {c: 1}",
            "3:69: learn.fate.params.c: unknown parameter\n  hint: did you mean `C`?",
        ),
        (
            "estimator: lda, taget: fate",
            "3:42: learn.fate.taget: unknown key `taget`\n  hint: did you mean `target`?",
        ),
        (
            "estimator: lda, target: fate, cv: 4, test_fraction: 0.5",
            "3:78: learn.fate.test_fraction: does not go with `cv`",
        ),
        (
            "estimator: lda, target: fate, group: a",
            "3:63: learn.fate.group: is for cross-validation\n  hint: add `cv: 5`",
        ),
        (
            "estimator: lda, target: fate, test_fraction: 1",
            "3:71: learn.fate.test_fraction: expected 0 to below 1",
        ),
    ] {
        project(item);
        refused(dir, &["up", ".", "--once"], 2, &format!("./lyceum.yaml:{says}"));
    }
}

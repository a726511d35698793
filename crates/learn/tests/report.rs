//! The numbers behind a report's pictures are what the model says, and the page is whole, safe and the same every time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{INPUTS, parcels, train};
use lyceum_data::read;
use lyceum_learn::{ConfigSource, DataFiles, TrainOptions, Trained, load, visualize, visualize_tree};
use serde_json::Value as Json;
use std::path::Path;

const OUTPUTS: &str = "output_features:
  - {name: late, type: binary}
  - {name: size, type: category}
  - {name: price, type: number}
";

/// Trains on the first 450 rows, tests on the last 150 (`test.csv`).
fn trained(dir: &Path, model_type: &str) -> Trained {
    let csv = parcels();
    let lines: Vec<&str> = csv.lines().collect();
    let write = |name: &str, rows: &[&str]| {
        let path = dir.join(name);
        std::fs::write(&path, format!("{}\n{}\n", lines[0], rows.join("\n"))).unwrap();
        Some(path)
    };
    let data = DataFiles {
        dataset: None,
        training_set: write("train.csv", &lines[1..400]),
        validation_set: write("valid.csv", &lines[400..451]),
        test_set: write("test.csv", &lines[451..601]),
    };
    let yaml = format!("model_type: {model_type}\n{INPUTS}{OUTPUTS}");
    let mut options = TrainOptions::new(ConfigSource::Text(yaml), data);
    options.output_directory = dir.join("results");
    lyceum_learn::train(&options, &Default::default()).unwrap()
}

fn data(t: &Trained) -> Json {
    serde_json::from_str(&std::fs::read_to_string(t.results_path.join("report_data.json")).unwrap()).unwrap()
}

fn page(t: &Trained) -> String {
    std::fs::read_to_string(t.report.as_ref().unwrap()).unwrap()
}

fn names(list: &Json) -> Vec<String> {
    let of = |x: &Json| x.get("name").unwrap_or(&x[0]).as_str().unwrap().to_string();
    list.as_array().unwrap().iter().map(of).collect()
}

fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-9)
}

#[test]
fn a_summary_has_the_mean_shares_of_the_test_rows() {
    for model_type in ["gbm", "linear"] {
        let dir = tempfile::tempdir().unwrap();
        let t = trained(dir.path(), model_type);
        let shares = load(&t.model_path).unwrap();
        let shares = shares.model().contributions(&read(dir.path().join("test.csv")).unwrap()).unwrap();
        let report = data(&t);
        for (output, shares) in shares.iter().enumerate() {
            let swarms = report["outputs"][output]["explained"]["swarms"].as_array().unwrap();
            assert_eq!(swarms.len(), shares.expected.len());
            for (score, swarm) in swarms.iter().enumerate() {
                assert!(near(swarm["expected"].as_f64().unwrap(), shares.expected[score], 1e-4));
                assert_eq!(swarm["rows"], 150);
                let mut last = f64::INFINITY;
                for feature in swarm["features"].as_array().unwrap() {
                    let at = shares.features.iter().position(|f| feature["name"] == **f).unwrap();
                    let want = shares.score(score).map(|row| row[at].abs()).sum::<f64>() / 150.0;
                    let mean = feature["mean"].as_f64().unwrap();
                    assert!(near(mean, want, 1e-4) && mean <= last, "{model_type} {feature}: {want}");
                    last = mean;
                    assert_eq!(feature["shares"].as_array().unwrap().len(), 150);
                    let shaded = feature["shade"].as_array().unwrap().iter().any(|s| !s.is_null());
                    assert_eq!(shaded, !["day", "note"].contains(&feature["name"].as_str().unwrap()));
                }
            }
        }
    }
}

#[test]
fn importances_put_first_what_the_target_follows_from() {
    let dir = tempfile::tempdir().unwrap();
    let t = trained(dir.path(), "gbm");
    let report = data(&t);
    let of = |output: usize| &report["outputs"][output]["explained"];
    // `size` follows from weight alone, `price` from weight, distance and express.
    let size = &of(1)["permutation"];
    assert_eq!(
        (&size["metric"], &size["repeats"], &size["rows"]),
        (&"accuracy".into(), &5.into(), &150.into())
    );
    assert_eq!(names(&size["features"])[0], "weight");
    let losses: Vec<f64> =
        size["features"].as_array().unwrap().iter().map(|f| f[1].as_f64().unwrap()).collect();
    assert!(losses[0] > 0.3 && losses[1..].iter().all(|l| l.abs() < 0.05), "{losses:?}");
    assert_eq!(losses.len(), 5);
    let price = &of(2)["permutation"];
    assert_eq!(price["metric"], "root_mean_squared_error");
    let mut first = names(&price["features"])[..3].to_vec();
    first.sort();
    assert_eq!(first, ["distance", "express", "weight"]);
    assert!(price["features"][0][2].as_f64().unwrap() > 0.0);
    let late = &of(0)["permutation"];
    assert_eq!(late["metric"], "roc_auc");
    assert!(near(late["value"].as_f64().unwrap(), t.metrics["late"]["roc_auc"], 1e-4));
    // Splits are those of the trees: a tree of n leaves has n - 1.
    let text = std::fs::read_to_string(t.model_path.join("output_2/model.txt")).unwrap();
    let leaves = text.lines().filter_map(|l| l.strip_prefix("num_leaves=")?.parse::<f64>().ok());
    let all: f64 = leaves.map(|n| n - 1.0).sum();
    let counted: f64 = of(2)["splits"].as_array().unwrap().iter().map(|s| s[1].as_f64().unwrap()).sum();
    assert_eq!(counted, all);
    let page = page(&t);
    for title in ["total gain of its splits", "number of splits", "loss of roc_auc, shuffled 5 times"] {
        assert!(page.contains(title), "{title}");
    }
}

#[test]
fn dependence_follows_a_linear_model_s_slope() {
    let dir = tempfile::tempdir().unwrap();
    let t = trained(dir.path(), "linear");
    let price = &data(&t)["outputs"][2]["explained"];
    assert_eq!(price["splits"].as_array().unwrap().len(), 0);
    assert_eq!(price["trees"].as_array().unwrap().len(), 0);
    let numbers =
        |list: &Json| list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let of = |list: &Json| {
        let all = list.as_array().unwrap().clone();
        all.into_iter().find(|d| d["feature"] == "distance").unwrap()
    };
    let slope = |x: &[f64], y: &[f64]| {
        let at = |f: &dyn Fn(f64, f64) -> bool| {
            (0..x.len()).reduce(|a, b| if f(x[b], x[a]) { b } else { a }).unwrap()
        };
        let (low, high) = (at(&|a, b| a < b), at(&|a, b| a > b));
        (y[high] - y[low]) / (x[high] - x[low])
    };
    let share = of(&price["dependence"]);
    let share = slope(&numbers(&share["x"]), &numbers(&share["y"]));
    let partial = of(&price["partial"]);
    let mean = numbers(&partial["mean"]);
    let x = numbers(&partial["x"]);
    assert_eq!(x.len(), 24);
    let slopes: Vec<f64> =
        x.windows(2).zip(mean.windows(2)).map(|(x, y)| (y[1] - y[0]) / (x[1] - x[0])).collect();
    assert!(slopes.iter().all(|s| near(*s, 0.01, 0.1)), "{slopes:?}");
    assert!(near(share, slope(&x, &mean), 1e-2), "{share}");
    let lines = partial["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 40);
    assert!(lines.iter().all(|l| near(slope(&x, &numbers(l)), share, 1e-2)));
    // Pictured are the features whose values lie on a line, by name where they have names.
    let pictured = price["partial"].as_array().unwrap();
    assert!(pictured.iter().all(|p| p["feature"] != "note") && pictured.len() == 4);
    let express = pictured.iter().find(|p| p["feature"] == "express").unwrap();
    assert_eq!(express["names"], serde_json::json!(["no", "yes"]));
    let step = numbers(&express["mean"]);
    assert!(near(step[1] - step[0], 4.0, 0.1), "{step:?}");
}

#[test]
fn trees_are_drawn_as_the_model_has_them() {
    fn leaves(node: &Json) -> (u64, usize) {
        match node.get("leaf") {
            Some(leaf) => (leaf["count"].as_u64().unwrap(), 1),
            None => {
                let split = &node["split"];
                assert!(split["gain"].as_f64().unwrap() > 0.0);
                let [l, r] = [0, 1].map(|i| leaves(&split["children"][i]));
                assert_eq!(split["count"].as_u64().unwrap(), l.0 + r.0);
                (l.0 + r.0, l.1 + r.1)
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let t = trained(dir.path(), "gbm");
    let shown = |output: usize| data(&t)["outputs"][output]["explained"]["trees"].clone();
    assert_eq!(shown(0).as_array().unwrap().len(), 1);
    let (rows, count) = leaves(&shown(2)[0]["root"]);
    assert!((250..=399).contains(&rows) && (2..=15).contains(&count), "{rows} {count}");
    visualize_tree(&t.results_path, 4).unwrap();
    let size = shown(1);
    assert_eq!((&size[0]["index"], &size[1]["index"]), (&0.into(), &4.into()));
    // Of three classes, tree 4 is the second tree of the second class.
    assert_eq!(size[1]["class"], data(&t)["outputs"][1]["classes"][1]);
    let page = std::fs::read_to_string(visualize(&t.model_path).unwrap()).unwrap();
    assert!(page.contains("<h3 class=\"part\">Tree 4 (of "));
    let e = visualize_tree(&t.results_path, 1_000_000).unwrap_err().to_string();
    assert!(e.contains("there is no tree 1000000: the model's trees are 0 to "), "{e}");
    let linear = tempfile::tempdir().unwrap();
    let e = visualize_tree(&trained(linear.path(), "linear").results_path, 1).unwrap_err().to_string();
    assert!(e.contains("only boosted trees have trees to draw"), "{e}");
}

#[test]
fn pages_are_the_same_every_time_and_older_numbers_are_drawn() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (trained(a.path(), "gbm"), trained(b.path(), "gbm"));
    assert_eq!(data(&one)["outputs"], data(&two)["outputs"]);
    let before = page(&one);
    assert_eq!(std::fs::read_to_string(visualize(&one.results_path).unwrap()).unwrap(), before);
    let mut older = data(&one);
    for output in older["outputs"].as_array_mut().unwrap() {
        output.as_object_mut().unwrap().remove("explained");
        output["model"].as_object_mut().unwrap().remove("thresholds");
        output["baseline"].as_object_mut().unwrap().remove("thresholds");
    }
    std::fs::write(one.results_path.join("report_data.json"), older.to_string()).unwrap();
    let page = std::fs::read_to_string(visualize(&one.results_path).unwrap()).unwrap();
    assert!(page.contains("Confusion matrix") && !page.contains("Thresholds"));
}

#[test]
fn a_network_s_page_has_what_needs_no_shares() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = format!("model_type: ecd\n{INPUTS}{OUTPUTS}trainer: {{epochs: 1}}\n");
    let t = train(dir.path(), &parcels(), &yaml).unwrap();
    let report = data(&t);
    assert!(report["outputs"][0]["explained"].is_null());
    let notes: Vec<&str> = report["outputs"][0]["model"]["thresholds"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["note"].as_str().filter(|n| !n.is_empty()))
        .collect();
    assert!(notes.contains(&"chosen") || notes.contains(&"chosen, best f1"), "{notes:?}");
    let page = page(&t);
    assert!(page.contains("<h3>Residuals</h3>") && page.contains("<h3>Thresholds</h3>"));
    assert!(!page.contains("Partial dependence"));
}

#[test]
fn names_from_the_table_stay_text() {
    let dir = tempfile::tempdir().unwrap();
    let csv = parcels().replace("weight,", "<u>weight,").replace(",fri,", ",<u>fri,");
    for model_type in ["gbm", "linear"] {
        let yaml = format!(
            "model_type: {model_type}\ninput_features:\n  - {{name: \"<u>weight\", type: number}}\n  \
             - {{name: day, type: category}}\noutput_features: [{{name: late, type: binary}}]\n"
        );
        let page = page(&train(dir.path(), &csv, &yaml).unwrap());
        assert!(page.contains("&lt;u&gt;weight") && page.contains("&lt;u&gt;fri"), "{model_type}");
        assert!(!page.contains("<u>") && !page.contains("<script"), "{model_type}");
        assert!(!page.contains("NaN") && !page.contains("inf"), "{model_type}");
    }
}

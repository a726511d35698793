//! Every model type learns, is saved, loaded and predicts the same; files are where Ludwig has them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{INPUTS, parcels, train};
use lyceum_core::{Value, laws};
use lyceum_data::{Raw, read};
use lyceum_learn::{EvaluateOptions, Part, Trained, Why};
use std::path::Path;

const OUTPUTS: &str = "output_features:
  - {name: late, type: binary}
  - {name: size, type: category}
  - {name: price, type: number}
combiner: {type: concat, num_fc_layers: 1, output_size: 32}
trainer: {epochs: 40, batch_size: 32, learning_rate: 0.01}
";

fn trained(dir: &Path, model_type: &str) -> Trained {
    let outputs = match model_type {
        "ecd" => OUTPUTS.to_string(),
        _ => OUTPUTS.lines().take(4).map(|l| format!("{l}\n")).collect(),
    };
    train(dir, &parcels(), &format!("model_type: {model_type}\n{INPUTS}{outputs}")).unwrap()
}

#[test]
fn every_model_type_learns_every_output_type() {
    for model_type in ["ecd", "gbm", "linear"] {
        let dir = tempfile::tempdir().unwrap();
        let t = trained(dir.path(), model_type);
        let m = |output: &str, metric: &str| t.metrics[output][metric];
        assert!(m("late", "roc_auc") > 0.85, "{model_type}: {:?}", t.metrics["late"]);
        // Weight is missing in every 17th row, and `size` follows from it alone.
        let least = if model_type == "linear" { 0.7 } else { 0.85 };
        assert!(m("size", "accuracy") > least, "{model_type}: {:?}", t.metrics["size"]);
        assert!(m("price", "r2") > 0.9, "{model_type}: {:?}", t.metrics["price"]);
        assert_eq!(t.baseline.is_empty(), model_type == "linear");
        assert_eq!(t.measured_on, "test");
    }
}

#[test]
fn a_loaded_model_says_what_was_measured() {
    for model_type in ["ecd", "gbm", "linear"] {
        let dir = tempfile::tempdir().unwrap();
        let t = trained(dir.path(), model_type);
        let options = EvaluateOptions {
            model_path: t.model_path.clone(),
            dataset: dir.path().join("d.csv"),
            part: Part::Test,
            output_directory: None,
            why: Why::default(),
            generation: None,
            llm: None,
        };
        let again = lyceum_learn::evaluate(&options, &Default::default()).unwrap();
        assert_eq!(again.rows, 120);
        assert_eq!(again.metrics, t.metrics, "{model_type}");
        // The same seed gives the same model.
        let other = tempfile::tempdir().unwrap();
        assert_eq!(trained(other.path(), model_type).metrics, t.metrics, "{model_type}");
    }
}

#[test]
fn the_folder_has_ludwig_s_files() {
    let dir = tempfile::tempdir().unwrap();
    let t = trained(dir.path(), "ecd");
    assert!(t.model_path.ends_with("results/experiment_run/model"));
    for file in [
        "description.json",
        "training_statistics.json",
        "test_statistics.json",
        "report.html",
        "model/model_hyperparameters.json",
        "model/model_weights.safetensors",
        "model/training_set_metadata.json",
        "model/model.json",
    ] {
        assert!(t.results_path.join(file).is_file(), "{file}");
    }
    let left: Vec<_> = walk(&t.results_path).into_iter().filter(|f| f.contains(".part")).collect();
    assert!(left.is_empty(), "{left:?}");
    let second = trained(dir.path(), "gbm");
    assert!(second.model_path.ends_with("experiment_run_0/model"));
    let statistics = std::fs::read_to_string(t.results_path.join("training_statistics.json")).unwrap();
    let statistics: serde_json::Value = serde_json::from_str(&statistics).unwrap();
    assert!(statistics["validation"]["late"]["roc_auc"].as_array().unwrap().len() > 3);
    assert!(statistics["training"]["combined"]["loss"].is_array());
    lyceum_learn::visualize(&t.model_path).unwrap();
}

fn walk(dir: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        out.push(path.display().to_string());
        if path.is_dir() {
            out.extend(walk(&path));
        }
    }
    out
}

#[tokio::test]
async fn a_predictor_keeps_the_laws_of_runnables() {
    for model_type in ["ecd", "gbm", "linear"] {
        let dir = tempfile::tempdir().unwrap();
        let t = trained(dir.path(), model_type);
        let predictor = lyceum_learn::load(&t.model_path).unwrap();
        let inputs = [
            r#"{"weight": 19, "distance": 880, "day": "fri", "express": false, "note": "handle with care"}"#,
            r#"{"weight": null, "distance": "10", "day": "sun", "express": "yes", "note": ""}"#,
        ];
        let inputs: Vec<Value> = inputs.iter().map(|i| serde_json::from_str(i).unwrap()).collect();
        if model_type != "ecd" {
            laws::runnable(&predictor, &inputs).await.unwrap();
        }
        let raw = Raw::from_value(&inputs.clone().into()).unwrap();
        let rows = predictor.predict(&raw).unwrap();
        let get = |name: &str| rows[0].get(name).unwrap_or_else(|| panic!("{name} in {:?}", rows[0])).clone();
        assert_eq!(get("late_predictions"), Value::from("yes"));
        assert_eq!(get("size_predictions"), Value::from("large"));
        let (no, yes) =
            (get("late_probabilities_no").as_f64().unwrap(), get("late_probabilities_yes").as_f64().unwrap());
        assert!((no + yes - 1.0).abs() < 1e-9 && yes > 0.5);
        assert_eq!(get("late_probability").as_f64().unwrap(), yes.max(no));
        assert_eq!(get("size_probabilities").as_list().unwrap().len(), 4);
        assert_eq!(get("size_probabilities_<UNK>"), Value::Float(0.0));
        assert_eq!(get("size_predictions_top_k").as_list().unwrap().len(), 3);
        assert!(
            (get("price_predictions").as_f64().unwrap() - 21.3).abs() < 2.5,
            "{:?}",
            get("price_predictions")
        );
        let e =
            predictor.predict(&Raw::from_value(&serde_json::from_str(r#"{"weight": 1}"#).unwrap()).unwrap());
        assert_eq!(
            e.unwrap_err().to_string(),
            "the input lacks columns that the model needs: \"distance\", \"day\", \"express\", \"note\""
        );
    }
}

#[test]
fn predictions_are_written_and_tables_may_lack_the_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let t = trained(dir.path(), "gbm");
    let inputs: String = parcels()
        .lines()
        .take(6)
        .map(|l| l.split(',').take(5).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    std::fs::write(dir.path().join("new.csv"), inputs).unwrap();
    let options = EvaluateOptions {
        model_path: t.model_path,
        dataset: dir.path().join("new.csv"),
        part: Part::Full,
        output_directory: Some(dir.path().join("out")),
        why: Why::default(),
        generation: None,
        llm: None,
    };
    let done = lyceum_learn::predict(&options, &Default::default()).unwrap();
    assert!(done.metrics.is_empty());
    let table = read(done.predictions_path.unwrap()).unwrap();
    assert_eq!(table.rows(), 5);
    assert!(table.get("late_probabilities_yes").is_some());
    let e = lyceum_learn::evaluate(&options, &Default::default()).unwrap_err().to_string();
    assert!(e.contains("no column \"late\""), "{e}");
}

#[test]
fn given_parts_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let csv = parcels();
    let lines: Vec<&str> = csv.lines().collect();
    let write = |name: &str, rows: &[&str]| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{}\n{}\n", lines[0], rows.join("\n"))).unwrap();
        path
    };
    let data = lyceum_learn::DataFiles {
        dataset: None,
        training_set: Some(write("a.csv", &lines[1..400])),
        validation_set: Some(write("b.csv", &lines[400..500])),
        test_set: Some(write("c.csv", &lines[500..601])),
    };
    let yaml = format!("model_type: gbm\n{INPUTS}output_features: [{{name: late, type: binary}}]\n");
    let mut options = lyceum_learn::TrainOptions::new(lyceum_learn::ConfigSource::Text(yaml), data);
    options.output_directory = dir.path().join("results");
    let t = lyceum_learn::train(&options, &Default::default()).unwrap();
    let about = std::fs::read_to_string(t.model_path.join("model.json")).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!(about["rows"], serde_json::json!([399, 100, 101]));
}

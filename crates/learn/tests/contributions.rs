//! Shares of the features: they sum to the raw score, parts of one feature are one share, answers carry them on demand.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{INPUTS, parcels, train};
use lyceum_core::{Context, ErrorKind, Map, Runnable, Value};
use lyceum_data::read;
use lyceum_learn::explain::Shares;
use lyceum_learn::{Predictor, load};
use std::path::Path;

const OUTPUTS: &str = "output_features:
  - {name: late, type: binary}
  - {name: size, type: category}
  - {name: price, type: number, preprocessing: {normalization: zscore}}
";

const NAMES: [&str; 5] = ["weight", "distance", "day", "express", "note"];

fn model(dir: &Path, model_type: &str, more: &str) -> Predictor {
    let t = train(dir, &parcels(), &format!("model_type: {model_type}\n{INPUTS}{OUTPUTS}{more}")).unwrap();
    load(&t.model_path).unwrap()
}

/// Sums of expected value and shares, `scores` of them a row.
fn sums(shares: &Shares) -> Vec<Vec<f64>> {
    let n = shares.features.len();
    let row = |row: &[f64]| {
        let scores = row.chunks(n).zip(&shares.expected);
        scores.map(|(s, e)| e + s.iter().sum::<f64>()).collect()
    };
    shares.rows().map(row).collect()
}

fn number(row: &Value, key: &str) -> f64 {
    row.get(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("{key} in {row:?}"))
}

#[test]
fn shares_and_the_expected_value_sum_to_the_raw_score() {
    let forest = "trainer: {boosting_type: rf, num_iterations: 20, bagging_fraction: 0.6, bagging_freq: 1}\n";
    for (model_type, more) in [("gbm", ""), ("linear", ""), ("gbm", forest)] {
        let dir = tempfile::tempdir().unwrap();
        let predictor = model(dir.path(), model_type, more);
        let raw = read(dir.path().join("d.csv")).unwrap();
        let rows = predictor.predict(&raw).unwrap();
        let all = predictor.model().contributions(&raw).unwrap();
        assert_eq!(all.iter().map(|s| &*s.output).collect::<Vec<_>>(), ["late", "size", "price"]);
        assert!(all.iter().all(|s| s.features == NAMES && s.rows().len() == 600));
        for (row, sum) in rows.iter().zip(sums(&all[0])) {
            let p = number(row, "late_probabilities_yes");
            assert!((1.0 / (1.0 + (-sum[0]).exp()) - p).abs() < 1e-9, "{model_type}{more}: {sum:?} {p}");
        }
        let classes = all[1].classes.clone();
        for (row, sum) in rows.iter().zip(sums(&all[1])) {
            let norm: f64 = sum.iter().map(|s| s.exp()).sum();
            for (class, score) in classes.iter().zip(&sum) {
                let p = number(row, &format!("size_probabilities_{class}"));
                assert!((score.exp() / norm - p).abs() < 1e-9, "{model_type}{more}: {class} {p}");
            }
        }
        for (row, sum) in rows.iter().zip(sums(&all[2])) {
            let price = number(row, "price_predictions");
            assert!(
                (sum[0] - price).abs() < 1e-9 * price.abs().max(1.0),
                "{model_type}{more}: {sum:?} {price}"
            );
        }
    }
}

#[test]
fn a_linear_share_is_the_coefficient_times_the_distance_from_the_training_mean() {
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("a.csv");
    std::fs::write(&csv, parcels()).unwrap();
    let yaml = format!("model_type: linear\n{INPUTS}{OUTPUTS}");
    let data = lyceum_learn::DataFiles { training_set: Some(csv.clone()), ..Default::default() };
    let mut options = lyceum_learn::TrainOptions::new(lyceum_learn::ConfigSource::Text(yaml), data);
    options.output_directory = dir.path().join("results");
    let predictor = load(lyceum_learn::train(&options, &Default::default()).unwrap().model_path).unwrap();
    let all = predictor.model().contributions(&read(&csv).unwrap()).unwrap();
    // Measured from their means, the shares of the training rows have the mean 0, whatever a feature's type.
    for shares in &all {
        for score in 0..shares.expected.len() {
            for (f, name) in NAMES.iter().enumerate() {
                let own: Vec<f64> = shares.score(score).map(|row| row[f]).collect();
                let mean = own.iter().sum::<f64>() / own.len() as f64;
                assert!(mean.abs() < 1e-9, "{} {name}: {mean}", shares.output);
            }
        }
    }
    // Price grows by about 0.01 for each unit of distance: the shares of two rows differ by that alone.
    let csv = "weight,distance,day,express,note\n5,100,mon,no,no remarks\n5,600,mon,no,no remarks\n";
    std::fs::write(dir.path().join("two.csv"), csv).unwrap();
    let two = predictor.model().contributions(&read(dir.path().join("two.csv")).unwrap()).unwrap();
    let rows: Vec<&[f64]> = two[2].rows().collect();
    let slope = (rows[1][1] - rows[0][1]) / 500.0;
    assert!((slope - 0.01).abs() < 5e-4, "{slope}");
    assert_eq!([rows[0][0], rows[0][2], rows[0][3]], [rows[1][0], rows[1][2], rows[1][3]]);
    // A model saved without means says so.
    let file = "output_0/linear.json";
    let folder = options.output_directory.join("experiment_run/model");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    std::fs::write(folder.join(file), text.replacen("\"means\"", "\"other\"", 1)).unwrap();
    let e = load(&folder).unwrap().model().contributions(&read(dir.path().join("two.csv")).unwrap());
    let e = e.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().contains("without the means of its training rows"), "{e}");
}

#[tokio::test]
async fn answers_carry_shares_when_the_context_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let predictor = model(dir.path(), "gbm", "");
    let row =
        r#"{"weight": 19, "distance": 880, "day": "fri", "express": false, "note": "handle with care"}"#;
    let row: Value = serde_json::from_str(row).unwrap();
    let plain = predictor.invoke(row.clone(), &Context::new()).await.unwrap();
    assert!(plain.get("late_contributions").is_none());
    let with = |value: Value| {
        Context::new().with_settings([("contributions".into(), value)].into_iter().collect::<Map>())
    };
    assert_eq!(predictor.invoke(row.clone(), &with(false.into())).await.unwrap(), plain);
    let explained = predictor.invoke(row.clone(), &with(true.into())).await.unwrap();
    assert_eq!(explained.get("late_predictions"), plain.get("late_predictions"));
    let late = explained.get("late_contributions").unwrap();
    let keys: Vec<&str> = late.as_map().unwrap().keys().map(|k| &**k).collect();
    assert_eq!(keys, ["expected_value", "weight", "distance", "day", "express", "note"]);
    let sum: f64 = keys.iter().map(|k| number(late, k)).sum();
    let p = number(&explained, "late_probabilities_yes");
    assert!((sum - (p / (1.0 - p)).ln()).abs() < 1e-6, "{sum} {p}");
    assert!(number(late, "note") > 0.0 && number(late, "day") > 0.0, "{late:?}");
    let size = explained.get("size_contributions").unwrap();
    assert!(number(size.get("large").unwrap(), "weight") > 0.0, "{size:?}");
    assert!(number(size.get("small").unwrap(), "weight") < 0.0, "{size:?}");
    let together = predictor.batch(vec![row.clone(), row.clone()], &with(true.into())).await;
    assert!(together.iter().all(|r| r.as_ref().unwrap() == &explained));
    let e = predictor.invoke(row, &with("yes".into())).await.unwrap_err();
    assert_eq!(e.to_string(), "contributions: expected true or false, got \"yes\"");
}

#[test]
fn what_has_no_shares_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let network = model(dir.path(), "ecd", "trainer: {epochs: 1}\n");
    let raw = read(dir.path().join("d.csv")).unwrap();
    let e = network.explain(&raw).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().starts_with("a network does not tell the shares of its features"), "{e}");
    let yaml = "model_type: gbm\ninput_features:\n  - {name: expected_value, column: weight, type: number}\n\
                output_features: [{name: late, type: binary}]\n";
    let t = train(dir.path(), &parcels(), yaml).unwrap();
    let e = load(&t.model_path).unwrap().explain(&raw).unwrap_err();
    assert!(e.to_string().contains("hides the expected value"), "{e}");
}

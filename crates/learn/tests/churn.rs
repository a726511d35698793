//! The synthetic churn table with its Ludwig configuration: how good the models must be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::shared;
use lyceum_core::FitContext;
use lyceum_learn::{ConfigSource, DataFiles, TrainOptions};

#[test]
fn models_reach_their_scores() {
    let Some(csv) = shared("data/tabular_churn/churn_10k.csv") else { return };
    let yaml = std::fs::read_to_string(csv.with_file_name("config.yaml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut best = 0.0f64;
    for (model_type, least) in [("ecd", 0.78), ("gbm", 0.765), ("linear", 0.787)] {
        let mut yaml = yaml.replace("model_type: ecd", &format!("model_type: {model_type}"));
        if model_type != "ecd" {
            yaml = yaml
                .lines()
                .filter(|l| !l.starts_with("combiner") && !l.starts_with("trainer"))
                .map(|l| format!("{l}\n"))
                .collect();
        }
        let mut options = TrainOptions::new(ConfigSource::Text(yaml), DataFiles::one(&csv));
        options.output_directory = dir.path().join(model_type);
        let t = lyceum_learn::train(&options, &FitContext::default()).unwrap();
        let auc = t.metrics["churned"]["roc_auc"];
        println!(
            "{model_type}: test AUC {auc:.4}, baseline {:?}, {:.2} s",
            t.baseline.get("churned").map(|b| b["roc_auc"]),
            t.seconds
        );
        assert!(auc >= least, "{model_type}: {auc}");
        best = best.max(auc);
    }
    assert!(best >= 0.787, "{best}");
}

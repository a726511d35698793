//! Trainers of boosted trees and of linear models.

use super::section::Section;
use lyceum_core::{Params, Value};
use lyceum_data::yaml::Yaml;
use lyceum_estimators::boosting::BoostingParams;

/// How trees are boosted.
#[derive(Debug, Clone, PartialEq)]
pub struct TreesTrainer {
    /// LightGBM's parameters.
    pub params: BoostingParams,
}

/// How linear models are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearTrainer {
    /// Inverse strength of the penalty of logistic regression.
    pub c: f64,
    /// Strength of the penalty of ridge regression.
    pub alpha: f64,
}

impl Default for LinearTrainer {
    fn default() -> Self {
        Self { c: 1.0, alpha: 1.0 }
    }
}

/// What suits a table of some thousand rows: small steps, small trees, as many as the validation rows bear.
const DEFAULTS: &[(&str, f64)] = &[
    ("num_iterations", 1000.0),
    ("learning_rate", 0.05),
    ("num_leaves", 15.0),
    ("early_stopping_round", 50.0),
    ("lambda_l2", 1.0),
    ("feature_fraction", 0.7),
    ("bagging_fraction", 0.8),
    ("bagging_freq", 1.0),
];

/// Reads LightGBM's parameters by any of their names; Ludwig's `early_stop` is one more.
pub(super) fn read(s: &mut Section<'_>) -> TreesTrainer {
    let mut params = Params::new();
    let entries = s.node().map(|n| n.entries()).unwrap_or_default();
    for entry in entries {
        let key = entry.key.as_str();
        let name = match key {
            "early_stop" => "early_stopping_round",
            "validation_metric" => "metric",
            other => other,
        };
        s.peek(key);
        if matches!(BoostingParams::main_name(name), Some("objective" | "num_class")) {
            s.issues().wrong(&entry.node, &s.path(key), "the output feature decides this; leave it out");
            continue;
        }
        let value = match &entry.node.value {
            Yaml::Int(i) if *i < 0 && name == "early_stopping_round" => Value::Int(0),
            _ => Value::from_json(entry.node.to_json()),
        };
        if let Err(e) = BoostingParams::check_one(name, &renamed(name, value.clone())) {
            let path = s.path(key);
            let unknown = e.message() == "unknown parameter";
            match e.kind() {
                lyceum_core::ErrorKind::Unsupported => {
                    s.issues().unsupported(&entry.node, &path, e.message())
                }
                _ if unknown => {
                    s.issues().unknown_key((entry.line, entry.column), &path, key, BoostingParams::names());
                }
                _ => s.issues().wrong(&entry.node, &path, e.message()),
            }
            continue;
        }
        params.insert(name.into(), renamed(name, value));
    }
    let given: Vec<String> = params.keys().map(|k| k.to_string()).collect();
    let canonical = |name: &str| BoostingParams::main_name(name);
    // What a kind of boosting cannot have is not its default either.
    let boosting =
        params.iter().find(|(k, _)| canonical(k) == Some("boosting")).and_then(|(_, v)| v.as_str());
    let unsuited: &[&str] = match boosting {
        Some("dart") => &["early_stopping_round", "num_iterations"],
        Some("rf" | "random_forest") => &["early_stopping_round", "num_iterations", "num_leaves"],
        Some("goss") => &["bagging_fraction", "bagging_freq"],
        _ => &[],
    };
    for (name, value) in DEFAULTS.iter().filter(|(n, _)| !unsuited.contains(n)) {
        if given.iter().all(|g| canonical(g) != Some(name)) {
            let whole = value.fract() == 0.0 && !matches!(*name, "lambda_l2");
            params
                .insert((*name).into(), if whole { Value::Int(*value as i64) } else { Value::Float(*value) });
        }
    }
    let params = BoostingParams::from_params(&params).unwrap_or_else(|e| {
        s.issues().missing(s.node(), &s.path(""), e.message());
        BoostingParams::default()
    });
    for (name, value) in params.to_params() {
        if !matches!(&*name, "objective" | "num_class") {
            s.render(&name, value.to_json());
        }
    }
    TreesTrainer { params }
}

/// Ludwig's metric names are LightGBM's here.
fn renamed(name: &str, value: Value) -> Value {
    match value.as_str() {
        Some("roc_auc") if name == "metric" => "auc".into(),
        Some("loss") if name == "metric" => "".into(),
        _ => value,
    }
}

/// Reads the two strengths.
pub(super) fn read_linear(s: &mut Section<'_>) -> LinearTrainer {
    let d = LinearTrainer::default();
    let trainer =
        LinearTrainer { c: s.number("C", d.c, 1e-12..=1e12), alpha: s.number("alpha", d.alpha, 0.0..=1e12) };
    s.finish(&[], &[]);
    trainer
}

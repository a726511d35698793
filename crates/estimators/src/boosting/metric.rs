//! Metrics that early stopping watches, by LightGBM's names, on raw scores of a validation set.

use super::model::Transform;
use super::objective::{Kind, Objective};
use crate::metrics;
use lyceum_core::{Error, Result};

const NAMES: &[(&str, &[&str])] = &[
    ("l1", &["mean_absolute_error", "mae", "regression_l1"]),
    ("l2", &["mean_squared_error", "mse", "regression_l2", "regression"]),
    ("rmse", &["root_mean_squared_error", "l2_root"]),
    ("auc", &[]),
    ("average_precision", &[]),
    ("binary_logloss", &["binary"]),
    ("binary_error", &[]),
    ("multi_logloss", &["multiclass", "softmax"]),
    ("multi_error", &[]),
];

/// The main name of a metric.
pub(super) fn main_name(name: &str) -> Result<&'static str> {
    let found = NAMES.iter().find(|(main, aliases)| *main == name || aliases.contains(&name));
    found.map(|(main, _)| *main).ok_or_else(|| {
        Error::invalid(format!("unknown metric `{name}`")).did_you_mean(name, NAMES.iter().map(|(n, _)| *n))
    })
}

/// A metric with what it is measured on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    /// Whether more is better.
    pub(super) rises: bool,
}

impl Metric {
    /// The named metric, or the objective's own; one for another objective is refused.
    pub(super) fn new(name: &str, objective: &Objective) -> Result<Self> {
        let own = match objective.kind {
            Kind::Regression => ["l2", "l1", "rmse"].as_slice(),
            Kind::Binary => &["binary_logloss", "auc", "average_precision", "binary_error"],
            Kind::Multiclass => &["multi_logloss", "multi_error"],
        };
        let name = if name.is_empty() { own.first().copied().unwrap_or_default() } else { main_name(name)? };
        if !own.contains(&name) {
            let message = format!("metric `{name}` does not fit the objective `{}`", objective.name());
            return Err(Error::invalid(message).hint(format!("one of {}", own.join(", "))));
        }
        Ok(Self { name, rises: matches!(name, "auc" | "average_precision") })
    }

    /// Its value; `score` is tree-major, as in training.
    pub(super) fn value(&self, objective: &Objective, y: &[f64], score: &[f64]) -> f64 {
        match objective.kind {
            Kind::Regression => match self.name {
                "l1" => metrics::mean_absolute_error(y, score),
                "rmse" => metrics::root_mean_squared_error(y, score),
                _ => metrics::mean_squared_error(y, score),
            },
            Kind::Binary => {
                let labels: Vec<u8> = y.iter().map(|y| u8::from(*y > 0.0)).collect();
                let p: Vec<f64> =
                    score.iter().map(|s| 1.0 / (1.0 + (-objective.sigmoid * s).exp())).collect();
                match self.name {
                    "auc" => metrics::roc_auc(&labels, score),
                    "average_precision" => metrics::average_precision(&labels, score),
                    "binary_error" => 1.0 - metrics::BinaryCounts::at(&labels, &p, 0.5).accuracy(),
                    _ => metrics::log_loss(&labels, &p),
                }
            }
            Kind::Multiclass => {
                let (rows, k) = (y.len(), objective.num_class);
                let labels: Vec<u32> = y.iter().map(|y| *y as u32).collect();
                let mut p = vec![0.0; rows * k];
                for (row, out) in p.chunks_exact_mut(k).enumerate() {
                    let raw: Vec<f64> = score.iter().skip(row).step_by(rows.max(1)).copied().collect();
                    Transform::Softmax.apply(&raw, out);
                }
                match self.name {
                    "multi_error" => 1.0 - metrics::top_k_accuracy(&labels, &p, k, 1),
                    _ => metrics::multi_log_loss(&labels, &p, k),
                }
            }
        }
    }
}

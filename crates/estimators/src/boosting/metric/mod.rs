//! Metrics by LightGBM's names, on raw scores of a set of rows: printed while training, watched by early stopping.

mod classes;
mod order;
mod pointwise;
mod ranking;

use super::model::Transform;
use super::objective::{Objective, Rows};
use lyceum_core::{Error, Result};

/// Main names with their aliases.
const NAMES: &[(&str, &[&str])] = &[
    ("l1", &["mean_absolute_error", "mae", "regression_l1"]),
    ("l2", &["mean_squared_error", "mse", "regression_l2", "regression"]),
    ("rmse", &["root_mean_squared_error", "l2_root"]),
    ("quantile", &[]),
    ("mape", &["mean_absolute_percentage_error"]),
    ("huber", &[]),
    ("fair", &[]),
    ("poisson", &[]),
    ("gamma", &[]),
    ("gamma_deviance", &[]),
    ("tweedie", &[]),
    ("r2", &[]),
    ("ndcg", &["lambdarank", "rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"]),
    ("map", &["mean_average_precision"]),
    ("auc", &[]),
    ("average_precision", &[]),
    ("binary_logloss", &["binary"]),
    ("binary_error", &[]),
    ("auc_mu", &[]),
    ("multi_logloss", &["multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"]),
    ("multi_error", &[]),
    ("cross_entropy", &["xentropy"]),
    ("cross_entropy_lambda", &["xentlambda"]),
    ("kullback_leibler", &["kldiv"]),
];

/// The main name of a metric.
pub(super) fn main_name(name: &str) -> Result<&'static str> {
    let found = NAMES.iter().find(|(main, aliases)| *main == name || aliases.contains(&name));
    found.map(|(main, _)| *main).ok_or_else(|| {
        Error::invalid(format!("unknown metric `{name}`")).did_you_mean(name, NAMES.iter().map(|(n, _)| *n))
    })
}

/// Parameters of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricParams {
    /// Names, the first decides under `first_metric_only`; empty is the objective's own.
    pub names: Vec<String>,
    /// Cut-offs of `ndcg` and `map`.
    pub eval_at: Vec<usize>,
    /// Cut-off of `multi_error`: right is among the so many likeliest.
    pub multi_error_top_k: usize,
    /// Weights of `auc_mu`, row-major `[classes, classes]`; empty is 1 off the diagonal.
    pub auc_mu_weights: Vec<f64>,
}

impl Default for MetricParams {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            eval_at: vec![1, 2, 3, 4, 5],
            multi_error_top_k: 1,
            auc_mu_weights: Vec::new(),
        }
    }
}

/// One thing to measure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    /// Name as it is printed, with its cut-off: `ndcg@5`.
    pub(super) name: String,
    kind: &'static str,
    at: usize,
    /// Whether more is better.
    pub(super) rises: bool,
}

/// The metric that is an objective's own; none for a custom one.
fn own(objective: &Objective) -> Option<&'static str> {
    Some(match objective.name() {
        "regression" => "l2",
        "regression_l1" => "l1",
        "binary" => "binary_logloss",
        "multiclass" | "multiclassova" => "multi_logloss",
        "lambdarank" | "rank_xendcg" => "ndcg",
        "custom" => return None,
        other => main_name(other).ok()?,
    })
}

/// Whether a metric can be taken of an objective's scores.
fn fits(kind: &str, objective: &Objective) -> bool {
    let multi = matches!(kind, "multi_logloss" | "multi_error" | "auc_mu");
    let ranking = matches!(kind, "ndcg" | "map");
    multi == objective.has_classes() && (!ranking || objective.ranks())
}

impl Metric {
    /// The metrics that are asked for, or the objective's own.
    ///
    /// # Errors
    /// An unknown name, one that cannot be taken of the objective's scores.
    pub(super) fn all(params: &MetricParams, objective: &Objective) -> Result<Vec<Self>> {
        let mut kinds = Vec::new();
        for name in params.names.iter().map(|n| n.trim()).filter(|n| !n.is_empty()) {
            if matches!(name, "none" | "null" | "na" | "custom" | "None") {
                return Ok(Vec::new());
            }
            let kind = main_name(name)?;
            if !fits(kind, objective) {
                let message = format!("metric `{name}` does not fit the objective `{}`", objective.name());
                let fitting: Vec<&str> =
                    NAMES.iter().map(|(n, _)| *n).filter(|n| fits(n, objective)).collect();
                return Err(Error::invalid(message).hint(format!("one of {}", fitting.join(", "))));
            }
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if params.names.iter().all(|n| n.trim().is_empty()) {
            kinds.extend(own(objective));
        }
        Ok(kinds.into_iter().flat_map(|kind| Self::of(kind, params)).collect())
    }

    fn of(kind: &'static str, params: &MetricParams) -> Vec<Self> {
        let rises = matches!(kind, "auc" | "average_precision" | "auc_mu" | "ndcg" | "map" | "r2");
        let one = |name: String, at: usize| Self { name, kind, at, rises };
        match kind {
            "ndcg" | "map" => params.eval_at.iter().map(|at| one(format!("{kind}@{at}"), *at)).collect(),
            "multi_error" if params.multi_error_top_k > 1 => {
                vec![one(format!("{kind}@{}", params.multi_error_top_k), params.multi_error_top_k)]
            }
            _ => vec![one(kind.into(), 1)],
        }
    }

    /// Its value; `score` is tree-major, as in training, raw.
    pub(super) fn value(&self, params: &MetricParams, o: &Objective, rows: &Rows<'_>, score: &[f64]) -> f64 {
        match self.kind {
            "ndcg" => ranking::ndcg(o, rows, score, self.at),
            "map" => ranking::mean_average_precision(rows, score, self.at),
            "auc" => order::auc(rows, score),
            "average_precision" => order::average_precision(rows, score),
            "auc_mu" => classes::auc_mu(&params.auc_mu_weights, o.num_class, rows, score),
            "multi_logloss" | "multi_error" => {
                classes::average(self.kind, o.transform(), o.num_class, self.at, rows, score)
            }
            "cross_entropy_lambda" => pointwise::cross_entropy_lambda(rows, score),
            kind => {
                let transform = match o.transform() {
                    Transform::Softplus if matches!(kind, "cross_entropy" | "kullback_leibler") => {
                        Transform::Logistic
                    }
                    other => other,
                };
                pointwise::average(kind, o, transform, rows, score)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn value(objective: &str, metric: &str, y: &[f64], score: &[f64], group: Option<&[usize]>) -> f64 {
        let mut o = Objective::default();
        o.set_kind(objective).unwrap();
        let params = MetricParams { names: vec![metric.into()], eval_at: vec![2], ..MetricParams::default() };
        let all = Metric::all(&params, &o).unwrap();
        all[0].value(&params, &o, &Rows { y, weight: None, group }, score)
    }

    #[test]
    fn by_hand() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} for {b}");
        close(value("regression", "l1", &[1.0, 2.0], &[0.0, 4.0], None), 1.5);
        close(value("regression", "rmse", &[1.0, 2.0], &[0.0, 4.0], None), 2.5f64.sqrt());
        close(value("regression", "r2", &[1.0, 3.0], &[1.0, 3.0], None), 1.0);
        close(value("binary", "auc", &[0.0, 1.0, 1.0, 0.0], &[0.1, 0.4, 0.1, 0.0], None), 0.875);
        close(value("binary", "binary_error", &[0.0, 1.0], &[-1.0, -1.0], None), 0.5);
        let ndcg = value("lambdarank", "ndcg", &[0.0, 1.0, 2.0], &[3.0, 2.0, 1.0], Some(&[3]));
        close(ndcg, (1.0 / 3f64.log2()) / (3.0 + 1.0 / 3f64.log2()));
        close(value("lambdarank", "map", &[0.0, 1.0, 1.0], &[3.0, 2.0, 1.0], Some(&[3])), 0.25);
    }

    #[test]
    fn misfits_are_told() {
        let o = Objective::default();
        let with = |name: &str| MetricParams { names: vec![name.into()], ..MetricParams::default() };
        assert!(Metric::all(&with("multi_error"), &o).unwrap_err().to_string().contains("does not fit"));
        assert!(Metric::all(&with("ndgc"), &o).unwrap_err().to_string().contains("did you mean `ndcg`"));
        assert_eq!(Metric::all(&with("none"), &o).unwrap(), []);
    }
}

//! What boosting minimises: names and parameters of the objectives here, their gradients beside.

mod binary;
mod loss;
mod multiclass;
mod percentile;
mod pointwise;
mod ranking;
mod regression;

pub use loss::Loss;
pub(super) use loss::Rows;

use super::model::Transform;
use lyceum_core::{Error, Result, Target, nearest};

/// Kinds of objective, by LightGBM's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Squared error.
    #[default]
    Regression,
    /// Absolute error.
    RegressionL1,
    /// Squared near 0, absolute beyond `alpha`.
    Huber,
    /// Between squared and logarithmic, scale `fair_c`.
    Fair,
    /// Counts, log link.
    Poisson,
    /// The `alpha` quantile.
    Quantile,
    /// Absolute error over the label's size.
    Mape,
    /// Positive amounts, log link.
    Gamma,
    /// Amounts with zeros, log link.
    Tweedie,
    /// Log loss of two classes.
    Binary,
    /// Softmax.
    Multiclass,
    /// One sigmoid a class.
    MulticlassOva,
    /// Log loss of labels between 0 and 1.
    CrossEntropy,
    /// As that, with intensity weights.
    CrossEntropyLambda,
    /// Pairs weighted by the NDCG that swapping them changes.
    Lambdarank,
    /// A listwise bound of NDCG.
    RankXendcg,
    /// Gradients of the caller's own.
    Custom,
}

/// The objective and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Which one.
    pub kind: Kind,
    /// Number of classes; 1 unless multiclass.
    pub num_class: usize,
    /// Whether the rarer class is weighted up to the other's size (binary).
    pub is_unbalance: bool,
    /// Weight of positive rows (binary).
    pub scale_pos_weight: f64,
    /// Steepness of the sigmoid (binary, multiclassova, lambdarank).
    pub sigmoid: f64,
    /// Whether to start from the best constant.
    pub boost_from_average: bool,
    /// Whether sign(y)·√|y| is learned instead of y (regression).
    pub reg_sqrt: bool,
    /// Turning point of huber, level of quantile.
    pub alpha: f64,
    /// Scale of fair.
    pub fair_c: f64,
    /// Keeps poisson's hessians from being small.
    pub poisson_max_delta_step: f64,
    /// Power of tweedie's variance, in [1, 2).
    pub tweedie_variance_power: f64,
    /// Pairs whose better-ranked row is below this are left alone (lambdarank).
    pub lambdarank_truncation_level: usize,
    /// Whether lambdas are normalised over a query.
    pub lambdarank_norm: bool,
    /// Gain of each label; empty is 2^label - 1.
    pub label_gain: Vec<f64>,
    /// Fixes the draws of `rank_xendcg`.
    pub objective_seed: u64,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            kind: Kind::Regression,
            num_class: 1,
            is_unbalance: false,
            scale_pos_weight: 1.0,
            sigmoid: 1.0,
            boost_from_average: true,
            reg_sqrt: false,
            alpha: 0.9,
            fair_c: 1.0,
            poisson_max_delta_step: 0.7,
            tweedie_variance_power: 1.5,
            lambdarank_truncation_level: 30,
            lambdarank_norm: true,
            label_gain: Vec::new(),
            objective_seed: 5,
        }
    }
}

/// Kinds with their names, LightGBM's main one first.
const NAMES: &[(Kind, &[&str])] = &[
    (
        Kind::Regression,
        &[
            "regression",
            "regression_l2",
            "l2",
            "mean_squared_error",
            "mse",
            "l2_root",
            "root_mean_squared_error",
            "rmse",
        ],
    ),
    (Kind::RegressionL1, &["regression_l1", "l1", "mean_absolute_error", "mae"]),
    (Kind::Huber, &["huber"]),
    (Kind::Fair, &["fair"]),
    (Kind::Poisson, &["poisson"]),
    (Kind::Quantile, &["quantile"]),
    (Kind::Mape, &["mape", "mean_absolute_percentage_error"]),
    (Kind::Gamma, &["gamma"]),
    (Kind::Tweedie, &["tweedie"]),
    (Kind::Binary, &["binary"]),
    (Kind::Multiclass, &["multiclass", "softmax"]),
    (Kind::MulticlassOva, &["multiclassova", "multiclass_ova", "ova", "ovr"]),
    (Kind::CrossEntropy, &["cross_entropy", "xentropy"]),
    (Kind::CrossEntropyLambda, &["cross_entropy_lambda", "xentlambda"]),
    (Kind::Lambdarank, &["lambdarank"]),
    (Kind::RankXendcg, &["rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"]),
    (Kind::Custom, &["custom", "none", "null", "na"]),
];

impl Objective {
    /// The objective that fits a target.
    pub fn for_target(target: &Target) -> Self {
        let (kind, num_class) = match target {
            Target::Regression(_) => (Kind::Regression, 1),
            Target::Binary(_) => (Kind::Binary, 1),
            Target::Multiclass { classes, .. } => (Kind::Multiclass, *classes),
        };
        Self { kind, num_class, ..Self::default() }
    }

    pub(super) fn set_kind(&mut self, name: &str) -> Result<()> {
        match NAMES.iter().find(|(_, names)| names.contains(&name)) {
            Some((kind, _)) => self.kind = *kind,
            None => {
                let e = Error::invalid(format!("unknown objective `{name}`"));
                let names = || NAMES.iter().flat_map(|(_, names)| names.iter().copied());
                let main: Vec<&str> = NAMES.iter().filter_map(|(_, n)| n.first()).copied().collect();
                return Err(match nearest(name, names()) {
                    Some(_) => e.did_you_mean(name, names()),
                    None => e.hint(format!("one of {}", main.join(", "))),
                });
            }
        }
        Ok(())
    }

    /// LightGBM's name.
    pub fn name(&self) -> &'static str {
        let own = NAMES.iter().find(|(kind, _)| *kind == self.kind);
        own.and_then(|(_, names)| names.first()).copied().unwrap_or_default()
    }

    /// Whether rows come in queries.
    pub fn ranks(&self) -> bool {
        matches!(self.kind, Kind::Lambdarank | Kind::RankXendcg)
    }

    /// Whether the target is one of several classes.
    pub fn has_classes(&self) -> bool {
        matches!(self.kind, Kind::Multiclass | Kind::MulticlassOva)
    }

    pub(super) fn check(&self) -> Result<()> {
        let wants = |what: &str, key: &str| Err(Error::invalid(format!("expected {what}")).at_key(key));
        if self.has_classes() && self.num_class < 2 {
            return wants(&format!("2 or more for the {} objective", self.name()), "num_class");
        }
        if !self.has_classes() && self.kind != Kind::Custom && self.num_class != 1 {
            return wants(&format!("1 for the {} objective", self.name()), "num_class");
        }
        if self.is_unbalance && self.scale_pos_weight != 1.0 {
            return Err(Error::invalid("cannot be set together with scale_pos_weight").at_key("is_unbalance"));
        }
        let quantile = self.kind != Kind::Quantile || self.alpha < 1.0;
        let checks = [
            (self.sigmoid > 0.0, "sigmoid", "above 0"),
            (self.scale_pos_weight > 0.0, "scale_pos_weight", "above 0"),
            (self.alpha > 0.0, "alpha", "above 0"),
            (quantile, "alpha", "between 0 and 1 for the quantile objective"),
            (self.fair_c > 0.0, "fair_c", "above 0"),
            (self.poisson_max_delta_step > 0.0, "poisson_max_delta_step", "above 0"),
            ((1.0..2.0).contains(&self.tweedie_variance_power), "tweedie_variance_power", "1 to below 2"),
            (self.lambdarank_truncation_level > 0, "lambdarank_truncation_level", "1 or more"),
            (self.label_gain.iter().all(|g| *g >= 0.0), "label_gain", "numbers from 0"),
        ];
        match checks.iter().find(|(ok, _, _)| !ok) {
            Some((_, key, what)) => wants(what, key),
            None => Ok(()),
        }
    }

    /// Trees an iteration.
    pub fn trees(&self) -> usize {
        if self.has_classes() || self.kind == Kind::Custom { self.num_class } else { 1 }
    }

    /// The gain of a label in ranking.
    pub(super) fn gain(&self, label: usize) -> f64 {
        self.label_gain.get(label).copied().unwrap_or_else(|| (label as f64).exp2() - 1.0)
    }

    /// The line of a model file; empty for an objective of the caller's own.
    pub(super) fn to_line(&self) -> String {
        let name = self.name();
        match self.kind {
            Kind::Binary => format!("{name} sigmoid:{}", self.sigmoid),
            Kind::Multiclass => format!("{name} num_class:{}", self.num_class),
            Kind::MulticlassOva => format!("{name} num_class:{} sigmoid:{}", self.num_class, self.sigmoid),
            Kind::Quantile | Kind::Huber => format!("{name} alpha:{}", self.alpha),
            Kind::Fair => format!("{name} c:{}", self.fair_c),
            Kind::Tweedie => format!("{name} tweedie_variance_power:{}", self.tweedie_variance_power),
            Kind::Regression if self.reg_sqrt => format!("{name} sqrt"),
            Kind::Custom => String::new(),
            _ => name.into(),
        }
    }

    /// The objective of a model file's line; what the line does not say is as in `base`.
    ///
    /// # Errors
    /// An empty line (an objective of the caller's own) or an unknown name.
    pub fn from_line(line: &str, base: Self) -> Result<Self> {
        let mut out = base;
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else {
            return Err(Error::invalid("the model has no objective: it was trained on gradients of its own"));
        };
        out.set_kind(name)?;
        for word in words {
            let number = |v: &str| v.parse::<f64>().ok();
            match word.split_once(':') {
                Some(("num_class", v)) => out.num_class = v.parse().unwrap_or(out.num_class),
                Some(("sigmoid", v)) => out.sigmoid = number(v).unwrap_or(out.sigmoid),
                Some(("alpha", v)) => out.alpha = number(v).unwrap_or(out.alpha),
                Some(("c", v)) => out.fair_c = number(v).unwrap_or(out.fair_c),
                Some(("tweedie_variance_power", v)) => {
                    out.tweedie_variance_power = number(v).unwrap_or(out.tweedie_variance_power);
                }
                _ => out.reg_sqrt |= word == "sqrt",
            }
        }
        out.check()?;
        Ok(out)
    }

    /// What turns raw scores into predictions.
    pub fn transform(&self) -> Transform {
        match self.kind {
            Kind::Binary => Transform::Sigmoid(self.sigmoid),
            Kind::Multiclass => Transform::Softmax,
            Kind::MulticlassOva => Transform::OneVsAll(self.sigmoid),
            Kind::Regression if self.reg_sqrt => Transform::SignedSquare,
            Kind::Poisson | Kind::Gamma | Kind::Tweedie => Transform::Exp,
            Kind::CrossEntropy => Transform::Logistic,
            Kind::CrossEntropyLambda => Transform::Softplus,
            _ => Transform::Identity,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests;

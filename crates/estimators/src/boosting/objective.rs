//! What boosting minimises: gradients, hessians, the constant to start from, and how raw scores become predictions.
//!
//! Formulas: LightGBM's `regression` (squared error), `binary` (log loss with a sigmoid's steepness) and `multiclass`
//! (softmax); gradients are stored as f32, as there.
#![allow(clippy::indexing_slicing, reason = "indices stay below the lengths that the loops run over")]

use super::model::softmax;
use lyceum_core::{Error, Result, Target, nearest};

/// Kinds of objective that can be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Regression,
    Binary,
    Multiclass,
}

/// The objective and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    pub(super) kind: Kind,
    /// Number of classes; 1 unless multiclass.
    pub num_class: usize,
    /// Whether the rarer class is weighted up to the other's size (binary).
    pub is_unbalance: bool,
    /// Weight of positive rows (binary).
    pub scale_pos_weight: f64,
    /// Steepness of the sigmoid (binary).
    pub sigmoid: f64,
    /// Whether to start from the best constant.
    pub boost_from_average: bool,
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
        }
    }
}

/// Names by which each kind goes.
const NAMES: &[(&str, Kind)] = &[
    ("regression", Kind::Regression),
    ("regression_l2", Kind::Regression),
    ("l2", Kind::Regression),
    ("mean_squared_error", Kind::Regression),
    ("mse", Kind::Regression),
    ("l2_root", Kind::Regression),
    ("root_mean_squared_error", Kind::Regression),
    ("rmse", Kind::Regression),
    ("binary", Kind::Binary),
    ("multiclass", Kind::Multiclass),
    ("softmax", Kind::Multiclass),
];

/// Objectives that LightGBM has and this learner lacks.
const NOT_HERE: &[&str] = &[
    "regression_l1",
    "l1",
    "mae",
    "huber",
    "fair",
    "poisson",
    "quantile",
    "mape",
    "gamma",
    "tweedie",
    "multiclassova",
    "cross_entropy",
    "cross_entropy_lambda",
    "lambdarank",
    "rank_xendcg",
    "custom",
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
        match NAMES.iter().find(|(n, _)| *n == name) {
            Some((_, kind)) => self.kind = *kind,
            None if NOT_HERE.contains(&name) => {
                return Err(Error::unsupported(format!("objective `{name}` is not supported yet")));
            }
            None => {
                let e = Error::invalid(format!("unknown objective `{name}`"));
                let names = NAMES.iter().map(|(n, _)| *n);
                return Err(match nearest(name, names.clone()) {
                    Some(_) => e.did_you_mean(name, names),
                    None => e.hint("one of regression, binary, multiclass"),
                });
            }
        }
        Ok(())
    }

    /// LightGBM's name.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Regression => "regression",
            Kind::Binary => "binary",
            Kind::Multiclass => "multiclass",
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.kind == Kind::Multiclass && self.num_class < 2 {
            return Err(Error::invalid("expected 2 or more for the multiclass objective").at_key("num_class"));
        }
        if self.is_unbalance && self.scale_pos_weight != 1.0 {
            return Err(Error::invalid("cannot be set together with scale_pos_weight").at_key("is_unbalance"));
        }
        if self.sigmoid <= 0.0 || self.scale_pos_weight <= 0.0 {
            return Err(Error::invalid("sigmoid and scale_pos_weight must be above 0").at_key("sigmoid"));
        }
        Ok(())
    }

    /// Trees an iteration.
    pub fn trees(&self) -> usize {
        if self.kind == Kind::Multiclass { self.num_class } else { 1 }
    }

    /// The line of a model file.
    pub(super) fn to_line(&self) -> String {
        match self.kind {
            Kind::Regression => "regression".into(),
            Kind::Binary => format!("binary sigmoid:{}", self.sigmoid),
            Kind::Multiclass => format!("multiclass num_class:{}", self.num_class),
        }
    }

    /// Weights of rows (as given, and by class) or nothing when all are 1.
    pub(super) fn weights(&self, y: &[f64], given: Option<&[f64]>) -> Option<Vec<f32>> {
        let positives = y.iter().filter(|y| **y > 0.0).count() as f64;
        let negatives = y.len() as f64 - positives;
        let (mut negative, mut positive) = (1.0, self.scale_pos_weight);
        if self.is_unbalance && positives > 0.0 && negatives > 0.0 {
            negative = (positives / negatives).max(1.0);
            positive = (negatives / positives).max(1.0);
        }
        let by_class = self.kind == Kind::Binary && (negative != 1.0 || positive != 1.0);
        if !by_class && given.is_none() {
            return None;
        }
        let class = |y: f64| {
            if !by_class {
                1.0
            } else if y > 0.0 {
                positive
            } else {
                negative
            }
        };
        let own = |i: usize| given.and_then(|w| w.get(i)).copied().unwrap_or(1.0);
        Some(y.iter().enumerate().map(|(i, y)| (own(i) * class(*y)) as f32).collect())
    }

    /// The best constant score of each tree of an iteration.
    pub(super) fn start(&self, y: &[f64], weight: Option<&[f32]>) -> Vec<f64> {
        if !self.boost_from_average {
            return vec![0.0; self.trees()];
        }
        let w = |i: usize| weight.map_or(1.0, |w| f64::from(w[i]));
        let total: f64 = (0..y.len()).map(w).sum();
        match self.kind {
            Kind::Regression => vec![y.iter().enumerate().map(|(i, y)| y * w(i)).sum::<f64>() / total],
            Kind::Binary => {
                let positive: f64 = y.iter().enumerate().filter(|(_, y)| **y > 0.0).map(|(i, _)| w(i)).sum();
                let p = (positive / total).clamp(1e-15, 1.0 - 1e-15);
                vec![(p / (1.0 - p)).ln() / self.sigmoid]
            }
            Kind::Multiclass => {
                let mut mass = vec![0.0; self.num_class];
                y.iter().enumerate().for_each(|(i, y)| mass[*y as usize] += w(i));
                mass.iter().map(|m| (m / total).max(1e-15).ln()).collect()
            }
        }
    }

    /// Gradients and hessians of rows `from..`, tree-major: row r of tree k is at `k * rows + r` of `score`, and at
    /// `k * len + r - from` of the output.
    pub(super) fn gradients(&self, y: &[f64], score: &[f64], weight: Option<&[f32]>, out: &mut [(f32, f32)]) {
        let rows = y.len();
        match self.kind {
            Kind::Regression => {
                for i in 0..rows {
                    out[i] = ((score[i] - y[i]) as f32, 1.0);
                }
            }
            Kind::Binary => {
                let s = self.sigmoid;
                for i in 0..rows {
                    let sign = if y[i] > 0.0 { 1.0 } else { -1.0 };
                    let response = -sign * s / (1.0 + (sign * s * score[i]).exp());
                    let size = response.abs();
                    out[i] = (response as f32, (size * (s - size)) as f32);
                }
            }
            Kind::Multiclass => self.softmax_gradients(y, score, out),
        }
        if let Some(weight) = weight {
            for (i, gh) in out.iter_mut().enumerate() {
                let w = weight[i % rows];
                *gh = (gh.0 * w, gh.1 * w);
            }
        }
    }

    fn softmax_gradients(&self, y: &[f64], score: &[f64], out: &mut [(f32, f32)]) {
        let (rows, k) = (y.len(), self.num_class);
        let factor = k as f64 / (k - 1) as f64;
        let mut p = vec![0.0; k];
        for i in 0..rows {
            for c in 0..k {
                p[c] = score[c * rows + i];
            }
            softmax(&mut p);
            for c in 0..k {
                let hit = if y[i] as usize == c { 1.0 } else { 0.0 };
                out[c * rows + i] = ((p[c] - hit) as f32, (factor * p[c] * (1.0 - p[c])) as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient is the slope of the loss, for every kind.
    #[test]
    fn gradients_are_slopes() {
        let binary = |s: f64, y: f64| (1.0 + (-(2.0 * y - 1.0) * 1.5 * s).exp()).ln();
        let o = Objective { kind: Kind::Binary, sigmoid: 1.5, ..Objective::default() };
        for (s, y) in [(0.3, 1.0), (-2.0, 1.0), (1.1, 0.0)] {
            let mut out = [(0.0, 0.0)];
            o.gradients(&[y], &[s], None, &mut out);
            let slope = (binary(s + 1e-5, y) - binary(s - 1e-5, y)) / 2e-5;
            assert!((f64::from(out[0].0) - slope).abs() < 1e-5, "{s} {y}");
        }
        let o = Objective { kind: Kind::Multiclass, num_class: 3, ..Objective::default() };
        let mut out = [(0.0, 0.0); 3];
        o.gradients(&[1.0], &[0.5, -0.5, 1.0], None, &mut out);
        let loss = |s: [f64; 3]| s.iter().map(|x| x.exp()).sum::<f64>().ln() - s[1];
        let slope = (loss([0.5, -0.5, 1.0 + 1e-5]) - loss([0.5, -0.5, 1.0 - 1e-5])) / 2e-5;
        assert!((f64::from(out[2].0) - slope).abs() < 1e-5);
    }

    #[test]
    fn starts_at_the_best_constant() {
        let o = Objective { kind: Kind::Binary, ..Objective::default() };
        let start = o.start(&[1.0, 0.0, 0.0, 0.0], None);
        assert!((start[0] - (0.25f64 / 0.75).ln()).abs() < 1e-12);
        let unbalanced = Objective { is_unbalance: true, ..o };
        assert_eq!(unbalanced.weights(&[1.0, 0.0, 0.0, 0.0], None).unwrap(), [3.0, 1.0, 1.0, 1.0]);
    }
}

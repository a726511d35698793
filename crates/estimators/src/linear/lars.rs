//! Least angle regression and the lasso's whole path by it (Efron, Hastie, Johnstone and Tibshirani, Least Angle
//! Regression, 2004; scikit-learn's `Lars`, `LassoLars`, `lars_path`). Penalties are on the scale of
//! 1/(2n)·‖y − Xw − b‖² + alpha ‖w‖₁: at a corner, alpha is the greatest |xᵀr|/n.
#![allow(clippy::indexing_slicing, reason = "columns stay below the matrix's width")]

use super::centred::Centred;
use super::elastic_net::params;
use super::numerics::dot;
use super::solve::cholesky_solve;
use crate::registry::{count, number};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// A column that active ones explain but for this share of its variance never joins them.
const EXPLAINED: f64 = 1e-9;

/// Least angle regression: one column after the other joins, until all are in or enough of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lars {
    /// Columns at most, from 1.
    pub n_nonzero_coefs: usize,
}

/// The lasso by its path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LassoLars {
    /// Strength of the penalty, from 0.
    pub alpha: f64,
    /// Steps at most.
    pub max_iter: usize,
}

impl Default for Lars {
    fn default() -> Self {
        Self { n_nonzero_coefs: 500 }
    }
}

impl Default for LassoLars {
    fn default() -> Self {
        Self { alpha: 1.0, max_iter: 500 }
    }
}

/// Corners of a path: between them coefficients are linear.
#[derive(Debug, Clone, PartialEq)]
pub struct LarsPath {
    /// Penalties, falling.
    pub alphas: Vec<f64>,
    /// Coefficients at each corner.
    pub coefs: Vec<Vec<f64>>,
    /// Columns that are not 0 at the end, in the order in which they joined.
    pub active: Vec<usize>,
    /// Whether it ended by itself and not at its limit of steps.
    pub converged: bool,
}

/// What a path keeps to.
struct Limits {
    /// Whether a coefficient that comes back to 0 leaves, which makes it the lasso's path.
    lasso: bool,
    /// The penalty to end at.
    alpha: f64,
    /// Active columns at most.
    most: usize,
    steps: usize,
}

/// The path of least angles, or with `lasso` the lasso's, down to a penalty of `alpha_min`.
///
/// # Errors
/// As a fit of [`LassoLars`].
pub fn lars_path(data: &TrainingSet, lasso: bool, alpha_min: f64, cx: &FitContext) -> Result<LarsPath> {
    let set = Centred::new(data, cx)?;
    let steps = 8 * set.width + 500;
    let limits = Limits { lasso, alpha: alpha_min, most: set.width, steps };
    path(&set, &limits, cx)
}

fn path(set: &Centred, limits: &Limits, cx: &FitContext) -> Result<LarsPath> {
    let d = set.width;
    let mut q = set.gram();
    let mut b = set.project(&set.y);
    q.iter_mut().chain(&mut b).for_each(|v| *v /= set.total);
    // A spread within the rounding of the column's numbers is none.
    let spread = |j: usize| q[j * d + j].sqrt() > 1e-10 * set.mean[j].abs();
    let mut barred: Vec<bool> = (0..d).map(|j| !spread(j)).collect();
    let mut w = vec![0.0; d];
    let mut active: Vec<usize> = Vec::new();
    let mut left: Option<usize> = None;
    let start = (0..d).filter(|j| !barred[*j]).map(|j| b[j].abs()).fold(0.0, f64::max);
    let mut at = start;
    let mut out = LarsPath { alphas: vec![at], coefs: vec![w.clone()], active: Vec::new(), converged: false };
    for _ in 0..limits.steps {
        cx.cx.check()?;
        if at <= limits.alpha.max(1e-14 * start) {
            out.converged = true;
            break;
        }
        let c: Vec<f64> = (0..d).map(|j| b[j] - dot(&q[j * d..(j + 1) * d], &w)).collect();
        // Columns that are as correlated as the active ones join.
        let next = |active: &[usize], barred: &[bool]| {
            let out = |j: &usize| !active.contains(j) && !barred[*j] && Some(*j) != left;
            let found = (0..d).filter(out).max_by(|i, j| c[*i].abs().total_cmp(&c[*j].abs()));
            found.filter(|j| c[*j].abs() >= at - 1e-10 * start)
        };
        while let Some(j) = next(&active, &barred) {
            if active.len() >= limits.most {
                break;
            }
            if unexplained(&q, d, &active, j) <= EXPLAINED * q[j * d + j] {
                barred[j] = true;
                continue;
            }
            active.push(j);
        }
        if active.is_empty() || (active.len() >= limits.most && next(&active, &barred).is_some()) {
            out.converged = true;
            break;
        }
        let m = active.len();
        let mut square: Vec<f64> = (0..m * m).map(|k| q[active[k / m] * d + active[k % m]]).collect();
        let sign = |j: usize| 1.0f64.copysign(c[j]);
        let mut step: Vec<f64> = active.iter().map(|j| sign(*j)).collect();
        cholesky_solve(&mut square, &mut step);
        // Along the step all active correlations fall alike; how far until another is as great?
        let mut far = at - limits.alpha;
        for j in (0..d).filter(|j| !active.contains(j) && !barred[*j]) {
            let along: f64 = active.iter().zip(&step).map(|(i, s)| q[j * d + i] * s).sum();
            for side in [1.0, -1.0] {
                let (apart, closing) = (at - side * c[j], 1.0 - side * along);
                // One that has just left starts at the edge and moves away from it.
                if closing > 1e-12 && !(Some(j) == left && apart <= 1e-9 * start) {
                    far = far.min((apart / closing).max(0.0));
                }
            }
        }
        left = None;
        if limits.lasso {
            for (j, s) in active.iter().zip(&step) {
                let until = -w[*j] / s;
                if w[*j] != 0.0 && until > 0.0 && until < far {
                    (far, left) = (until, Some(*j));
                }
            }
        }
        active.iter().zip(&step).for_each(|(j, s)| w[*j] += far * s);
        at -= far;
        if let Some(j) = left {
            w[j] = 0.0;
            active.retain(|i| *i != j);
        }
        out.alphas.push(at.max(0.0));
        out.coefs.push(w.clone());
    }
    out.active = active.into_iter().filter(|j| w[*j] != 0.0).collect();
    Ok(out)
}

/// The variance of column `j` that the active ones do not explain.
fn unexplained(q: &[f64], d: usize, active: &[usize], j: usize) -> f64 {
    let m = active.len();
    let mut square: Vec<f64> = (0..m * m).map(|k| q[active[k / m] * d + active[k % m]]).collect();
    let own: Vec<f64> = active.iter().map(|i| q[i * d + j]).collect();
    let mut by = own.clone();
    cholesky_solve(&mut square, &mut by);
    q[j * d + j] - dot(&own, &by)
}

fn fit(data: &TrainingSet, limits: &Limits, cx: &FitContext) -> Result<Box<dyn Model>> {
    let set = Centred::new(data, cx)?;
    let found = path(&set, limits, cx)?;
    let coef = found.coefs.last().cloned().unwrap_or_default();
    let mut model = set.model(coef);
    (model.iterations, model.converged) = (found.alphas.len() - 1, found.converged);
    let names = model.coefficient_names();
    let active: Vec<&String> = found.active.iter().filter_map(|j| names.get(*j)).collect();
    model.fitted.insert("active".into(), serde_json::json!(active));
    model.fitted.insert("alphas".into(), serde_json::json!(found.alphas));
    Ok(Box::new(model))
}

impl Lars {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self { n_nonzero_coefs: count(p, "n_nonzero_coefs") }
    }
}

impl LassoLars {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self { alpha: number(p, "alpha"), max_iter: count(p, "max_iter") }
    }
}

impl Estimator for Lars {
    fn params(&self) -> Params {
        params([("n_nonzero_coefs", Value::Int(self.n_nonzero_coefs as i64))])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if self.n_nonzero_coefs == 0 {
            return Err(Error::invalid("expected a whole number from 1").at_key("n_nonzero_coefs"));
        }
        let most = self.n_nonzero_coefs;
        fit(data, &Limits { lasso: false, alpha: 0.0, most, steps: usize::MAX }, cx)
    }
}

impl Estimator for LassoLars {
    fn params(&self) -> Params {
        params([("alpha", Value::Float(self.alpha)), ("max_iter", Value::Int(self.max_iter as i64))])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return Err(Error::invalid("expected a finite number from 0").at_key("alpha"));
        }
        fit(data, &Limits { lasso: true, alpha: self.alpha, most: usize::MAX, steps: self.max_iter }, cx)
    }
}

//! Regression that outliers pull at a bounded force: minimises over w, b and the scale σ together
//! Σ weight · (σ + σ H((y − xw − b) / σ)) + alpha ‖w‖² with H(z) = z² within ± epsilon, 2 epsilon |z| − epsilon² beyond
//! (Huber and Ronchetti, Robust Statistics, 2009; scikit-learn's `HuberRegressor`). The objective is convex; Newton's
//! method with a back-tracking line search ends at a gradient that is told.
#![allow(clippy::indexing_slicing, reason = "rows and coefficients stay below the lengths made here")]

use super::elastic_net::params;
use super::model::LinearModel;
use super::numerics::{dot, gram, transposed_times};
use super::solve::cholesky_solve;
use super::standard::Standard;
use crate::registry::{count, flag, number};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// Robust regression with a scale of its own. Where all rows but outliers lie on a plane the scale is 0, at which the
/// objective has an edge: the fit then ends near that plane, not converged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber {
    /// Scales beyond which a residual counts by its size and not by its square; from 1.
    pub epsilon: f64,
    /// Strength of the L2 penalty, from 0.
    pub alpha: f64,
    /// Newton steps at most.
    pub max_iter: usize,
    /// Stops when no entry of the gradient is above this times the weight of the rows, columns and target at standard
    /// deviation 1.
    pub tol: f64,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
}

impl Default for Huber {
    fn default() -> Self {
        Self { epsilon: 1.35, alpha: 1e-4, max_iter: 100, tol: 1e-10, fit_intercept: true }
    }
}

/// The least scale, in standard deviations of the target: rows that lie on a plane have none.
const LEAST: f64 = 1e-10;

impl Huber {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self {
            epsilon: number(p, "epsilon"),
            alpha: number(p, "alpha"),
            max_iter: count(p, "max_iter"),
            tol: number(p, "tol"),
            fit_intercept: flag(p, "fit_intercept"),
        }
    }

    fn check(&self) -> Result<()> {
        let fault = |key: &str, want: &str| Err(Error::invalid(format!("expected {want}")).at_key(key));
        if !(self.epsilon >= 1.0 && self.epsilon.is_finite()) {
            return fault("epsilon", "a finite number from 1");
        }
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return fault("alpha", "a finite number from 0");
        }
        if !(self.tol > 0.0 && self.tol.is_finite()) {
            return fault("tol", "a finite number above 0");
        }
        Ok(())
    }
}

struct Problem<'a> {
    set: &'a Standard,
    epsilon: f64,
    /// Strength of the penalty of each coefficient.
    penalty: Vec<f64>,
    threads: usize,
}

/// Coefficients, and the scale.
#[derive(Clone)]
struct Point {
    w: Vec<f64>,
    scale: f64,
    residuals: Vec<f64>,
    value: f64,
}

impl Problem<'_> {
    fn at(&self, w: Vec<f64>, scale: f64) -> Point {
        let residuals: Vec<f64> =
            (0..self.set.y.len()).map(|row| self.set.y[row] - dot(self.set.row(row), &w)).collect();
        let bound = self.epsilon * scale;
        let mut value = 0.0;
        for (r, weight) in residuals.iter().zip(&self.set.weight) {
            let own = if r.abs() <= bound {
                r * r / scale
            } else {
                2.0 * self.epsilon * r.abs() - self.epsilon * bound
            };
            value += weight * (scale + own);
        }
        value += w.iter().zip(&self.penalty).map(|(w, a)| a * w * w).sum::<f64>();
        Point { w, scale, residuals, value }
    }

    /// The gradient, the scale's last.
    fn gradient(&self, p: &Point) -> Vec<f64> {
        let (e, s) = (self.epsilon, p.scale);
        let pull = |row: usize| {
            let r = p.residuals[row];
            -2.0 * self.set.weight[row] * (r / s).clamp(-e, e)
        };
        let mut out = transposed_times(&self.set.x, self.set.width, &pull, self.threads);
        out.iter_mut().zip(p.w.iter().zip(&self.penalty)).for_each(|(g, (w, a))| *g += 2.0 * a * w);
        let of_scale = |(r, weight): (&f64, &f64)| weight * (1.0 - (r / s).powi(2).min(e * e));
        out.push(p.residuals.iter().zip(&self.set.weight).map(of_scale).sum());
        out
    }

    /// The second derivatives where no residual is at the bound, row-major.
    fn hessian(&self, p: &Point) -> Vec<f64> {
        let (m, s) = (self.set.width, p.scale);
        let inner = |row: usize| {
            let within = p.residuals[row].abs() <= self.epsilon * s;
            if within { 2.0 * self.set.weight[row] / s } else { 0.0 }
        };
        let square = gram(&self.set.x, m, Some(&inner), self.threads);
        let mixed = |row: usize| inner(row) * p.residuals[row] / s;
        let border = transposed_times(&self.set.x, m, &mixed, self.threads);
        let mut out = vec![0.0; (m + 1) * (m + 1)];
        for i in 0..m {
            out[i * (m + 1)..i * (m + 1) + m].copy_from_slice(&square[i * m..(i + 1) * m]);
            out[i * (m + 1) + i] += 2.0 * self.penalty[i];
            out[i * (m + 1) + m] = border[i];
            out[m * (m + 1) + i] = border[i];
        }
        let of_scale = |row: usize| inner(row) * (p.residuals[row] / s).powi(2);
        out[(m + 1) * (m + 1) - 1] = (0..p.residuals.len()).map(of_scale).sum();
        out
    }

    /// The point reached, the greatest entry of its gradient, the steps taken.
    fn solve(&self, how: &Huber, cx: &FitContext) -> Result<(Point, f64, usize)> {
        let m = self.set.width;
        let enough = how.tol * self.set.total;
        let mut at = self.at(vec![0.0; m], 1.0);
        let mut damping = 0.0;
        for step in 0.. {
            cx.cx.check()?;
            let gradient = self.gradient(&at);
            // At the least scale the scale only falls in thought.
            let bound = at.scale <= LEAST && gradient[m] > 0.0;
            let count = if bound { m } else { m + 1 };
            let violation = gradient.iter().take(count).fold(0.0, |v: f64, g| v.max(g.abs()));
            if violation <= enough || step == how.max_iter {
                return Ok((at, violation, step));
            }
            let hessian = self.hessian(&at);
            loop {
                let mut own = hessian.clone();
                (0..=m).for_each(|i| own[i * (m + 1) + i] += (damping + 1e-12) * self.set.total);
                let mut direction = gradient.clone();
                cholesky_solve(&mut own, &mut direction);
                if let Some(next) = self.along(&at, &gradient, &direction) {
                    damping = if damping > 1e-9 { damping * 0.1 } else { 0.0 };
                    at = next;
                    break;
                }
                damping = (damping * 10.0).max(1e-8);
                if damping > 1e8 {
                    return Ok((at, violation, step));
                }
            }
        }
        Err(Error::internal("a descent ended without an answer"))
    }

    /// The first point of a halving line that is low enough.
    fn along(&self, at: &Point, gradient: &[f64], direction: &[f64]) -> Option<Point> {
        let m = self.set.width;
        let fall = dot(gradient, direction);
        let mut length = 1.0;
        while length > 1e-6 {
            let w = at.w.iter().zip(direction).map(|(w, d)| w - length * d).collect();
            let scale = (at.scale - length * direction[m]).max(0.1 * at.scale).max(LEAST);
            let next = self.at(w, scale);
            // Near the end the fall drowns in the rounding of the value.
            if next.value <= at.value - 1e-4 * length * fall + 1e-14 * at.value.abs() {
                return Some(next);
            }
            length *= 0.5;
        }
        None
    }
}

impl Estimator for Huber {
    fn params(&self) -> Params {
        params([
            ("epsilon", Value::Float(self.epsilon)),
            ("alpha", Value::Float(self.alpha)),
            ("max_iter", Value::Int(self.max_iter as i64)),
            ("tol", Value::Float(self.tol)),
            ("fit_intercept", Value::Bool(self.fit_intercept)),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        self.check()?;
        cx.cx.check()?;
        let set = Standard::new(data, self.fit_intercept)?;
        let penalty = set.scale.iter().map(|s| self.alpha * set.y_scale / (s * s));
        let mut penalty: Vec<f64> = penalty.collect();
        if self.fit_intercept {
            penalty.push(0.0);
        }
        let problem = Problem { set: &set, epsilon: self.epsilon, penalty, threads: cx.threads };
        let (end, violation, steps) = problem.solve(self, cx)?;
        let beyond = |r: &&f64| r.abs() > self.epsilon * end.scale;
        let outliers = end.residuals.iter().filter(beyond).count();
        let mut model: LinearModel = set.model(&end.w);
        (model.iterations, model.converged) = (steps, violation <= self.tol * set.total);
        model.fitted.insert("scale".into(), (end.scale * set.y_scale).into());
        model.fitted.insert("objective".into(), (end.value * set.y_scale).into());
        // In units of `tol`.
        model.fitted.insert("violation".into(), (violation / set.total).into());
        model.fitted.insert("outliers".into(), outliers.into());
        Ok(Box::new(model))
    }
}

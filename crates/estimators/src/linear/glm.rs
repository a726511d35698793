//! Poisson, gamma and Tweedie regression: the mean is exp(Xw + b), its variance its `power`th power. On scikit-learn's
//! scale: minimises Σ weight · ½ deviance / Σ weight + ½ alpha ‖w‖², by Newton's method with a back-tracking line search.
//!
//! Formulas: unit deviances of the Tweedie family (Jørgensen, The Theory of Dispersion Models, 1997); power 1 is Poisson,
//! 2 is gamma, between them compound Poisson sums of gammas.
#![allow(clippy::indexing_slicing, reason = "rows and coefficients stay below the lengths made here")]

use super::centred::{target, weights};
use super::design::Design;
use super::elastic_net::params;
use super::model::{LinearModel, Link};
use super::numerics::{dot, each, gram, lanes, transposed_times};
use super::solve::cholesky_solve;
use crate::Features;
use crate::registry::{count, number};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// A generalised linear model with a logarithmic link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glm {
    /// Power of the mean that the variance follows, 1 to 2.
    pub power: f64,
    /// Strength of the L2 penalty, from 0.
    pub alpha: f64,
    /// Newton steps at most.
    pub max_iter: usize,
    /// Stops when no entry of the gradient is above this times the greatest mean size of a column, times the mean target
    /// to the power 2 - `power`.
    pub tol: f64,
    /// Whether `power` is a parameter of its own (tweedie) or the name says it.
    free: bool,
}

impl Glm {
    /// Counts, or rates with exposures as weights; targets from 0.
    pub fn poisson(alpha: f64) -> Self {
        Self { power: 1.0, alpha, max_iter: 100, tol: 1e-9, free: false }
    }

    /// Sizes with a constant relative error; targets above 0.
    pub fn gamma(alpha: f64) -> Self {
        Self { power: 2.0, ..Self::poisson(alpha) }
    }

    /// Sums of a random number of sizes, many of them 0.
    pub fn tweedie(power: f64, alpha: f64) -> Self {
        Self { power, free: true, ..Self::poisson(alpha) }
    }

    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(self, p: &Params) -> Self {
        let power = if self.free { number(p, "power") } else { self.power };
        Self {
            power,
            alpha: number(p, "alpha"),
            max_iter: count(p, "max_iter"),
            tol: number(p, "tol"),
            ..self
        }
    }

    fn check(&self) -> Result<()> {
        let fault = |key: &str, want: &str| Err(Error::invalid(format!("expected {want}")).at_key(key));
        if !(1.0..=2.0).contains(&self.power) {
            return fault("power", "a number from 1 to 2");
        }
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return fault("alpha", "a finite number from 0");
        }
        if !(self.tol > 0.0 && self.tol.is_finite()) {
            return fault("tol", "a finite number above 0");
        }
        Ok(())
    }

    /// A row's loss at η = ln(mean), up to a constant, with its first and second derivative.
    fn loss(&self, y: f64, eta: f64) -> [f64; 3] {
        let p = self.power;
        if p == 1.0 {
            let mean = eta.exp();
            return [mean - y * eta, mean - y, mean];
        }
        if p == 2.0 {
            let ratio = y * (-eta).exp();
            return [ratio + eta, 1.0 - ratio, ratio];
        }
        let (up, down) = (((2.0 - p) * eta).exp(), y * ((1.0 - p) * eta).exp());
        [up / (2.0 - p) - down / (1.0 - p), up - down, (2.0 - p) * up - (1.0 - p) * down]
    }

    /// The loss of a row whose mean is its target.
    fn least(&self, y: f64) -> f64 {
        if y > 0.0 { self.loss(y, y.ln())[0] } else { 0.0 }
    }
}

struct Problem<'a> {
    how: &'a Glm,
    /// Row-major `[rows, width]`, the last column 1.
    x: Vec<f64>,
    width: usize,
    y: &'a [f64],
    /// Shares of the rows, which sum to 1.
    weight: Vec<f64>,
    threads: usize,
}

impl Problem<'_> {
    /// The objective, and each row's derivatives.
    fn evaluate(&self, w: &[f64]) -> (f64, Vec<[f64; 2]>) {
        let lanes = lanes(self.y.len(), self.width);
        let part = |lane: usize| {
            let mut sum = 0.0;
            let one = |row: usize| {
                let eta = dot(w, &self.x[row * self.width..(row + 1) * self.width]);
                let [loss, first, second] = self.how.loss(self.y[row], eta);
                let share = self.weight[row];
                sum += if share > 0.0 { share * (loss - self.how.least(self.y[row])) } else { 0.0 };
                [share * first, share * second]
            };
            let all: Vec<[f64; 2]> = lanes[lane].clone().map(one).collect();
            (sum, all)
        };
        let (mut value, mut all) = (0.0, Vec::with_capacity(self.y.len()));
        for (sum, part) in each(self.threads, lanes.len(), part) {
            value += sum;
            all.extend(part);
        }
        let slopes = &w[..self.width - 1];
        (value + 0.5 * self.how.alpha * dot(slopes, slopes), all)
    }

    /// Coefficients with the intercept last, the objective, the greatest entry of the gradient, the steps taken, and
    /// whether that was enough.
    fn solve(&self, start: f64, enough: f64, cx: &FitContext) -> Result<(Vec<f64>, f64, f64, usize, bool)> {
        let (d, alpha) = (self.width - 1, self.how.alpha);
        let mut w = vec![0.0; self.width];
        w[d] = start;
        let (mut value, mut rows) = self.evaluate(&w);
        for step in 0.. {
            cx.cx.check()?;
            let mut gradient = transposed_times(&self.x, self.width, &|row| rows[row][0], self.threads);
            gradient.iter_mut().zip(&w).take(d).for_each(|(g, w)| *g += alpha * w);
            let violation = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            if violation <= enough || step == self.how.max_iter {
                return Ok((w, value, violation, step, violation <= enough));
            }
            let bend = |row: usize| rows[row][1];
            let mut hessian = gram(&self.x, self.width, Some(&bend), self.threads);
            (0..d).for_each(|i| hessian[i * self.width + i] += alpha);
            let mut direction = gradient.clone();
            cholesky_solve(&mut hessian, &mut direction);
            let fall = dot(&gradient, &direction);
            let mut length = 1.0;
            loop {
                let trial: Vec<f64> = w.iter().zip(&direction).map(|(w, d)| w - length * d).collect();
                let (new, new_rows) = self.evaluate(&trial);
                // Near the end the fall drowns in the rounding of the value.
                if new <= value - 1e-4 * length * fall + 1e-14 * value.abs() {
                    (w, value, rows) = (trial, new, new_rows);
                    break;
                }
                length *= 0.5;
                if length < 1e-10 {
                    return Ok((w, value, violation, step, false));
                }
            }
        }
        Err(Error::internal("a descent ended without an answer"))
    }
}

impl Estimator for Glm {
    fn params(&self) -> Params {
        let mut all = params([
            ("alpha", Value::Float(self.alpha)),
            ("max_iter", Value::Int(self.max_iter as i64)),
            ("tol", Value::Float(self.tol)),
        ]);
        if self.free {
            all.insert("power".into(), Value::Float(self.power));
        }
        all
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        self.check()?;
        cx.cx.check()?;
        let y = target(data)?;
        let (least, want) =
            if self.power < 2.0 { (0.0, "0 or more") } else { (f64::MIN_POSITIVE, "above 0") };
        if let Some(row) = y.iter().position(|y| *y < least) {
            let message = format!("the target of row {} is {}, expected {want}", row + 1, y[row]);
            return Err(Error::invalid(message));
        }
        let mut weight = weights(data)?.unwrap_or_else(|| vec![1.0; y.len()]);
        let total: f64 = weight.iter().sum();
        weight.iter_mut().for_each(|w| *w /= total);
        let mean = dot(&weight, y);
        if mean == 0.0 {
            return Err(Error::invalid("all targets are 0, so there is nothing to learn"));
        }
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let width = design.width + 1;
        let mut x = Vec::with_capacity(y.len() * width);
        for row in 0..y.len() {
            x.extend_from_slice(design.row(row));
            x.push(1.0);
        }
        let mut sizes = vec![0.0; width];
        for (x, share) in x.chunks_exact(width).zip(&weight) {
            sizes.iter_mut().zip(x).for_each(|(s, x)| *s += share * x.abs());
        }
        let size = sizes.iter().fold(0.0, |m: f64, s| m.max(*s)) * mean.powf(2.0 - self.power);
        let problem = Problem { how: self, x, width, y, weight, threads: cx.threads };
        let (w, objective, violation, steps, converged) = problem.solve(mean.ln(), self.tol * size, cx)?;
        let deviance =
            |w: &[f64]| problem.evaluate(w).0 - 0.5 * self.alpha * dot(&w[..width - 1], &w[..width - 1]);
        let mut constant = vec![0.0; width];
        constant[width - 1] = mean.ln();
        let (own, null) = (deviance(&w), deviance(&constant));
        let mut model = LinearModel::new(Link::Log, &features, w[..width - 1].to_vec(), vec![w[width - 1]]);
        (model.iterations, model.converged) = (steps, converged);
        model.fitted.insert("objective".into(), objective.into());
        model.fitted.insert("violation".into(), violation.into());
        model.fitted.insert("deviance".into(), (2.0 * own).into());
        // The share of the deviance that the features explain; 0 where there is none.
        let explained = if null > 0.0 { 1.0 - own / null } else { 0.0 };
        model.fitted.insert("d2".into(), explained.into());
        Ok(Box::new(model))
    }
}

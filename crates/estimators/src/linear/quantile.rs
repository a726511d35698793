//! Quantile regression: minimises Σ weight · pinball(y − xw − b) / Σ weight + alpha ‖w‖₁, where the pinball loss is
//! quantile · r above and (quantile − 1) · r below (Koenker and Bassett, Regression Quantiles, 1978; scikit-learn's
//! `QuantileRegressor`). A linear program, solved to its vertex; the duality gap certifies it.
#![allow(clippy::indexing_slicing, reason = "rows and coefficients stay below the lengths made here")]

use super::elastic_net::params;
use super::pinball::Pinball;
use super::standard::Standard;
use crate::registry::{flag, number};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// A model of a quantile of the target. Where several planes are as good, it is one of them; its intercept is then the
/// middle of those that are as good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// Which quantile, above 0 and below 1.
    pub quantile: f64,
    /// Strength of the L1 penalty, from 0.
    pub alpha: f64,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
}

impl Default for Quantile {
    fn default() -> Self {
        Self { quantile: 0.5, alpha: 1.0, fit_intercept: true }
    }
}

/// The gap that ends the search, as a share of the loss.
const GAP: f64 = 1e-10;

/// The gap up to which a solution counts as one.
const ENOUGH: f64 = 1e-8;

impl Quantile {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self {
            quantile: number(p, "quantile"),
            alpha: number(p, "alpha"),
            fit_intercept: flag(p, "fit_intercept"),
        }
    }

    fn check(&self) -> Result<()> {
        if !(self.quantile > 0.0 && self.quantile < 1.0) {
            return Err(Error::invalid("expected a number above 0 and below 1").at_key("quantile"));
        }
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return Err(Error::invalid("expected a finite number from 0").at_key("alpha"));
        }
        Ok(())
    }
}

impl Estimator for Quantile {
    fn params(&self) -> Params {
        params([
            ("quantile", Value::Float(self.quantile)),
            ("alpha", Value::Float(self.alpha)),
            ("fit_intercept", Value::Bool(self.fit_intercept)),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        self.check()?;
        cx.cx.check()?;
        let set = Standard::new(data, self.fit_intercept)?;
        let n = set.y.len();
        // A penalty is one more row: |w| is the pinball loss of 0 − w with both sides alike.
        let mut x = set.x.clone();
        let mut y = set.y.clone();
        let mut above: Vec<f64> = set.weight.iter().map(|w| self.quantile * w / set.total).collect();
        let mut below: Vec<f64> = set.weight.iter().map(|w| (1.0 - self.quantile) * w / set.total).collect();
        if self.alpha > 0.0 {
            for (j, scale) in set.scale.iter().enumerate() {
                x.extend((0..set.width).map(|i| f64::from(u8::from(i == j))));
                y.push(0.0);
                above.push(self.alpha / scale);
                below.push(self.alpha / scale);
            }
        }
        let problem = Pinball { x: &x, width: set.width, y: &y, above: &above, below: &below };
        let solved = problem.solve(GAP, cx)?;
        let mut w = solved.w;
        if self.fit_intercept {
            let last = set.width - 1;
            let rest = |row: usize| {
                let own = set.row(row);
                set.y[row] - own[..last].iter().zip(&w).map(|(x, w)| x * w).sum::<f64>()
            };
            let rows: Vec<(f64, f64)> = (0..n).map(|row| (rest(row), set.weight[row])).collect();
            let middle = middle(rows, self.quantile * set.total);
            let mut other = w.clone();
            other[last] = middle;
            if problem.value(&other) <= problem.value(&w) * (1.0 + 1e-14) {
                w = other;
            }
        }
        let value = problem.value(&w);
        let gap = (value - solved.bound).max(0.0);
        // Where all residuals are 0 the loss is rounding; it is held to the target's own spread.
        let share = gap / value.max(1e-6);
        let mut model = set.model(&w);
        (model.iterations, model.converged) = (solved.steps, share <= ENOUGH);
        model.fitted.insert("objective".into(), (value * set.y_scale).into());
        model.fitted.insert("dual_gap".into(), (gap * set.y_scale).into());
        model.fitted.insert("relative_gap".into(), share.into());
        Ok(Box::new(model))
    }
}

/// The middle of the numbers that have at most `share` of the weight below and at most the rest above.
fn middle(mut rows: Vec<(f64, f64)>, share: f64) -> f64 {
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = rows.iter().map(|r| r.1).sum();
    let slack = 1e-12 * total;
    let mut below = 0.0;
    let mut low = None;
    for (value, weight) in &rows {
        below += weight;
        match low {
            None if below > share + slack => return *value,
            None if below >= share - slack => low = Some(*value),
            None => {}
            Some(low) => return 0.5 * (low + value),
        }
    }
    low.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_median() {
        let of = |v: &[f64]| middle(v.iter().map(|v| (*v, 1.0)).collect(), 0.5 * v.len() as f64);
        assert_eq!(of(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(middle(vec![(1.0, 2.0), (5.0, 1.0)], 1.5), 1.0);
    }
}

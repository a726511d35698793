//! Least squares and ridge regression in closed form, by normal equations of centred columns with one step of
//! iterative refinement. Ridge minimises ‖y - Xw - b‖² + alpha·‖w‖² (scikit-learn's scale).
#![allow(clippy::indexing_slicing, reason = "indices stay below the matrix's shape")]

use super::centred::Centred;
use super::model::LinearModel;
use super::numerics::dot;
use super::solve::cholesky_solve;
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// Ordinary least squares. A column that the ones before it explain gets coefficient 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeastSquares;

/// Least squares with an L2 penalty.
#[derive(Debug, Clone, Copy)]
pub struct Ridge {
    /// Strength of the penalty, from 0.
    pub alpha: f64,
}

impl Default for Ridge {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Estimator for LeastSquares {
    fn params(&self) -> Params {
        Params::new()
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        Ok(Box::new(fit(data, 0.0, cx)?))
    }
}

impl Estimator for Ridge {
    fn params(&self) -> Params {
        [("alpha".into(), Value::Float(self.alpha))].into_iter().collect()
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return Err(Error::invalid("expected a finite number from 0").at_key("alpha"));
        }
        Ok(Box::new(fit(data, self.alpha, cx)?))
    }
}

fn fit(data: &TrainingSet, alpha: f64, cx: &FitContext) -> Result<LinearModel> {
    let set = Centred::new(data, cx)?;
    let coef = solve(&set, alpha);
    cx.cx.check()?;
    Ok(set.model(coef))
}

/// The coefficients of centred rows.
pub(super) fn solve(set: &Centred, alpha: f64) -> Vec<f64> {
    let d = set.width;
    let mut gram = set.gram();
    (0..d).for_each(|i| gram[i * d + i] += alpha);
    let mut coef = vec![0.0; d];
    for _ in 0..2 {
        let error: Vec<f64> = (0..set.rows()).map(|row| set.y[row] - dot(set.row(row), &coef)).collect();
        let mut rest = set.project(&error);
        rest.iter_mut().zip(&coef).for_each(|(r, w)| *r -= alpha * w);
        cholesky_solve(&mut gram.clone(), &mut rest);
        coef.iter_mut().zip(&rest).for_each(|(w, step)| *w += step);
    }
    coef
}

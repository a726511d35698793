//! Least squares and ridge regression in closed form, by normal equations of centred columns with one step of
//! iterative refinement. Ridge minimises ‖y - Xw - b‖² + alpha·‖w‖² (scikit-learn's scale).
#![allow(clippy::indexing_slicing, reason = "indices stay below the matrix's shape")]

use super::design::Design;
use super::model::{LinearModel, Link};
use super::solve::{add_outer, cholesky_solve};
use crate::Features;
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Target, TrainingSet, Value};

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
    cx.cx.check()?;
    let Target::Regression(y) = &data.y else {
        return Err(Error::invalid("least squares wants a target of numbers").hint("use logistic regression"));
    };
    if y.is_empty() || data.x.rows() != y.len() {
        return Err(Error::invalid("there are no rows to learn from, or features and target differ in rows"));
    }
    if let Some(row) = y.iter().position(|y| !y.is_finite()) {
        return Err(Error::invalid(format!("the target of row {} is not finite", row + 1)));
    }
    let features = Features::of(&data.x)?;
    let mut design = Design::new(&features, &data.x)?;
    let weight = |row: usize| data.weight.as_ref().and_then(|w| w.get(row)).copied().unwrap_or(1.0);
    let total: f64 = (0..y.len()).map(weight).sum();
    let y_mean = y.iter().enumerate().map(|(i, y)| weight(i) * y).sum::<f64>() / total;
    let d = design.width;
    let mut mean = vec![0.0; d];
    for row in 0..y.len() {
        let w = weight(row) / total;
        mean.iter_mut().zip(design.row(row)).for_each(|(m, x)| *m += w * x);
    }
    design.x.chunks_exact_mut(d.max(1)).for_each(|r| r.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m));

    let mut gram = vec![0.0; d * d];
    for row in 0..y.len() {
        add_outer(&mut gram, d, design.row(row), weight(row));
        if row % 4096 == 0 {
            cx.cx.check()?;
        }
    }
    (0..d).for_each(|i| gram[i * d + i] += alpha);
    let mut coef = vec![0.0; d];
    for _ in 0..2 {
        let mut rest: Vec<f64> = coef.iter().map(|w| -alpha * w).collect();
        for (row, y) in y.iter().enumerate() {
            let x = design.row(row);
            let error = y - y_mean - x.iter().zip(&coef).map(|(x, w)| x * w).sum::<f64>();
            rest.iter_mut().zip(x).for_each(|(r, x)| *r += weight(row) * error * x);
        }
        cholesky_solve(&mut gram.clone(), &mut rest);
        coef.iter_mut().zip(&rest).for_each(|(w, step)| *w += step);
    }
    let intercept = y_mean - coef.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>();
    Ok(LinearModel::new(Link::Identity, &features, coef, vec![intercept]))
}

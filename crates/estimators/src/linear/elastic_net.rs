//! Lasso and elastic net: 1/(2n)·‖y − Xw − b‖² + alpha·l1_ratio·‖w‖₁ + ½·alpha·(1 − l1_ratio)·‖w‖² (scikit-learn's
//! scale; with weights n is their sum). Each solution comes with its duality gap.

use super::centred::Centred;
use super::path::Penalised;
use crate::registry::{count, flag, number};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// Least squares with L1 and L2 penalties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ElasticNet {
    /// Strength of the penalty, from 0.
    pub alpha: f64,
    /// Share of the L1 penalty, 0 to 1.
    pub l1_ratio: f64,
    /// Keeps coefficients at or above 0.
    pub positive: bool,
    /// Passes over the coordinates at most.
    pub max_iter: usize,
}

impl Default for ElasticNet {
    fn default() -> Self {
        Self { alpha: 1.0, l1_ratio: 0.5, positive: false, max_iter: 10_000 }
    }
}

/// Least squares with an L1 penalty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lasso {
    /// Strength of the penalty, from 0.
    pub alpha: f64,
    /// Keeps coefficients at or above 0.
    pub positive: bool,
    /// Passes over the coordinates at most.
    pub max_iter: usize,
}

impl Default for Lasso {
    fn default() -> Self {
        Self { alpha: 1.0, positive: false, max_iter: 10_000 }
    }
}

impl ElasticNet {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        let (alpha, l1_ratio) = (number(p, "alpha"), number(p, "l1_ratio"));
        Self { alpha, l1_ratio, positive: flag(p, "positive"), max_iter: count(p, "max_iter") }
    }
}

impl Lasso {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self { alpha: number(p, "alpha"), positive: flag(p, "positive"), max_iter: count(p, "max_iter") }
    }
}

/// Parameters from names and values.
pub(crate) fn params<const N: usize>(of: [(&str, Value); N]) -> Params {
    of.into_iter().map(|(k, v)| (k.into(), v)).collect()
}

impl Estimator for ElasticNet {
    fn params(&self) -> Params {
        params([
            ("alpha", Value::Float(self.alpha)),
            ("l1_ratio", Value::Float(self.l1_ratio)),
            ("positive", Value::Bool(self.positive)),
            ("max_iter", Value::Int(self.max_iter as i64)),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return Err(Error::invalid("expected a finite number from 0").at_key("alpha"));
        }
        if !(0.0..=1.0).contains(&self.l1_ratio) {
            return Err(Error::invalid("expected a number from 0 to 1").at_key("l1_ratio"));
        }
        let set = Centred::new(data, cx)?;
        let problem = Penalised::new(&set, self.positive);
        cx.cx.check()?;
        let mut coef = vec![0.0; set.width];
        let solved = problem.solve(self.alpha, self.l1_ratio, &mut coef, self.max_iter);
        cx.cx.check()?;
        let mut model = set.model(coef);
        (model.iterations, model.converged) = (solved.passes, solved.converged);
        model.fitted.insert("dual_gap".into(), solved.gap.into());
        Ok(Box::new(model))
    }
}

impl Estimator for Lasso {
    fn params(&self) -> Params {
        params([
            ("alpha", Value::Float(self.alpha)),
            ("positive", Value::Bool(self.positive)),
            ("max_iter", Value::Int(self.max_iter as i64)),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        let Self { alpha, positive, max_iter } = *self;
        ElasticNet { alpha, l1_ratio: 1.0, positive, max_iter }.fit(data, cx)
    }
}

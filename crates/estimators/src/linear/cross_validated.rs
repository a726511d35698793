//! Lasso and elastic net with the penalty chosen by cross-validation over contiguous folds of rows (scikit-learn's
//! `KFold`), all folds on one grid of penalties. Folds count rows, whatever their weights.
#![allow(clippy::indexing_slicing, reason = "folds stay within the rows")]

use super::centred::Centred;
use super::choice::Rule;
use super::elastic_net::params;
use super::numerics::each;
use super::path::Penalised;
use crate::registry::{count, flag, number};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};
use std::ops::Range;

/// Passes over the coordinates at most, for each penalty.
const PASSES: usize = 10_000;

/// Elastic net that chooses its penalty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ElasticNetCv {
    /// Share of the L1 penalty, above 0 to 1.
    pub l1_ratio: f64,
    /// Smallest penalty of the path as a share of the largest, above 0 to 1.
    pub eps: f64,
    /// Penalties of the path, from 1.
    pub n_alphas: usize,
    /// Folds, from 2.
    pub cv: usize,
    /// Keeps coefficients at or above 0.
    pub positive: bool,
    /// Which penalty is taken.
    pub rule: Rule,
}

impl Default for ElasticNetCv {
    fn default() -> Self {
        Self { l1_ratio: 0.5, eps: 1e-3, n_alphas: 100, cv: 5, positive: false, rule: Rule::Min }
    }
}

/// Lasso that chooses its penalty: an elastic net whose `l1_ratio` is taken as 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LassoCv(pub ElasticNetCv);

impl ElasticNetCv {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params, l1_ratio: f64) -> Self {
        Self {
            l1_ratio,
            eps: number(p, "eps"),
            n_alphas: count(p, "n_alphas"),
            cv: count(p, "cv"),
            positive: flag(p, "positive"),
            rule: Rule::of(p),
        }
    }

    fn check(&self, rows: usize) -> Result<()> {
        let part = |name: &str, v: f64| match v > 0.0 && v <= 1.0 {
            true => Ok(()),
            false => Err(Error::invalid("expected a number above 0, at most 1").at_key(name)),
        };
        part("l1_ratio", self.l1_ratio)?;
        part("eps", self.eps)?;
        if self.n_alphas == 0 {
            return Err(Error::invalid("expected a whole number from 1").at_key("n_alphas"));
        }
        if self.cv < 2 || self.cv > rows {
            let message = format!("expected a number of folds from 2 to the {rows} rows, got {}", self.cv);
            return Err(Error::invalid(message).at_key("cv"));
        }
        Ok(())
    }
}

/// Folds as scikit-learn's `KFold` without shuffling: the first ones get the rows left over.
fn folds(rows: usize, n: usize) -> Vec<Range<usize>> {
    let (size, over) = (rows / n, rows % n);
    let start = |i: usize| i * size + i.min(over);
    (0..n).map(|i| start(i)..start(i + 1)).collect()
}

/// Mean squared error on the held rows, at each penalty.
fn errors(
    set: &Centred,
    held: Range<usize>,
    net: &ElasticNetCv,
    alphas: &[f64],
    cx: &FitContext,
) -> Result<Vec<f64>> {
    let train = set.without(held.clone());
    if train.total <= 0.0 {
        return Err(Error::invalid("all rows outside of one fold have weight 0").at_key("cv"));
    }
    let problem = Penalised::new(&train, net.positive);
    let mut coef = vec![0.0; set.width];
    let total: f64 = held.clone().map(|row| set.weight_of(row)).sum();
    let one = |alpha: &f64| {
        cx.cx.check()?;
        problem.solve(*alpha, net.l1_ratio, &mut coef, PASSES);
        let (b, used): (f64, Vec<usize>) =
            (train.intercept(&coef), (0..coef.len()).filter(|j| coef[*j] != 0.0).collect());
        let error = |row: usize| {
            let x = set.row(row);
            let e = set.y[row] - b - used.iter().map(|j| coef[*j] * x[*j]).sum::<f64>();
            set.weight_of(row) * e * e
        };
        Ok(held.clone().map(error).sum::<f64>() / total.max(f64::MIN_POSITIVE))
    };
    alphas.iter().map(one).collect()
}

impl Estimator for ElasticNetCv {
    fn params(&self) -> Params {
        let mut out = LassoCv(*self).params();
        out.insert("l1_ratio".into(), Value::Float(self.l1_ratio));
        out
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        let set = Centred::new(data, cx)?;
        self.check(set.rows())?;
        let problem = Penalised::new(&set, self.positive);
        let alphas = problem.grid(self.l1_ratio, self.eps, self.n_alphas);
        let folds = folds(set.rows(), self.cv);
        let by_fold = each(cx.threads, folds.len(), |i| errors(&set, folds[i].clone(), self, &alphas, cx));
        let by_fold = by_fold.into_iter().collect::<Result<Vec<_>>>()?;
        let k = by_fold.len() as f64;
        let mean: Vec<f64> =
            (0..alphas.len()).map(|a| by_fold.iter().map(|f| f[a]).sum::<f64>() / k).collect();
        let spread = |a: usize| {
            let squares: f64 = by_fold.iter().map(|f| (f[a] - mean[a]).powi(2)).sum();
            (squares / (k - 1.0) / k).sqrt()
        };
        let spread: Vec<f64> = (0..alphas.len()).map(spread).collect();
        let chosen = self.rule.choose(&alphas, &mean, &spread);
        let mut coef = vec![0.0; set.width];
        let solved = problem.solve(alphas[chosen], self.l1_ratio, &mut coef, PASSES);
        cx.cx.check()?;
        let mut model = set.model(coef);
        (model.iterations, model.converged) = (solved.passes, solved.converged);
        model.fitted.insert("alpha".into(), alphas[chosen].into());
        model.fitted.insert("dual_gap".into(), solved.gap.into());
        model.fitted.insert("alphas".into(), alphas.into());
        model.fitted.insert("mse_path_mean".into(), mean.into());
        model.fitted.insert("mse_path_standard_error".into(), spread.into());
        Ok(Box::new(model))
    }
}

impl Estimator for LassoCv {
    fn params(&self) -> Params {
        params([
            ("eps", Value::Float(self.0.eps)),
            ("n_alphas", Value::Int(self.0.n_alphas as i64)),
            ("cv", Value::Int(self.0.cv as i64)),
            ("positive", Value::Bool(self.0.positive)),
            ("rule", self.0.rule.value()),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        ElasticNetCv { l1_ratio: 1.0, ..self.0 }.fit(data, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folds_get_the_rows_left_over() {
        assert_eq!(folds(11, 3), [0..4, 4..8, 8..11]);
    }
}

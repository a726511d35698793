//! Ridge with its penalty chosen by the leave-one-out error, exact and in closed form for every penalty from one
//! eigendecomposition: the error of row i without it is eᵢ / (1 − hᵢ), the intercept refitted.
#![allow(clippy::indexing_slicing, reason = "rows and penalties stay below their counts")]

use super::centred::Centred;
use super::choice::Rule;
use super::elastic_net::params;
use super::numerics::{each, eigen, lanes, total};
use crate::registry::numbers;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, TrainingSet, Value};

/// Ridge that chooses its penalty.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeCv {
    /// Penalties to choose among, each above 0.
    pub alphas: Vec<f64>,
    /// Which penalty is taken.
    pub rule: Rule,
}

impl Default for RidgeCv {
    fn default() -> Self {
        Self { alphas: vec![0.1, 1.0, 10.0], rule: Rule::Min }
    }
}

impl RidgeCv {
    /// From a full set of parameters, as the registry checked them.
    pub(crate) fn of(p: &Params) -> Self {
        Self { alphas: numbers(p, "alphas"), rule: Rule::of(p) }
    }
}

impl Estimator for RidgeCv {
    fn params(&self) -> Params {
        params([
            ("alphas", self.alphas.iter().map(|a| Value::Float(*a)).collect()),
            ("rule", self.rule.value()),
        ])
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if self.alphas.is_empty() || self.alphas.iter().any(|a| !(*a > 0.0 && a.is_finite())) {
            return Err(Error::invalid("expected finite numbers above 0, at least one").at_key("alphas"));
        }
        let set = Centred::new(data, cx)?;
        if set.rows() < 2 {
            return Err(Error::invalid("leaving one row out wants at least two rows"));
        }
        let rotated = Rotated::new(&set)?;
        cx.cx.check()?;
        let sums = rotated.errors(&set, &self.alphas);
        cx.cx.check()?;
        let n = set.total;
        let mean: Vec<f64> = sums.chunks_exact(2).map(|s| s[0] / n).collect();
        let spread = |(s, m): (&[f64], &f64)| ((s[1] / n - m * m).max(0.0) / n).sqrt();
        let spread: Vec<f64> = sums.chunks_exact(2).zip(&mean).map(spread).collect();
        let chosen = self.rule.choose(&self.alphas, &mean, &spread);
        let mut model = set.model(rotated.coef(self.alphas[chosen]));
        model.fitted.insert("alpha".into(), self.alphas[chosen].into());
        model.fitted.insert("alphas".into(), self.alphas.clone().into());
        model.fitted.insert("cv_mean".into(), mean.into());
        model.fitted.insert("cv_standard_error".into(), spread.into());
        Ok(Box::new(model))
    }
}

/// The problem along the eigenvectors of the features' products.
struct Rotated {
    /// Eigenvalues of `Xᵀ W X`.
    s: Vec<f64>,
    /// Eigenvectors, one a column.
    v: Vec<f64>,
    /// `Vᵀ Xᵀ W y`.
    b: Vec<f64>,
}

impl Rotated {
    fn new(set: &Centred) -> Result<Self> {
        let d = set.width;
        let (mut s, v) = eigen(&set.gram(), d)?;
        s.iter_mut().for_each(|s| *s = s.max(0.0));
        let xy = set.project(&set.y);
        let b = (0..d).map(|j| (0..d).map(|i| v[i * d + j] * xy[i]).sum()).collect();
        Ok(Self { s, v, b })
    }

    fn coef(&self, alpha: f64) -> Vec<f64> {
        let d = self.s.len();
        let along: Vec<f64> = self.b.iter().zip(&self.s).map(|(b, s)| b / (s + alpha)).collect();
        (0..d).map(|i| (0..d).map(|j| self.v[i * d + j] * along[j]).sum()).collect()
    }

    /// For each penalty the weighted sums of the squared leave-one-out errors and of their squares.
    fn errors(&self, set: &Centred, alphas: &[f64]) -> Vec<f64> {
        let (d, k) = (self.s.len(), alphas.len());
        // Of one row z = x V: the prediction is z · along, the leverage z² · inverse.
        let mut along = Vec::with_capacity(d * k);
        let mut inverse = Vec::with_capacity(d * k);
        for (b, s) in self.b.iter().zip(&self.s) {
            along.extend(alphas.iter().map(|a| b / (s + a)));
            inverse.extend(alphas.iter().map(|a| 1.0 / (s + a)));
        }
        let parts = lanes(set.rows(), d);
        let part = |lane: usize| {
            let mut out = vec![0.0; 2 * k];
            let mut at = parts[lane].start;
            while at < parts[lane].end {
                let to = (at + 1024).min(parts[lane].end);
                let mut z = product(&set.x[at * d..to * d], to - at, d, &self.v, d);
                let fitted = product(&z, to - at, d, &along, k);
                z.iter_mut().for_each(|z| *z *= *z);
                let leverage = product(&z, to - at, d, &inverse, k);
                for row in at..to {
                    let (w, y) = (set.weight_of(row), set.y[row]);
                    for a in 0..k {
                        let i = (row - at) * k + a;
                        let rest = 1.0 - w * (leverage[i] + 1.0 / set.total);
                        let error = ((y - fitted[i]) / rest).powi(2);
                        out[2 * a] += w * error;
                        out[2 * a + 1] += w * error * error;
                    }
                }
                at = to;
            }
            out
        };
        total(each(set.threads, parts.len(), part))
    }
}

fn product(a: &[f64], rows: usize, inner: usize, b: &[f64], cols: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows * cols];
    let to = MatMut::from_row_major_slice_mut(&mut out, rows, cols);
    let (a, b) = (MatRef::from_row_major_slice(a, rows, inner), MatRef::from_row_major_slice(b, inner, cols));
    matmul(to, Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

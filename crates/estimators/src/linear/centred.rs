//! What regressions learn from: checked rows, centred by their weighted means, so that the intercept drops out.
#![allow(clippy::indexing_slicing, reason = "rows stay below the matrix's shape")]

use super::design::Design;
use super::model::{LinearModel, Link};
use super::numerics::{gram, transposed_times};
use crate::Features;
use lyceum_core::{Error, FitContext, Result, Target, TrainingSet};
use std::ops::Range;

/// Centred features and target.
pub(super) struct Centred {
    pub(super) features: Features,
    /// Row-major `[rows, width]`.
    pub(super) x: Vec<f64>,
    pub(super) width: usize,
    pub(super) mean: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) y_mean: f64,
    pub(super) weight: Option<Vec<f64>>,
    /// Sum of the weights.
    pub(super) total: f64,
    pub(super) threads: usize,
}

/// The weights of a training set, where it has any.
///
/// # Errors
/// Another number than rows, one that is negative or not finite, or none above 0.
pub(crate) fn weights(data: &TrainingSet) -> Result<Option<Vec<f64>>> {
    let Some(weight) = &data.weight else { return Ok(None) };
    if weight.len() != data.x.rows() {
        let message = format!("there are {} weights for {} rows", weight.len(), data.x.rows());
        return Err(Error::invalid(message));
    }
    if let Some(row) = weight.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
        return Err(Error::invalid(format!("the weight of row {} is not a finite number from 0", row + 1)));
    }
    if weight.iter().all(|w| *w == 0.0) {
        return Err(Error::invalid("no row has a weight above 0"));
    }
    Ok(Some(weight.clone()))
}

/// The numbers to learn, where they fit the features.
///
/// # Errors
/// Classes instead of numbers, no rows, another number of rows than the features, a number that is not finite.
pub(super) fn target(data: &TrainingSet) -> Result<&[f64]> {
    let Target::Regression(y) = &data.y else {
        return Err(Error::invalid("this model wants a target of numbers").hint("use logistic regression"));
    };
    if y.is_empty() || data.x.rows() != y.len() {
        return Err(Error::invalid("there are no rows to learn from, or features and target differ in rows"));
    }
    if let Some(row) = y.iter().position(|y| !y.is_finite()) {
        return Err(Error::invalid(format!("the target of row {} is not finite", row + 1)));
    }
    Ok(y)
}

impl Centred {
    pub(super) fn new(data: &TrainingSet, cx: &FitContext) -> Result<Self> {
        cx.cx.check()?;
        let y = target(data)?.to_vec();
        let weight = weights(data)?;
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        cx.cx.check()?;
        let (x, width) = (design.x, design.width);
        Ok(Self::of(features, x, width, y, weight, cx.threads))
    }

    fn of(
        features: Features,
        mut x: Vec<f64>,
        width: usize,
        mut y: Vec<f64>,
        weight: Option<Vec<f64>>,
        threads: usize,
    ) -> Self {
        let of = |row: usize| weight.as_ref().map_or(1.0, |w| w[row]);
        let total: f64 = (0..y.len()).map(of).sum();
        let y_mean = y.iter().enumerate().map(|(i, y)| of(i) * y).sum::<f64>() / total;
        y.iter_mut().for_each(|y| *y -= y_mean);
        let mut mean = transposed_times(&x, width, &of, threads);
        mean.iter_mut().for_each(|m| *m /= total);
        x.chunks_exact_mut(width.max(1)).for_each(|r| r.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m));
        Self { features, x, width, mean, y, y_mean, weight, total, threads }
    }

    /// The same without some rows, centred anew.
    pub(super) fn without(&self, held: Range<usize>) -> Self {
        let rest = |v: &[f64], each: usize| [&v[..held.start * each], &v[held.end * each..]].concat();
        let weight = self.weight.as_ref().map(|w| rest(w, 1));
        let (x, y) = (rest(&self.x, self.width), rest(&self.y, 1));
        Self::of(self.features.clone(), x, self.width, y, weight, 1)
    }

    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.width..(row + 1) * self.width]
    }

    pub(super) fn weight_of(&self, row: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |w| w[row])
    }

    /// `Xᵀ W X`.
    pub(super) fn gram(&self) -> Vec<f64> {
        let of = |row: usize| self.weight_of(row);
        let weight: Option<&(dyn Fn(usize) -> f64 + Sync)> =
            if self.weight.is_some() { Some(&of) } else { None };
        gram(&self.x, self.width, weight, self.threads)
    }

    /// `Xᵀ W r`.
    pub(super) fn project(&self, r: &[f64]) -> Vec<f64> {
        transposed_times(&self.x, self.width, &|row| self.weight_of(row) * r[row], self.threads)
    }

    /// The intercept that goes with coefficients.
    pub(super) fn intercept(&self, coef: &[f64]) -> f64 {
        self.y_mean - coef.iter().zip(&self.mean).map(|(w, m)| w * m).sum::<f64>()
    }

    pub(super) fn model(&self, coef: Vec<f64>) -> LinearModel {
        let intercept = self.intercept(&coef);
        LinearModel::new(Link::Identity, &self.features, coef, vec![intercept])
    }
}

//! What robust regressions learn from: columns and target centred and at standard deviation 1, so that their equations
//! are well scaled whatever the units; coefficients are brought back to the units afterwards.
#![allow(clippy::indexing_slicing, reason = "rows and columns stay below the matrix's shape")]

use super::centred::{target, weights};
use super::design::Design;
use super::model::{LinearModel, Link};
use crate::Features;
use lyceum_core::{Result, TrainingSet};

/// Standardised rows of weight above 0.
pub(super) struct Standard {
    features: Features,
    /// Row-major `[rows, width]`; with an intercept the last column is 1.
    pub(super) x: Vec<f64>,
    pub(super) width: usize,
    /// Of each column, without the intercept's: a column that does not vary has 1.
    pub(super) scale: Vec<f64>,
    mean: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) y_scale: f64,
    y_mean: f64,
    pub(super) weight: Vec<f64>,
    /// Sum of the weights.
    pub(super) total: f64,
    intercept: bool,
}

impl Standard {
    /// # Errors
    /// A target that is not finite numbers, weights that are none, features that are not complete numbers.
    pub(super) fn new(data: &TrainingSet, intercept: bool) -> Result<Self> {
        let all = target(data)?;
        let weights = weights(data)?.unwrap_or_else(|| vec![1.0; all.len()]);
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let rows: Vec<usize> = (0..all.len()).filter(|row| weights[*row] > 0.0).collect();
        let weight: Vec<f64> = rows.iter().map(|row| weights[*row]).collect();
        let total: f64 = weight.iter().sum();
        let moments = |cell: &dyn Fn(usize) -> f64| {
            let of = |f: &dyn Fn(f64) -> f64| {
                rows.iter().zip(&weight).map(|(row, w)| w * f(cell(*row))).sum::<f64>() / total
            };
            let mean = of(&|x| x);
            let spread = of(&|x| (x - mean).powi(2)).sqrt();
            // Without an intercept nothing is centred. A spread within the rounding of the numbers is none.
            let varies = spread > 1e-10 * mean.abs();
            let scale = if intercept { spread } else { spread.hypot(mean) };
            let usable = if intercept { varies } else { scale > 0.0 };
            (if intercept { mean } else { 0.0 }, usable.then_some(scale))
        };
        let d = design.width;
        let columns: Vec<_> = (0..d).map(|j| moments(&|row| design.row(row)[j])).collect();
        let (y_mean, y_scale) = moments(&|row| all[row]);
        let y_scale = y_scale.unwrap_or(1.0);
        let width = d + usize::from(intercept);
        let mut x = Vec::with_capacity(rows.len() * width);
        for row in &rows {
            let cell =
                |(x, (mean, scale)): (&f64, &(f64, Option<f64>))| scale.map_or(0.0, |s| (x - mean) / s);
            x.extend(design.row(*row).iter().zip(&columns).map(cell));
            x.extend(intercept.then_some(1.0));
        }
        let y = rows.iter().map(|row| (all[*row] - y_mean) / y_scale).collect();
        let scale = columns.iter().map(|c| c.1.unwrap_or(1.0)).collect();
        let mean = columns.iter().map(|c| c.0).collect();
        Ok(Self { features, x, width, scale, mean, y, y_scale, y_mean, weight, total, intercept })
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.width..(row + 1) * self.width]
    }

    /// The model of standardised coefficients, in the data's units.
    pub(super) fn model(&self, w: &[f64]) -> LinearModel {
        let d = self.scale.len();
        let coef: Vec<f64> = w.iter().zip(&self.scale).map(|(w, s)| w * self.y_scale / s).collect();
        let own = if self.intercept { w[d] * self.y_scale + self.y_mean } else { 0.0 };
        let shift: f64 = coef.iter().zip(&self.mean).map(|(w, m)| w * m).sum();
        LinearModel::new(Link::Identity, &self.features, coef, vec![own - shift])
    }
}

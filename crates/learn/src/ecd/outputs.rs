//! What the network predicts: losses with their gradients, and raw outputs to predictions.
#![allow(clippy::indexing_slicing, reason = "rows and classes stay within the shapes given")]

use crate::config::NumberLoss;
use crate::scores::Scores;

/// Targets of all rows in the network's own scale.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Numbers less `center`, by `spread`.
    Number(Vec<f32>),
    /// 0 or 1.
    Binary(Vec<f32>),
    /// Codes.
    Category(Vec<u32>),
}

/// One output of the network.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Head {
    Number { loss: NumberLoss, center: f64, spread: f64 },
    Binary { positive_weight: f32 },
    Category { classes: usize },
}

impl Head {
    /// Raw outputs a row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Category { classes } => *classes,
            _ => 1,
        }
    }

    /// Mean loss of some rows; `raw` becomes the gradient of the mean loss times `weight`.
    pub(super) fn loss(&self, raw: &mut [f32], target: &Target, rows: &[usize], weight: f32) -> f64 {
        let scale = weight / rows.len() as f32;
        match (self, target) {
            (Self::Binary { positive_weight }, Target::Binary(y)) => {
                let mut sum = 0.0f64;
                for (z, row) in raw.iter_mut().zip(rows) {
                    let (y, x) = (y[*row], *z);
                    let w = 1.0 + y * (positive_weight - 1.0);
                    sum += f64::from(w * (x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()));
                    *z = w * scale * (1.0 / (1.0 + (-x).exp()) - y);
                }
                sum / rows.len() as f64
            }
            (Self::Category { classes }, Target::Category(y)) => {
                let mut sum = 0.0f64;
                for (z, row) in raw.chunks_exact_mut(*classes).zip(rows) {
                    let own = y[*row] as usize;
                    softmax(z);
                    sum -= f64::from(z[own].max(1e-30)).ln();
                    z[own] -= 1.0;
                    z.iter_mut().for_each(|z| *z *= scale);
                }
                sum / rows.len() as f64
            }
            (Self::Number { loss, .. }, Target::Number(y)) => number_loss(*loss, raw, y, rows, scale),
            _ => f64::NAN,
        }
    }

    /// Raw outputs to predictions.
    pub(super) fn scores(&self, mut raw: Vec<f32>) -> Scores {
        match self {
            Self::Number { center, spread, .. } => {
                Scores::Number(raw.iter().map(|z| f64::from(*z) * spread + center).collect())
            }
            Self::Binary { .. } => {
                Scores::Binary(raw.iter().map(|z| 1.0 / (1.0 + (-f64::from(*z)).exp())).collect())
            }
            Self::Category { classes } => {
                raw.chunks_exact_mut(*classes).for_each(softmax);
                Scores::Category { p: raw.iter().map(|p| f64::from(*p)).collect(), classes: *classes }
            }
        }
    }
}

fn number_loss(loss: NumberLoss, raw: &mut [f32], y: &[f32], rows: &[usize], scale: f32) -> f64 {
    let mut sum = 0.0f64;
    for (z, row) in raw.iter_mut().zip(rows) {
        let e = *z - y[*row];
        let (one, slope) = match loss {
            NumberLoss::Squared | NumberLoss::RootSquared => (e * e, 2.0 * e),
            NumberLoss::Absolute => (e.abs(), e.signum()),
            NumberLoss::Huber(delta) => {
                let d = delta as f32;
                if e.abs() <= d { (0.5 * e * e, e) } else { (d * (e.abs() - 0.5 * d), d * e.signum()) }
            }
        };
        sum += f64::from(one);
        *z = slope * scale;
    }
    let mean = sum / rows.len() as f64;
    if loss == NumberLoss::RootSquared {
        let root = mean.sqrt().max(1e-12);
        raw.iter_mut().for_each(|z| *z /= 2.0 * root as f32);
        return root;
    }
    mean
}

fn softmax(z: &mut [f32]) {
    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    z.iter_mut().for_each(|z| *z = (*z - max).exp());
    let sum: f32 = z.iter().sum();
    z.iter_mut().for_each(|z| *z /= sum);
}

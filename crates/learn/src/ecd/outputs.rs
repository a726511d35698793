//! What the network predicts: the loss of each output, and raw outputs to predictions.
#![allow(clippy::indexing_slicing, reason = "rows stay within the table")]

use crate::scores::Scores;
use lyceum_tensor::tape::{CrossEntropy, Loss};

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
    Number { loss: Loss, center: f64, spread: f64 },
    Binary(Loss),
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
        let of_rows = |y: &[f32]| rows.iter().map(|row| y[*row]).collect::<Vec<_>>();
        match (self, target) {
            (Self::Number { loss, .. }, Target::Number(y)) | (Self::Binary(loss), Target::Binary(y)) => {
                loss.mean(raw, &of_rows(y), weight)
            }
            (Self::Category { classes }, Target::Category(y)) => {
                let own: Vec<_> = rows.iter().map(|row| Some(y[*row])).collect();
                CrossEntropy::default().apply(raw, *classes, &own, weight)
            }
            _ => f64::NAN,
        }
    }

    /// Raw outputs to predictions.
    pub(super) fn scores(&self, mut raw: Vec<f32>) -> Scores {
        match self {
            Self::Number { center, spread, .. } => {
                Scores::Number(raw.iter().map(|z| f64::from(*z) * spread + center).collect())
            }
            Self::Binary(_) => {
                Scores::Binary(raw.iter().map(|z| 1.0 / (1.0 + (-f64::from(*z)).exp())).collect())
            }
            Self::Category { classes } => {
                raw.chunks_exact_mut(*classes).for_each(softmax);
                Scores::Category { p: raw.iter().map(|p| f64::from(*p)).collect(), classes: *classes }
            }
        }
    }
}

fn softmax(z: &mut [f32]) {
    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    z.iter_mut().for_each(|z| *z = (*z - max).exp());
    let sum: f32 = z.iter().sum();
    z.iter_mut().for_each(|z| *z /= sum);
}

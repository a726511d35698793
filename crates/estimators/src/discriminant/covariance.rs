//! The covariance within a class, drawn towards a multiple of the identity.
#![allow(clippy::indexing_slicing, reason = "columns stay below the matrix's order")]

use super::groups::Groups;
use crate::linear::gram;
use lyceum_core::Value;

/// How far a class's covariance is drawn to a multiple of the identity.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Shrinkage {
    /// Not at all.
    #[default]
    None,
    /// By what Ledoit and Wolf's formula says of the class's rows, each column at standard deviation 1.
    Auto,
    /// By this share, 0 to 1.
    Share(f64),
}

impl Shrinkage {
    /// From a parameter that was checked: a word or a number.
    pub(super) fn of(value: Option<&Value>) -> Self {
        match (value.and_then(Value::as_f64), value.and_then(Value::as_str)) {
            (Some(share), _) => Self::Share(share),
            (_, Some("auto")) => Self::Auto,
            _ => Self::None,
        }
    }

    /// As a parameter.
    pub(super) fn value(self) -> Value {
        match self {
            Self::None => Value::from("none"),
            Self::Auto => Value::from("auto"),
            Self::Share(share) => Value::Float(share),
        }
    }
}

/// The covariance of a class's rows (divisor: their weight), row-major `[width, width]`, shrunk.
pub(super) fn covariance(groups: &Groups, class: usize, shrinkage: Shrinkage, threads: usize) -> Vec<f64> {
    let (d, total) = (groups.design.width, groups.totals[class]);
    let centred = groups.centred(class);
    let mut out = gram(&centred, d, Some(&|row| groups.weight(class, row)), threads);
    out.iter_mut().for_each(|s| *s /= total);
    match shrinkage {
        Shrinkage::None => {}
        Shrinkage::Share(share) => shrink(&mut out, d, share),
        Shrinkage::Auto => {
            // A column without spread keeps its scale.
            let root = |s: f64| if s > 0.0 { s.sqrt() } else { 1.0 };
            let scale: Vec<f64> = (0..d).map(|j| root(out[j * d + j])).collect();
            (0..d * d).for_each(|at| out[at] /= scale[at / d] * scale[at % d]);
            let fourth: f64 = centred
                .chunks_exact(d.max(1))
                .enumerate()
                .map(|(row, x)| {
                    let size: f64 = x.iter().zip(&scale).map(|(x, s)| (x / s).powi(2)).sum();
                    groups.weight(class, row) * size * size
                })
                .sum();
            let share = ledoit_wolf(&out, d, fourth, total);
            shrink(&mut out, d, share);
            (0..d * d).for_each(|at| out[at] *= scale[at / d] * scale[at % d]);
        }
    }
    out
}

/// (1 − share) S + share · tr(S)/d · I.
fn shrink(s: &mut [f64], d: usize, share: f64) {
    let mean = (0..d).map(|j| s[j * d + j]).sum::<f64>() / d as f64;
    s.iter_mut().for_each(|s| *s *= 1.0 - share);
    (0..d).for_each(|j| s[j * d + j] += share * mean);
}

/// The share of the identity that makes the expected squared error least (Ledoit and Wolf, A Well-Conditioned Estimator
/// for Large-Dimensional Covariance Matrices, 2004), from the covariance, the sum of the rows' sizes to the power of
/// four, and their number.
fn ledoit_wolf(s: &[f64], d: usize, fourth: f64, n: f64) -> f64 {
    let squares: f64 = s.iter().map(|s| s * s).sum();
    let trace: f64 = (0..d).map(|j| s[j * d + j]).sum();
    let away = squares - trace * trace / d as f64;
    let noise = ((fourth / n - squares) / n).min(away);
    if noise > 0.0 { noise / away } else { 0.0 }
}

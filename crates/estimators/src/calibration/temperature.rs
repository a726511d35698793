//! One temperature for all classes: p ∝ exp(ln p / t), the `t` of the least log loss (Guo and others, On Calibration of
//! Modern Neural Networks, 2017). The order of the classes never changes.

use serde::{Deserialize, Serialize};

/// Above 1 it makes probabilities more even, below 1 more certain. From 0.001 to 1000: a classifier that is never wrong
/// would want 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// What log-probabilities are divided by.
    pub t: f64,
}

/// The greatest temperature; the least is one over it.
const MOST: f64 = 1e3;

/// ln p, finite at 0.
fn log(p: f64) -> f64 {
    p.max(f64::EPSILON).ln()
}

/// Log-probabilities times `by` become probabilities.
fn soften(row: &mut [f64], by: f64) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|z| *z = (by * (*z - most)).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|p| *p /= sum);
}

impl Temperature {
    /// Learns from probabilities `[rows, classes]`, row-major, and each row's class.
    pub fn fit(p: &[f64], classes: usize, codes: &[u32]) -> Self {
        let logs: Vec<f64> = p.iter().map(|p| log(*p)).collect();
        let mut soft = vec![0.0; classes];
        // The loss is convex in 1/t: its slope is the mean of (expected − own) log-probability, which rises.
        let mut slope = |by: f64| -> f64 {
            let mut sum = 0.0;
            for (row, code) in logs.chunks_exact(classes).zip(codes) {
                soft.copy_from_slice(row);
                soften(&mut soft, by);
                let expected: f64 = soft.iter().zip(row).map(|(p, z)| p * z).sum();
                sum += expected - row.get(*code as usize).copied().unwrap_or(0.0);
            }
            sum
        };
        let (mut low, mut high) = (-MOST.ln(), MOST.ln());
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if slope(middle.exp()) > 0.0 {
                high = middle;
            } else {
                low = middle;
            }
        }
        Self { t: (-0.5 * (low + high)).exp() }
    }

    /// Calibrates one row's probabilities.
    pub fn apply(&self, row: &mut [f64]) {
        row.iter_mut().for_each(|p| *p = log(*p));
        soften(row, 1.0 / self.t);
    }
}

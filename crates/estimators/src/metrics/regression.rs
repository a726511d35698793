//! Numbers predicted for numbers.

use super::{mean_of, ratio};

/// Mean absolute error.
pub fn mean_absolute_error(y: &[f64], p: &[f64]) -> f64 {
    mean_of(y, p, |y, p| (y - p).abs())
}

/// Mean squared error.
pub fn mean_squared_error(y: &[f64], p: &[f64]) -> f64 {
    mean_of(y, p, |y, p| (y - p).powi(2))
}

/// Root of the mean squared error.
pub fn root_mean_squared_error(y: &[f64], p: &[f64]) -> f64 {
    mean_squared_error(y, p).sqrt()
}

/// Mean of |error| / |y|, the denominator at least the f64 epsilon.
pub fn mean_absolute_percentage_error(y: &[f64], p: &[f64]) -> f64 {
    mean_of(y, p, |y, p| (y - p).abs() / y.abs().max(f64::EPSILON))
}

/// Median absolute error.
pub fn median_absolute_error(y: &[f64], p: &[f64]) -> f64 {
    let mut errors: Vec<f64> = y.iter().zip(p).map(|(y, p)| (y - p).abs()).collect();
    errors.sort_by(f64::total_cmp);
    let n = errors.len();
    let at = |i: usize| errors.get(i).copied().unwrap_or(f64::NAN);
    if n % 2 == 1 { at(n / 2) } else { (at((n / 2).wrapping_sub(1)) + at(n / 2)) / 2.0 }
}

/// Largest absolute error.
pub fn max_error(y: &[f64], p: &[f64]) -> f64 {
    y.iter().zip(p).map(|(y, p)| (y - p).abs()).fold(f64::NAN, f64::max)
}

/// 1 - residual / total sum of squares; NaN when all of `y` are equal.
pub fn r2(y: &[f64], p: &[f64]) -> f64 {
    let mean = ratio(y.iter().sum(), y.len() as f64);
    let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
    let residual: f64 = y.iter().zip(p).map(|(y, p)| (y - p).powi(2)).sum();
    1.0 - ratio(residual, total)
}

/// 1 - variance of the errors / variance of `y`.
pub fn explained_variance(y: &[f64], p: &[f64]) -> f64 {
    let errors: Vec<f64> = y.iter().zip(p).map(|(y, p)| y - p).collect();
    let variance = |v: &[f64]| {
        let mean = ratio(v.iter().sum(), v.len() as f64);
        ratio(v.iter().map(|x| (x - mean).powi(2)).sum(), v.len() as f64)
    };
    1.0 - ratio(variance(&errors), variance(y))
}

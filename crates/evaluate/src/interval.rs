//! 95 % intervals in closed form.

use crate::special::{normal_quantile, student_quantile};
use serde::{Deserialize, Serialize};

/// Two ends; the low one never above the high one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Share of the mass within.
pub(crate) const LEVEL: f64 = 0.95;

/// Of a proportion: `hits` of `n` (Wilson 1927). None when n is 0.
pub fn wilson(hits: f64, n: usize) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let (n, z) = (n as f64, normal_quantile(0.5 + LEVEL / 2.0));
    let p = hits / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Some(Interval { low: (middle - half).max(0.0), high: (middle + half).min(1.0) })
}

/// Of a mean: Student's t with the sample's standard deviation over √n. None below two values.
pub fn student(values: &[f64]) -> Option<Interval> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    let half = student_quantile(0.5 + LEVEL / 2.0, (n - 1) as f64) * (variance / n as f64).sqrt();
    Some(Interval { low: mean - half, high: mean + half })
}

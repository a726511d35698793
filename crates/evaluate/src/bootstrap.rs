//! Bootstrap intervals: bias-corrected and accelerated (Efron 1987), for any statistic of examples; and of the
//! difference between two systems on the same examples.

use crate::interval::{Interval, LEVEL};
use crate::special::{normal_cdf, normal_quantile};
use lyceum_data::Random;

/// How often to draw, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// Draws of the whole set.
    pub draws: usize,
    /// Fixes them.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { draws: 2000, seed: 42 }
    }
}

/// Interval of a statistic over `n` examples, given by their indices (repeated as drawn). Draws on which the
/// statistic is not defined (an AUC of one class) are left out. None below two examples or when nothing is defined.
pub fn bca(n: usize, statistic: impl Fn(&[usize]) -> f64, how: Resampling) -> Option<Interval> {
    if n < 2 {
        return None;
    }
    let all: Vec<usize> = (0..n).collect();
    let value = statistic(&all);
    let mut random = Random::new(how.seed, 0x626f_6f74);
    let mut drawn = vec![0; n];
    let mut replicates = Vec::with_capacity(how.draws);
    for _ in 0..how.draws {
        drawn.fill_with(|| random.below(n));
        replicates.push(statistic(&drawn));
    }
    replicates.retain(|r| r.is_finite());
    replicates.sort_by(f64::total_cmp);
    if !value.is_finite() || replicates.is_empty() {
        return None;
    }
    let below = replicates.iter().filter(|r| **r < value).count() as f64;
    let ties = replicates.iter().filter(|r| **r == value).count() as f64;
    let bias = normal_quantile((below + ties / 2.0) / replicates.len() as f64);
    let acceleration = acceleration(n, &statistic);
    let end = |p: f64| {
        let z = normal_quantile(p);
        let shifted = bias + (bias + z) / (1.0 - acceleration * (bias + z));
        // Every draw on one side of the value: nothing to correct with.
        quantile(&replicates, if shifted.is_finite() { normal_cdf(shifted) } else { p })
    };
    let (low, high) = (end((1.0 - LEVEL) / 2.0), end((1.0 + LEVEL) / 2.0));
    Some(Interval { low: low.min(high), high: high.max(low) })
}

/// Interval of the difference `b - a` of one statistic of two systems, drawing the same examples for both.
pub fn paired(
    n: usize,
    a: impl Fn(&[usize]) -> f64,
    b: impl Fn(&[usize]) -> f64,
    how: Resampling,
) -> Option<Interval> {
    bca(n, |indices| b(indices) - a(indices), how)
}

/// Skewness of the jackknife values over 6.
fn acceleration(n: usize, statistic: &impl Fn(&[usize]) -> f64) -> f64 {
    // Thousands of examples have no skewness worth the time.
    if n > 2000 {
        return 0.0;
    }
    let mut kept: Vec<usize> = (1..n).collect();
    let mut values = Vec::with_capacity(n);
    for left_out in 0..n {
        values.push(statistic(&kept));
        if let Some(slot) = kept.get_mut(left_out) {
            *slot = left_out;
        }
    }
    values.retain(|v| v.is_finite());
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let power = |k: i32| values.iter().map(|v| (mean - v).powi(k)).sum::<f64>();
    let spread = power(2).powf(1.5);
    if spread > 0.0 { power(3) / (6.0 * spread) } else { 0.0 }
}

/// Linear between the order statistics.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let at = |i: usize| sorted.get(i.min(sorted.len() - 1)).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place.floor() as usize), at(place.ceil() as usize));
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: &[f64]) -> impl Fn(&[usize]) -> f64 + '_ {
        |indices| indices.iter().map(|i| values[*i]).sum::<f64>() / indices.len() as f64
    }

    #[test]
    fn covers_the_truth_about_as_often_as_promised() {
        // Exponential draws, mean 1: the share of intervals that hold it must be near 95 %.
        let mut random = Random::new(7, 0);
        let mut held = 0;
        for trial in 0..200 {
            let values: Vec<f64> = (0..40).map(|_| -(1.0 - random.unit()).ln()).collect();
            let i = bca(values.len(), mean_of(&values), Resampling { draws: 400, seed: trial }).unwrap();
            held += usize::from(i.low <= 1.0 && 1.0 <= i.high);
        }
        assert!((180..=199).contains(&held), "{held} of 200");
    }

    #[test]
    fn a_pair_is_tighter_than_its_parts_and_a_seed_fixes_it() {
        let a: Vec<f64> = (0..100).map(|i| f64::from(i % 7)).collect();
        let b: Vec<f64> = a.iter().map(|x| x + 0.5).collect();
        let how = Resampling::default();
        let d = paired(100, mean_of(&a), mean_of(&b), how).unwrap();
        assert!((d.low - 0.5).abs() < 1e-9 && (d.high - 0.5).abs() < 1e-9);
        let alone = bca(100, mean_of(&a), how).unwrap();
        assert!(alone.high - alone.low > 0.5);
        assert_eq!(bca(100, mean_of(&a), how), Some(alone));
        assert!(bca(1, mean_of(&a), how).is_none());
        assert!(bca(10, |_| f64::NAN, how).is_none());
    }
}

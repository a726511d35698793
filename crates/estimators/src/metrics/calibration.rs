//! Whether a probability of 0.7 comes true seven times in ten.

use super::ratio;

/// Rows whose probability falls into one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Rows.
    pub count: usize,
    /// Mean probability; NaN when empty.
    pub predicted: f64,
    /// Share that came true; NaN when empty.
    pub observed: f64,
}

/// Bins of equal width over [0, 1]: bin = min(⌊p·bins⌋, bins - 1).
pub fn calibration_bins(came_true: &[u8], p: &[f64], bins: usize) -> Vec<Bin> {
    let mut sums = vec![(0usize, 0.0, 0.0); bins.max(1)];
    for (t, p) in came_true.iter().zip(p) {
        let at = ((p * bins as f64).floor().max(0.0) as usize).min(bins.saturating_sub(1));
        if let Some((n, predicted, observed)) = sums.get_mut(at) {
            *n += 1;
            *predicted += p;
            *observed += f64::from((*t).min(1));
        }
    }
    let bin = |(n, p, o): (usize, f64, f64)| Bin {
        count: n,
        predicted: ratio(p, n as f64),
        observed: ratio(o, n as f64),
    };
    sums.into_iter().map(bin).collect()
}

/// Mean distance of predicted and observed over bins of equal width, weighted by their rows (Guo et al. 2017).
pub fn expected_calibration_error(came_true: &[u8], p: &[f64], bins: usize) -> f64 {
    let filled = calibration_bins(came_true, p, bins).into_iter().filter(|b| b.count > 0);
    ratio(filled.map(|b| b.count as f64 * (b.predicted - b.observed).abs()).sum(), p.len() as f64)
}

//! The rising curve of least squares, by pooling adjacent violators (Barlow and others, Statistical Inference under Order
//! Restrictions, 1972); between its corners it is linear, beyond them constant, as scikit-learn's `IsotonicRegression`.

use serde::{Deserialize, Serialize};

/// Corners of a curve that never falls: `x` rises, `y` does not fall. It may end at 0 and 1: few rows make it surer than
/// they allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// Scores of the corners.
    pub x: Vec<f64>,
    /// Probabilities at the corners.
    pub y: Vec<f64>,
}

/// Rows of neighbouring scores that share one value.
struct Pool {
    from: f64,
    to: f64,
    sum: f64,
    rows: f64,
}

impl Pool {
    fn mean(&self) -> f64 {
        self.sum / self.rows
    }
}

impl Isotonic {
    /// Learns from scores, any finite numbers, and whether each row is positive.
    pub fn fit(scores: &[f64], positive: &[bool]) -> Self {
        let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut pools: Vec<Pool> = Vec::new();
        for tied in order.chunk_by(|a, b| a.0 == b.0) {
            let at = tied.first().map_or(0.0, |t| t.0);
            let hits = tied.iter().filter(|t| t.1).count() as f64;
            let mut own = Pool { from: at, to: at, sum: hits, rows: tied.len() as f64 };
            while let Some(before) = pools.pop_if(|before| before.mean() >= own.mean()) {
                own = Pool {
                    from: before.from,
                    to: own.to,
                    sum: before.sum + own.sum,
                    rows: before.rows + own.rows,
                };
            }
            pools.push(own);
        }
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for pool in &pools {
            for at in [Some(pool.from), (pool.to > pool.from).then_some(pool.to)].into_iter().flatten() {
                x.push(at);
                y.push(pool.mean());
            }
        }
        Self { x, y }
    }

    /// The probability of a score.
    pub fn probability(&self, score: f64) -> f64 {
        let at = self.x.partition_point(|x| *x <= score);
        let corner = |i: usize| Some((*self.x.get(i)?, *self.y.get(i)?));
        match (at.checked_sub(1).and_then(corner), corner(at)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (score - x0) / (x1 - x0) * (y1 - y0),
            (Some((_, y)), None) | (None, Some((_, y))) => y,
            (None, None) => f64::NAN,
        }
    }

    /// Whether corners are in order, as many `x` as `y`, at least one, and probabilities from 0 to 1.
    pub fn is_sound(&self) -> bool {
        let rises = |v: &[f64]| v.windows(2).all(|w| matches!(w, [a, b] if a <= b));
        self.x.len() == self.y.len()
            && !self.x.is_empty()
            && rises(&self.x)
            && rises(&self.y)
            && self.y.iter().all(|y| (0.0..=1.0).contains(y))
    }
}

//! A logistic curve over scores: p = 1 / (1 + exp(a·score + b)), fitted to targets (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2)
//! instead of 1 and 0 (Platt, Probabilistic Outputs for Support Vector Machines, 1999), by Newton's method.

use serde::{Deserialize, Serialize};

/// The curve. It rises where `a` is below 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// The slope.
    pub a: f64,
    /// The offset.
    pub b: f64,
}

impl Platt {
    /// Learns from scores, any finite numbers, and whether each row is positive.
    pub fn fit(scores: &[f64], positive: &[bool]) -> Self {
        let n = scores.len() as f64;
        let plus = positive.iter().filter(|p| **p).count() as f64;
        let (high, low) = ((plus + 1.0) / (plus + 2.0), 1.0 / (n - plus + 2.0));
        // Scores of mean 0 and deviation 1 give even equations.
        let mean = scores.iter().sum::<f64>() / n;
        let spread = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
        let spread = if spread > 1e-12 * mean.abs() { spread } else { 1.0 };
        let rows: Vec<(f64, f64)> = scores
            .iter()
            .zip(positive)
            .map(|(s, p)| ((s - mean) / spread, if *p { high } else { low }))
            .collect();
        // z = slope · score + offset is the log-odds.
        let loss = |slope: f64, offset: f64| -> f64 {
            let one = |(s, t): &(f64, f64)| {
                let z = slope * s + offset;
                z.max(0.0) + (-z.abs()).exp().ln_1p() - t * z
            };
            rows.iter().map(one).sum()
        };
        let share = rows.iter().map(|r| r.1).sum::<f64>() / n;
        let (mut slope, mut offset) = (0.0, (share / (1.0 - share)).ln());
        let mut value = loss(slope, offset);
        for _ in 0..100 {
            let (mut g, mut h) = ([0.0; 2], [1e-12 * n, 0.0, 1e-12 * n]);
            for (s, t) in &rows {
                let p = 1.0 / (1.0 + (-(slope * s + offset)).exp());
                let (pull, bend) = (p - t, p * (1.0 - p));
                g = [g[0] + pull * s, g[1] + pull];
                h = [h[0] + bend * s * s, h[1] + bend * s, h[2] + bend];
            }
            if g[0].abs().max(g[1].abs()) <= 1e-12 * n {
                break;
            }
            let size = h[0] * h[2] - h[1] * h[1];
            let step = [(h[2] * g[0] - h[1] * g[1]) / size, (h[0] * g[1] - h[1] * g[0]) / size];
            let fall = g[0] * step[0] + g[1] * step[1];
            let mut length = 1.0;
            let next = loop {
                let at = (slope - length * step[0], offset - length * step[1]);
                let new = loss(at.0, at.1);
                if new <= value - 1e-4 * length * fall + 1e-14 * value.abs() {
                    break Some((at, new));
                }
                length *= 0.5;
                if length < 1e-10 {
                    break None;
                }
            };
            let Some((at, new)) = next else { break };
            ((slope, offset), value) = (at, new);
        }
        Self { a: -slope / spread, b: slope * mean / spread - offset }
    }

    /// The probability of a score.
    pub fn probability(&self, score: f64) -> f64 {
        1.0 / (1.0 + (self.a * score + self.b).exp())
    }
}

//! Objectives with a log or logistic link: Poisson, gamma, Tweedie, cross-entropy of shares.
#![allow(clippy::indexing_slicing, reason = "rows stay below the labels' length")]

use super::loss::{Rows, in_chunks};
use super::{Kind, Loss, Objective};
use lyceum_tensor::Pool;

pub(super) struct Pointwise<'a> {
    objective: Objective,
    rows: Rows<'a>,
}

impl<'a> Pointwise<'a> {
    pub(super) fn new(objective: &Objective, rows: Rows<'a>) -> Self {
        Self { objective: objective.clone(), rows }
    }

    /// Gradient and hessian of a row, its weight included.
    fn one(&self, score: f64, y: f64, w: f64) -> (f64, f64) {
        let logistic = |s: f64| 1.0 / (1.0 + (-s).exp());
        match self.objective.kind {
            Kind::Poisson => {
                let mean = score.exp();
                (w * (mean - y), w * (score + self.objective.poisson_max_delta_step).exp())
            }
            Kind::Gamma => {
                let ratio = y * (-score).exp();
                (w * (1.0 - ratio), w * ratio)
            }
            Kind::Tweedie => {
                let rho = self.objective.tweedie_variance_power;
                let (low, high) = (y * ((1.0 - rho) * score).exp(), ((2.0 - rho) * score).exp());
                (w * (high - low), w * ((2.0 - rho) * high - (1.0 - rho) * low))
            }
            Kind::CrossEntropyLambda if self.rows.weight.is_some() => weighted_lambda(score, y, w),
            _ => {
                let p = logistic(score);
                (w * (p - y), w * p * (1.0 - p))
            }
        }
    }
}

/// Gradient and hessian of cross-entropy with intensity weights, p = 1 - exp(-w·ln(1 + e^s)).
fn weighted_lambda(score: f64, y: f64, w: f64) -> (f64, f64) {
    let e = score.exp();
    let p = 1.0 - (-w * e.ln_1p()).exp();
    let slope = w * e / (1.0 + e);
    let odds = 1.0 / (1.0 - p);
    let curve = odds / ((odds - 1.0) * (odds - 1.0)) * (1.0 + w * e - odds);
    ((1.0 - y / p) * slope, w * e / ((1.0 + e) * (1.0 + e)) * (1.0 + y * curve))
}

impl Loss for Pointwise<'_> {
    fn start(&self) -> Vec<f64> {
        if !self.objective.boost_from_average {
            return vec![0.0];
        }
        let (y, rows) = (self.rows.y, self.rows.y.len());
        let total: f64 = (0..rows).map(|r| self.rows.weight(r)).sum();
        let sum: f64 = y.iter().enumerate().map(|(r, y)| y * self.rows.weight(r)).sum();
        vec![match self.objective.kind {
            Kind::CrossEntropy => {
                let p = (sum / total).clamp(1e-15, 1.0 - 1e-15);
                (p / (1.0 - p)).ln()
            }
            Kind::CrossEntropyLambda => {
                // The labels' sum is not weighted: a weight is an intensity here.
                (y.iter().sum::<f64>() / total).exp_m1().max(1e-15).ln()
            }
            _ => (sum / total).max(1e-15).ln(),
        }]
    }

    fn gradients(&self, _: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        in_chunks(pool, g, h, |rows, g, h| {
            for (i, r) in rows.enumerate() {
                let (slope, curve) = self.one(score[r], self.rows.y[r], self.rows.weight(r));
                g[i] = slope as f32;
                h[i] = curve as f32;
            }
        });
    }
}

//! Averages over rows of a loss of one prediction.
//!
//! Formulas: those of LightGBM's metrics of the same names; weighted means, except `gamma_deviance`, a sum.
#![allow(clippy::indexing_slicing, reason = "rows stay below the labels' length")]

use crate::boosting::model::Transform;
use crate::boosting::objective::{Objective, Rows};

fn weights(rows: &Rows<'_>) -> f64 {
    (0..rows.y.len()).map(|r| rows.weight(r)).sum()
}

/// y·ln(p) + (1-y)·ln(1-p), negated, with p kept from 0 and 1.
fn cross_entropy(y: f64, p: f64) -> f64 {
    let side = |y: f64, p: f64| if y == 0.0 { 0.0 } else { y * p.max(1e-12).ln() };
    -(side(y, p) + side(1.0 - y, 1.0 - p))
}

/// What a label alone has of it.
fn entropy(y: f64) -> f64 {
    let side = |y: f64| if y > 0.0 { y * y.ln() } else { 0.0 };
    side(y) + side(1.0 - y)
}

fn one(kind: &str, o: &Objective, y: f64, p: f64) -> f64 {
    let difference = p - y;
    let size = difference.abs();
    match kind {
        "l1" => size,
        "quantile" => {
            if difference < 0.0 {
                -o.alpha * difference
            } else {
                (1.0 - o.alpha) * difference
            }
        }
        "mape" => size / y.abs().max(1.0),
        "huber" if size <= o.alpha => 0.5 * difference * difference,
        "huber" => o.alpha * (size - 0.5 * o.alpha),
        "fair" => o.fair_c * size - o.fair_c * o.fair_c * (size / o.fair_c).ln_1p(),
        "poisson" => {
            let p = p.max(1e-10);
            p - y * p.ln()
        }
        "gamma" => {
            let p = p.max(1e-10);
            y / p + p.ln()
        }
        "gamma_deviance" => {
            let ratio = y / (p + 1e-9);
            ratio - ratio.ln() - 1.0
        }
        "tweedie" => {
            let (rho, p) = (o.tweedie_variance_power, p.max(1e-10));
            // A power of 1 is Poisson's limit, where the first term is y·ln(p).
            let first = if rho == 1.0 { y * p.ln() } else { y * p.powf(1.0 - rho) / (1.0 - rho) };
            p.powf(2.0 - rho) / (2.0 - rho) - first
        }
        "binary_logloss" => cross_entropy(f64::from(u8::from(y > 0.0)), p),
        "binary_error" => f64::from(u8::from((p > 0.5) != (y > 0.0))),
        "cross_entropy" => cross_entropy(y, p),
        "kullback_leibler" => cross_entropy(y, p) + entropy(y),
        _ => difference * difference,
    }
}

/// The average of a metric of single predictions.
pub(super) fn average(
    kind: &str,
    o: &Objective,
    transform: Transform,
    rows: &Rows<'_>,
    score: &[f64],
) -> f64 {
    let total = weights(rows);
    let mut out = [0.0];
    let mut predict = |raw: f64| {
        transform.apply(&[raw], &mut out);
        out[0]
    };
    if kind == "r2" {
        let mean = (0..rows.y.len()).map(|r| rows.weight(r) * rows.y[r]).sum::<f64>() / total;
        let (mut left, mut all) = (0.0, 0.0);
        for (r, y) in rows.y.iter().enumerate() {
            left += rows.weight(r) * (y - predict(score[r])).powi(2);
            all += rows.weight(r) * (y - mean).powi(2);
        }
        return if all == 0.0 { f64::from(u8::from(left == 0.0)) } else { 1.0 - left / all };
    }
    let sum: f64 =
        (0..rows.y.len()).map(|r| rows.weight(r) * one(kind, o, rows.y[r], predict(score[r]))).sum();
    match kind {
        "gamma_deviance" => 2.0 * sum,
        "rmse" => (sum / total).sqrt(),
        _ => sum / total,
    }
}

/// Cross-entropy of p = 1 - exp(-w·ln(1 + e^s)), a plain mean: the weights are intensities.
pub(super) fn cross_entropy_lambda(rows: &Rows<'_>, score: &[f64]) -> f64 {
    let one = |(r, s): (usize, &f64)| {
        let p = 1.0 - (-rows.weight(r) * s.exp().ln_1p()).exp();
        cross_entropy(rows.y[r], p)
    };
    score.iter().enumerate().map(one).sum::<f64>() / rows.y.len() as f64
}

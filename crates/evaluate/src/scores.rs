//! The outcome of an experiment: a value with its interval, and each example's share in it.

use crate::bootstrap::{Resampling, bca, paired};
use crate::interval::{Interval, student, wilson};
use crate::metric::{Metric, Part};
use serde::{Deserialize, Serialize};

/// What one example contributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleScore {
    /// The example.
    pub id: String,
    /// Its contribution.
    pub part: Part,
}

/// A metric's value over a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The metric.
    pub metric: Metric,
    /// Number of examples.
    pub n: usize,
    /// Examples on which the target failed; they count as wrong.
    pub failed: usize,
    /// The value.
    pub value: f64,
    /// 95 % interval, where there is one.
    pub interval: Option<Interval>,
    /// By example, in the data set's order.
    pub examples: Vec<ExampleScore>,
}

impl Scores {
    /// Value and interval of contributions: Wilson for proportions, Student for means, BCa for the rest.
    pub fn new(metric: Metric, examples: Vec<ExampleScore>, failed: usize, how: Resampling) -> Self {
        let parts: Vec<&Part> = examples.iter().map(|e| &e.part).collect();
        let value = metric.value(&parts);
        let scores: Vec<f64> =
            parts.iter().filter_map(|p| if let Part::Score(s) = p { Some(*s) } else { None }).collect();
        let interval = if metric.is_proportion() {
            wilson(scores.iter().sum(), scores.len())
        } else if scores.len() == parts.len() {
            student(&scores)
        } else {
            bca(parts.len(), |indices| at(metric, &parts, indices), how)
        };
        Self { metric, n: examples.len(), failed, value, interval, examples }
    }

    /// Interval of how much better this is than a baseline on the same examples (positive is better). None when the
    /// two do not share their examples.
    pub fn better_than(&self, baseline: &Self, how: Resampling) -> Option<(f64, Interval)> {
        let same =
            self.n == baseline.n && self.examples.iter().zip(&baseline.examples).all(|(a, b)| a.id == b.id);
        if !same || self.metric != baseline.metric {
            return None;
        }
        let sign = if self.metric.higher_is_better() { 1.0 } else { -1.0 };
        let mine: Vec<&Part> = self.examples.iter().map(|e| &e.part).collect();
        let theirs: Vec<&Part> = baseline.examples.iter().map(|e| &e.part).collect();
        let value = sign * (self.value - baseline.value);
        let drawn = paired(
            self.n,
            |i| sign * at(self.metric, &theirs, i),
            |i| sign * at(self.metric, &mine, i),
            how,
        )?;
        // Differences that are all the same tell nothing of what other examples would give.
        let interval = if drawn.low == drawn.high && self.metric.is_proportion() {
            newcombe(self.interval?, self.value, baseline.interval?, baseline.value)
        } else {
            drawn
        };
        Some((value, interval))
    }
}

fn at(metric: Metric, parts: &[&Part], indices: &[usize]) -> f64 {
    let drawn: Vec<&Part> = indices.iter().filter_map(|i| parts.get(*i).copied()).collect();
    metric.value(&drawn)
}

/// Of a difference of proportions from their own intervals (Newcombe 1998, method 10).
fn newcombe(a: Interval, p: f64, b: Interval, q: f64) -> Interval {
    let d = p - q;
    Interval { low: d - (p - a.low).hypot(b.high - q), high: d + (a.high - p).hypot(q - b.low) }
}

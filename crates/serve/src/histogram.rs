//! A histogram as Prometheus reads it: counts up to each bound, a sum, a total.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of observations in fixed buckets.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    /// Millionths, so that a sum needs no lock.
    sum: AtomicU64,
}

/// Seconds, from a token to a long answer.
pub(crate) const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Tokens.
pub(crate) const TOKENS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 50000.0];

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe(&self, value: f64) {
        let place = self.bounds.partition_point(|b| *b < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add((value.max(0.0) * 1e6) as u64, Ordering::Relaxed);
    }

    /// The mean of what was observed.
    pub(crate) fn mean(&self) -> Option<f64> {
        let n: u64 = self.counts.iter().map(|c| c.load(Ordering::Relaxed)).sum();
        (n > 0).then(|| self.sum.load(Ordering::Relaxed) as f64 / 1e6 / n as f64)
    }

    /// Writes the samples of one series. `labels` is empty or `a="b",` with the comma.
    pub(crate) fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (i, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = self.bounds.get(i).map_or("+Inf".to_string(), f64::to_string);
            let _ = writeln!(out, "{name}_bucket{{{labels}le=\"{bound}\"}} {total}");
        }
        let plain = labels.trim_end_matches(',');
        let plain = if plain.is_empty() { String::new() } else { format!("{{{plain}}}") };
        let sum = self.sum.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_sum{plain} {sum}\n{name}_count{plain} {total}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_bounds_inclusive() {
        let h = Histogram::new(&[1.0, 2.0]);
        for x in [0.5, 1.0, 1.5, 9.0] {
            h.observe(x);
        }
        let mut out = String::new();
        h.write(&mut out, "t", "m=\"a\",");
        assert!(out.contains("t_bucket{m=\"a\",le=\"1\"} 2\n"), "{out}");
        assert!(out.contains("t_bucket{m=\"a\",le=\"+Inf\"} 4\n"), "{out}");
        assert_eq!((h.mean(), Histogram::new(&[1.0]).mean()), (Some(3.0), None));
        assert!(out.contains("t_sum{m=\"a\"} 12\n") && out.contains("t_count{m=\"a\"} 4\n"), "{out}");
    }
}

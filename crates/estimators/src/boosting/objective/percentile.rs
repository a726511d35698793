//! Percentiles as LightGBM takes them, with and without weights.
#![allow(clippy::indexing_slicing, reason = "positions are clamped into the slices")]

/// The `alpha` percentile of values: between the two around `(1 - alpha)·n` from the top; the ends outside.
pub(super) fn percentile(values: &mut [f64], alpha: f64) -> f64 {
    let n = values.len();
    if n <= 1 {
        return values.first().copied().unwrap_or(0.0);
    }
    let place = (1.0 - alpha) * n as f64;
    let at = place as usize;
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    if at < 1 {
        return values[0];
    }
    if at >= n {
        return values[n - 1];
    }
    values[at - 1] - (values[at - 1] - values[at]) * (place - at as f64)
}

/// The `alpha` percentile of `(value, weight)` pairs: where the running weight passes that share of the whole.
pub(super) fn weighted(pairs: &mut [(f64, f64)], alpha: f64) -> f64 {
    let n = pairs.len();
    if n <= 1 {
        return pairs.first().map_or(0.0, |p| p.0);
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    let running: Vec<f64> = pairs
        .iter()
        .map(|p| {
            sum += p.1;
            sum
        })
        .collect();
    let wanted = sum * alpha;
    let at = running.partition_point(|r| *r <= wanted).min(n - 1);
    if at == 0 || at == n - 1 {
        return pairs[at].0;
    }
    let (low, high) = (pairs[at - 1].0, pairs[at].0);
    let step = running[at + 1] - running[at];
    if step >= 1.0 { low + (wanted - running[at]) / step * (high - low) } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_ends() {
        assert_eq!(percentile(&mut [3.0, 1.0, 2.0, 4.0], 0.5), 3.0 - 1.0 * 0.0);
        assert_eq!(percentile(&mut [1.0, 2.0, 3.0], 0.5), 2.5);
        assert_eq!(percentile(&mut [1.0, 2.0, 3.0], 0.999), 3.0);
        assert_eq!(percentile(&mut [7.0], 0.1), 7.0);
        assert_eq!(weighted(&mut [(1.0, 1.0), (2.0, 0.5), (9.0, 0.5)], 0.1), 1.0);
        assert_eq!(weighted(&mut [(1.0, 0.2), (2.0, 0.6), (3.0, 0.2), (4.0, 0.2)], 0.5), 2.0);
    }
}

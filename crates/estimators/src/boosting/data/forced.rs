//! Bins with upper bounds that were asked for: zero keeps its own, the others divide what lies between.
//!
//! Source: LightGBM 4.7 behaviour (`forcedbins_filename`), checked against thresholds of its models.
#![allow(clippy::indexing_slicing, reason = "values stay below their number")]

use super::bins::{ZERO, equal_counts};

/// Upper bounds of the bins of distinct values and their counts: those forced as far as `max_bin` has room for them,
/// in their order, then others by the share of rows between them.
pub(super) fn around_forced(
    forced: &[f64],
    distinct: &[(f64, usize)],
    max_bin: usize,
    min_data: usize,
) -> Vec<f64> {
    let negatives = distinct.partition_point(|(x, _)| *x <= -ZERO);
    let has_positives = distinct.last().is_some_and(|(x, _)| *x > ZERO);
    let total: usize = distinct.iter().map(|(_, n)| n).sum();
    let mut bounds = match max_bin {
        0 | 1 => Vec::new(),
        2 => vec![if negatives > 0 { -ZERO } else { ZERO }],
        _ => [(negatives > 0, -ZERO), (has_positives, ZERO)].iter().filter(|b| b.0).map(|b| b.1).collect(),
    };
    let room = max_bin.saturating_sub(bounds.len() + 1);
    bounds.extend(forced.iter().copied().filter(|x| x.abs() > ZERO).take(room));
    bounds.push(f64::INFINITY);
    bounds.sort_by(f64::total_cmp);
    let free = max_bin.saturating_sub(bounds.len());
    let (mut more, mut from) = (Vec::new(), 0);
    for (i, bound) in bounds.iter().enumerate() {
        let own = &distinct[from..from + distinct[from..].partition_point(|(x, _)| x < bound)];
        from += own.len();
        let rows: usize = own.iter().map(|(_, n)| n).sum();
        let left = free - more.len();
        let share = (rows as f64 * free as f64 / total.max(1) as f64).round() as usize;
        let bins = if i + 1 == bounds.len() { left } else { share.min(left) } + 1;
        let cuts = equal_counts(own, bins, rows, min_data);
        more.extend(cuts.into_iter().filter(|b| b.is_finite()).take(left));
    }
    bounds.extend(more);
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forced_bounds_are_there_and_the_rest_is_shared() {
        let distinct: Vec<(f64, usize)> = (-50..50).map(|i| (f64::from(i) / 10.0, 5)).collect();
        let bounds = around_forced(&[-1.25, 0.0, 2.05], &distinct, 12, 3);
        assert_eq!(bounds.len(), 12);
        assert!(bounds.windows(2).all(|w| w[0] < w[1]), "{bounds:?}");
        assert!([-1.25, -ZERO, ZERO, 2.05, f64::INFINITY].iter().all(|b| bounds.contains(b)), "{bounds:?}");
        assert_eq!(around_forced(&[1.0, 2.0, 3.0], &distinct, 5, 3), [-ZERO, ZERO, 1.0, 2.0, f64::INFINITY]);
        assert_eq!(around_forced(&[1.0], &distinct, 2, 3), [-ZERO, f64::INFINITY]);
        assert_eq!(around_forced(&[1.0], &[], 4, 3), [1.0, f64::INFINITY]);
    }
}

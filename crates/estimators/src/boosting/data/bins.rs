//! Values to bins, as LightGBM makes them: zero has a bin of its own, the rest is cut at equal counts, missing values
//! get the last bin (numbers) or share bin 0 with rare ones (categories).
//!
//! Source: LightGBM 4.7 behaviour (`BinMapper`), checked against numbers of bins and thresholds of its models.
#![allow(clippy::indexing_slicing, reason = "indices stay below the lengths that the loops run over")]

use super::column::MOST_BINS;
use super::forced::around_forced;
use super::radix;
use lyceum_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Below this, in absolute value, a number is zero: the f32 1e-35, widened.
pub(in crate::boosting) const ZERO: f64 = 1e-35f32 as f64;

/// How values become bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinRule {
    /// Bins of a feature at most, 2 to 65,535; a category feature has more where so many are needed to cover 99 % of the
    /// rows.
    pub max_bin: usize,
    /// The same for each column of the data; empty is `max_bin` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max_bin_by_feature: Vec<usize>,
    /// Upper bounds that the bins of each column must have, ascending; empty is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced_bounds: Vec<Vec<f64>>,
    /// Rows of a bin at least.
    pub min_data_in_bin: usize,
    /// Rows that are looked at.
    pub sample: usize,
    /// Whether NaN is told apart from zero.
    pub use_missing: bool,
    /// Whether zero counts as missing.
    pub zero_as_missing: bool,
    /// Whether features that cannot be split at all are left out.
    pub feature_pre_filter: bool,
}

impl Default for BinRule {
    fn default() -> Self {
        Self {
            max_bin: 255,
            max_bin_by_feature: Vec::new(),
            forced_bounds: Vec::new(),
            min_data_in_bin: 3,
            sample: 200_000,
            use_missing: true,
            zero_as_missing: false,
            feature_pre_filter: true,
        }
    }
}

impl BinRule {
    /// The rule of one column, as that of a table that has no other.
    pub(super) fn of_column(&self, column: usize) -> Self {
        let bounds = self.forced_bounds.get(column).filter(|b| !b.is_empty());
        Self {
            max_bin: self.max_bin_by_feature.get(column).copied().unwrap_or(self.max_bin),
            max_bin_by_feature: Vec::new(),
            forced_bounds: bounds.cloned().into_iter().collect(),
            ..*self
        }
    }
}

/// What a missing value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    /// None was seen.
    None,
    /// Zero.
    Zero,
    /// NaN.
    Nan,
}

/// Maps the values of one feature to bins.
#[derive(Debug, Clone, PartialEq)]
pub enum BinMapper {
    /// Numbers: a value is in the first bin whose upper bound it does not exceed.
    Number {
        /// Upper bounds, the last infinite.
        bounds: Vec<f64>,
        /// What a missing value is; NaN has a bin after the bounds.
        missing: MissingKind,
        /// Least and greatest value seen.
        range: (f64, f64),
    },
    /// Categories: bin 0 is anything else, bin b is `categories[b - 1]`, commonest first.
    Category {
        /// The codes that have a bin.
        categories: Vec<u32>,
    },
}

impl BinMapper {
    /// Number of bins, that of missing values included.
    pub fn bins(&self) -> usize {
        match self {
            Self::Number { bounds, missing, .. } => bounds.len() + usize::from(*missing == MissingKind::Nan),
            Self::Category { categories } => categories.len() + 1,
        }
    }

    /// Whether the feature is a number.
    pub(in crate::boosting) fn is_number(&self) -> bool {
        matches!(self, Self::Number { .. })
    }

    /// The bin of a value.
    pub fn bin(&self, x: f64) -> usize {
        match self {
            Self::Number { bounds, missing, .. } => {
                if x.is_nan() && *missing == MissingKind::Nan {
                    return bounds.len();
                }
                let x = if x.is_nan() { 0.0 } else { x };
                bounds.partition_point(|b| *b < x).min(bounds.len() - 1)
            }
            Self::Category { categories } => {
                categories.iter().position(|c| f64::from(*c) == x.trunc()).map_or(0, |i| i + 1)
            }
        }
    }

    /// Bins for numbers; NaN is missing. Of bounds that the rule forces, those of the first column are meant.
    pub fn numbers(values: &[f64], rule: &BinRule) -> Self {
        Self::sorted(&Sorted::of(values, rule), rule)
    }

    /// As [`BinMapper::numbers`], of values in order.
    pub(super) fn sorted(sorted: &Sorted, rule: &BinRule) -> Self {
        let (there, gaps) = (&sorted.there, sorted.gaps);
        let range = (there.first().copied().unwrap_or(0.0), there.last().copied().unwrap_or(0.0));
        let distinct = distinct(there);
        let mut missing = match (rule.use_missing, rule.zero_as_missing) {
            (true, true) => MissingKind::Zero,
            (true, false) if gaps > 0 => MissingKind::Nan,
            _ => MissingKind::None,
        };
        let max_bin = rule.max_bin - usize::from(missing == MissingKind::Nan);
        let bounds = match rule.forced_bounds.first() {
            None => around_zero(&distinct, max_bin, there.len(), rule.min_data_in_bin),
            Some(forced) => around_forced(forced, &distinct, max_bin, rule.min_data_in_bin),
        };
        if missing == MissingKind::Zero && bounds.len() == 2 {
            missing = MissingKind::None;
        }
        Self::Number { bounds, missing, range }
    }

    /// Bins for codes; `u32::MAX` is missing.
    ///
    /// # Errors
    /// More than 65,535 categories are needed to cover 99 % of the codes.
    pub fn categories(codes: &[u32], rule: &BinRule) -> Result<Self> {
        let mut counts = std::collections::BTreeMap::<u32, usize>::new();
        for code in codes.iter().filter(|c| **c != u32::MAX) {
            *counts.entry(*code).or_default() += 1;
        }
        let there: usize = counts.values().sum();
        let mut ranked: Vec<(u32, usize)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let cut = (there as f64 * 0.99f32 as f64).round() as usize;
        let max_bin = rule.max_bin.min(ranked.len());
        let (mut covered, mut categories) = (0, Vec::new());
        for (i, (code, n)) in ranked.into_iter().enumerate() {
            let full = categories.len() + 1 >= max_bin;
            if (covered >= cut && full) || (n < rule.min_data_in_bin && i > 1) {
                break;
            }
            if categories.len() + 1 >= MOST_BINS {
                let message =
                    format!("more than {} categories are needed to cover 99 % of its rows", MOST_BINS - 1);
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            categories.push(code);
            covered += n;
        }
        Ok(Self::Category { categories })
    }
}

/// The values of a feature in order.
pub(super) struct Sorted {
    /// Those that are there, and a 0 for each missing one where missing counts as 0.
    pub(super) there: Vec<f64>,
    /// How many are missing.
    pub(super) gaps: usize,
}

impl Sorted {
    pub(super) fn of(values: &[f64], rule: &BinRule) -> Self {
        // Whole numbers in the same order sort faster than floats.
        let mut keys: Vec<i64> = values.iter().filter(|x| !x.is_nan()).map(|x| radix::key(*x)).collect();
        let gaps = values.len() - keys.len();
        if !rule.use_missing || rule.zero_as_missing {
            keys.extend(std::iter::repeat_n(radix::key(0.0), gaps));
        }
        radix::sort(&mut keys);
        Self { there: keys.into_iter().map(radix::number).collect(), gaps }
    }
}

/// Distinct values with their counts, ascending; values one step of f64 apart are one (the larger).
fn distinct(sorted: &[f64]) -> Vec<(f64, usize)> {
    let mut out: Vec<(f64, usize)> = Vec::new();
    for x in sorted {
        match out.last_mut() {
            Some((last, n)) if *x <= last.next_up() => {
                *last = *x;
                *n += 1;
            }
            _ => out.push((*x, 1)),
        }
    }
    out
}

/// Upper bounds with a bin for zero between the negative and the positive side.
fn around_zero(distinct: &[(f64, usize)], max_bin: usize, total: usize, min_data: usize) -> Vec<f64> {
    let negatives = distinct.partition_point(|(x, _)| *x <= -ZERO);
    let from_positive = distinct.partition_point(|(x, _)| *x <= ZERO);
    let count = |part: &[(f64, usize)]| part.iter().map(|(_, n)| n).sum::<usize>();
    let (left, right) = (&distinct[..negatives], &distinct[from_positive..]);
    let (left_count, right_count) = (count(left), count(right));
    let zeros = total - left_count - right_count;
    let mut bounds = Vec::new();
    if !left.is_empty() && max_bin > 1 {
        let share = left_count as f64 / (total - zeros) as f64;
        let bins = ((share * (max_bin - 1) as f64) as usize).max(1);
        bounds = equal_counts(left, bins, left_count, min_data);
        if let Some(last) = bounds.last_mut() {
            *last = -ZERO;
        }
    }
    let right_bins = (max_bin - 1).saturating_sub(bounds.len());
    if right.is_empty() || right_bins == 0 {
        bounds.push(f64::INFINITY);
    } else {
        bounds.push(ZERO);
        bounds.extend(equal_counts(right, right_bins, right_count, min_data));
    }
    bounds
}

fn push_bound(bounds: &mut Vec<f64>, low: f64, high: f64) -> bool {
    let bound = ((low + high) / 2.0).next_up();
    if bounds.last().is_some_and(|last| bound <= last.next_up()) {
        return false;
    }
    bounds.push(bound);
    true
}

/// Upper bounds of bins that hold about equally many rows; a value with many rows has its own.
pub(super) fn equal_counts(
    distinct: &[(f64, usize)],
    max_bin: usize,
    total: usize,
    min_data: usize,
) -> Vec<f64> {
    let mut bounds = Vec::new();
    if distinct.len() <= max_bin {
        let mut rows = 0;
        for pair in distinct.windows(2) {
            rows += pair[0].1;
            if rows >= min_data && push_bound(&mut bounds, pair[0].0, pair[1].0) {
                rows = 0;
            }
        }
    } else {
        for (upper, lower) in greedy_cuts(distinct, max_bin, total, min_data) {
            push_bound(&mut bounds, upper, lower);
        }
    }
    bounds.push(f64::INFINITY);
    bounds
}

/// Last value of each bin and first of the next.
fn greedy_cuts(distinct: &[(f64, usize)], max_bin: usize, total: usize, min_data: usize) -> Vec<(f64, f64)> {
    let max_bin = total.checked_div(min_data).map_or(max_bin, |most| max_bin.min(most).max(1));
    let mean = total as f64 / max_bin as f64;
    let is_big = |n: usize| n as f64 >= mean;
    let (mut rest_bins, mut rest_rows) = (max_bin as f64, total as f64);
    for (_, n) in distinct.iter().filter(|(_, n)| is_big(*n)) {
        rest_bins -= 1.0;
        rest_rows -= *n as f64;
    }
    let mut mean_now = rest_rows / rest_bins;
    let (mut cuts, mut rows) = (Vec::new(), 0usize);
    for pair in distinct.windows(2) {
        let ((x, n), (next, next_n)) = (pair[0], pair[1]);
        if !is_big(n) {
            rest_rows -= n as f64;
        }
        rows += n;
        let before_big = is_big(next_n) && rows as f64 >= (mean_now * 0.5).max(1.0);
        if is_big(n) || rows as f64 >= mean_now || before_big {
            cuts.push((x, next));
            if cuts.len() >= max_bin - 1 {
                break;
            }
            rows = 0;
            if !is_big(n) {
                rest_bins -= 1.0;
                mean_now = rest_rows / rest_bins;
            }
        }
    }
    cuts
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn zero_and_missing_have_their_own_bins() {
        let rule = BinRule { min_data_in_bin: 1, ..BinRule::default() };
        let m = BinMapper::numbers(&[-1.0, -1.0, 0.0, 2.0, 3.0, f64::NAN], &rule);
        assert_eq!(m.bins(), 5);
        let bins: Vec<usize> =
            [-5.0, -1.0, 0.0, 2.0, 2.4, 2.6, 99.0, f64::NAN].iter().map(|x| m.bin(*x)).collect();
        assert_eq!(bins, [0, 0, 1, 2, 2, 3, 3, 4]);
        let m = BinMapper::numbers(&[1.0, 2.0, f64::NAN], &BinRule { use_missing: false, ..rule });
        assert_eq!(m.bin(f64::NAN), m.bin(0.0));
    }

    #[test]
    fn bins_are_ordered_and_balanced() {
        let values: Vec<f64> = (0..10_000).map(|i| ((i * 7919) % 10_007) as f64 / 100.0 + 1.0).collect();
        let m = BinMapper::numbers(&values, &BinRule { max_bin: 16, ..BinRule::default() });
        assert!(m.bins() <= 16 && m.bins() >= 14, "{}", m.bins());
        let mut counts = vec![0; m.bins()];
        values.iter().for_each(|x| counts[m.bin(*x)] += 1);
        assert!(counts[1..].iter().all(|n| (500..900).contains(n)), "{counts:?}");
    }

    #[test]
    fn as_many_categories_as_cover_nearly_all() {
        let codes: Vec<u32> = (0..3000).flat_map(|c| [c; 3]).collect();
        let m = BinMapper::categories(&codes, &BinRule::default()).unwrap();
        assert_eq!(m.bins(), 2971);
        let codes: Vec<u32> = (0..70_000).flat_map(|c| [c; 3]).collect();
        let e = BinMapper::categories(&codes, &BinRule::default()).unwrap_err();
        assert!(e.message().contains("65535 categories"), "{e}");
    }

    #[test]
    fn common_categories_come_first() {
        let mut codes = vec![7u32; 50];
        codes.extend(vec![2; 40]);
        codes.extend([9, u32::MAX]);
        let m = BinMapper::categories(&codes, &BinRule::default()).unwrap();
        assert_eq!(m, BinMapper::Category { categories: vec![7, 2] });
        assert_eq!([m.bin(7.0), m.bin(2.0), m.bin(9.0), m.bin(f64::NAN)], [1, 2, 0, 0]);
    }
}

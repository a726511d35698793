//! The best split of a number feature: gains, thresholds, and on which side missing values fare better.
//!
//! Source: LightGBM's gain and leaf output (features of order 2, L1 and L2), its scan from both ends, its estimate of
//! a bin's rows from the share of hessians.
#![allow(clippy::indexing_slicing, reason = "bins stay below the histogram's length")]

use super::histogram::Cell;
use super::limits::{EPSILON, Limits};
use crate::boosting::data::{BinMapper, MissingKind, ZERO};
use crate::boosting::params::TreeParams;

/// Sums over the rows of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
    pub(super) rows: usize,
}

/// Which rows go left.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    /// Bins up to this one; missing values by `default_left`.
    UpTo { bin: usize, default_left: bool },
    /// These bins.
    Among(Vec<u16>),
}

/// A split of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Split {
    pub(super) gain: f64,
    /// Index into the layout's features.
    pub(super) feature: usize,
    pub(super) side: Side,
    /// Gradient and hessian sums of the left side.
    pub(super) left: (f64, f64),
    /// L2 that the outputs of the two sides are regularised with.
    pub(super) l2: f64,
}

/// Estimates rows from a sum of hessians.
pub(super) fn rows_of(hessian: f64, factor: f64) -> usize {
    (hessian * factor + 0.5) as usize
}

/// The best split of a number feature, if any has a positive gain; `only` leaves one threshold to look at.
pub(super) fn best(
    hist: &[Cell],
    mapper: &BinMapper,
    sums: Sums,
    limits: &Limits<'_>,
    only: Option<usize>,
) -> Option<Split> {
    let BinMapper::Number { missing, .. } = mapper else { return None };
    let p = limits.p;
    let total = (sums.gradient, sums.hessian + 2.0 * EPSILON);
    let base = limits.unbounded().side_gain(total, sums.rows, p.lambda_l2) + p.min_gain_to_split;
    let scan = Scan { hist, p, limits, sums, total, base, factor: sums.rows as f64 / sums.hessian, only };
    let skip = |kind| match kind {
        MissingKind::Zero => Some(mapper.bin(ZERO / 2.0)),
        _ => None,
    };
    let two = hist.len() > 2 && *missing != MissingKind::None;
    let nan_last = usize::from(two && *missing == MissingKind::Nan);
    let skip = skip(if two { *missing } else { MissingKind::None });
    let mut found = scan.right_to_left(nan_last, skip);
    // Where nothing is missing both scans say the same, the last bit apart.
    let missing_bin = skip.or(hist.len().checked_sub(1)).filter(|_| two);
    let some_missing = missing_bin.is_some_and(|bin| hist[bin][1] > 0.0);
    if two && some_missing {
        let forward = scan.left_to_right(skip);
        if forward.as_ref().is_some_and(|f| found.as_ref().is_none_or(|b| f.gain > b.gain)) {
            found = forward;
        }
    } else if !two
        && *missing == MissingKind::Nan
        && let Some(Split { side: Side::UpTo { default_left, .. }, .. }) = &mut found
    {
        *default_left = false;
    }
    found
}

struct Scan<'a> {
    hist: &'a [Cell],
    p: &'a TreeParams,
    limits: &'a Limits<'a>,
    sums: Sums,
    total: (f64, f64),
    base: f64,
    factor: f64,
    only: Option<usize>,
}

impl Scan<'_> {
    /// Adds bins to the right side from the last one down; what is skipped stays left.
    fn right_to_left(&self, nan_last: usize, skip: Option<usize>) -> Option<Split> {
        let (mut g, mut h, mut rows) = (0.0, EPSILON, 0);
        let mut best: Option<Split> = None;
        for bin in (1..self.hist.len() - nan_last).rev() {
            if skip == Some(bin) {
                continue;
            }
            let [bg, bh] = self.hist[bin];
            g += bg;
            h += bh;
            rows += rows_of(bh, self.factor);
            let left_rows = self.sums.rows.saturating_sub(rows);
            let left = (self.total.0 - g, self.total.1 - h);
            if rows < self.p.min_data_in_leaf || h < self.p.min_sum_hessian_in_leaf {
                continue;
            }
            if left_rows < self.p.min_data_in_leaf || left.1 < self.p.min_sum_hessian_in_leaf {
                break;
            }
            self.keep(&mut best, (left, left_rows), ((g, h), rows), bin - 1, true);
        }
        best
    }

    /// Adds bins to the left side from the first one up; what is skipped goes right, as the last bin does.
    fn left_to_right(&self, skip: Option<usize>) -> Option<Split> {
        let (mut g, mut h, mut rows) = (0.0, EPSILON, 0);
        let mut best: Option<Split> = None;
        for bin in 0..self.hist.len() - 1 {
            if skip == Some(bin) {
                continue;
            }
            let [bg, bh] = self.hist[bin];
            g += bg;
            h += bh;
            rows += rows_of(bh, self.factor);
            let right_rows = self.sums.rows.saturating_sub(rows);
            let right = (self.total.0 - g, self.total.1 - h);
            if rows < self.p.min_data_in_leaf || h < self.p.min_sum_hessian_in_leaf {
                continue;
            }
            if right_rows < self.p.min_data_in_leaf || right.1 < self.p.min_sum_hessian_in_leaf {
                break;
            }
            self.keep(&mut best, ((g, h), rows), (right, right_rows), bin, false);
        }
        best
    }

    fn keep(
        &self,
        best: &mut Option<Split>,
        left: ((f64, f64), usize),
        right: ((f64, f64), usize),
        bin: usize,
        default_left: bool,
    ) {
        if self.only.is_some_and(|only| only != bin) {
            return;
        }
        let l2 = self.p.lambda_l2;
        let Some(gain) = self.limits.gain_after(bin, left, right, l2).map(|gain| gain - self.base) else {
            return;
        };
        if gain > best.as_ref().map_or(0.0, |b| b.gain) {
            let side = Side::UpTo { bin, default_left };
            *best = Some(Split { gain, feature: 0, side, left: left.0, l2 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapper(bounds: usize, missing: MissingKind) -> BinMapper {
        let mut bounds: Vec<f64> = (1..bounds).map(|b| b as f64 + 0.5).collect();
        bounds.push(f64::INFINITY);
        BinMapper::Number { bounds, missing, range: (1.0, 9.0) }
    }

    fn params() -> TreeParams {
        TreeParams { min_data_in_leaf: 1, ..TreeParams::default() }
    }

    fn sums(hist: &[Cell]) -> Sums {
        let (g, h) = hist.iter().fold((0.0, 0.0), |a, c| (a.0 + c[0], a.1 + c[1]));
        Sums { gradient: g, hessian: h, rows: h as usize }
    }

    /// Against every threshold tried by hand.
    #[test]
    fn finds_what_trying_all_finds() {
        let mut random = lyceum_data::Random::new(3, 0);
        for _ in 0..200 {
            let hist: Vec<Cell> =
                (0..6).map(|_| [random.normal() * 5.0, 1.0 + random.below(9) as f64]).collect();
            let s = sums(&hist);
            let got = best(&hist, &mapper(6, MissingKind::None), s, &Limits::free(&params()), None);
            let side = |c: &[Cell]| c.iter().fold((0.0, 0.0), |a, c| (a.0 + c[0], a.1 + c[1]));
            let score = |(g, h): (f64, f64)| g * g / h;
            let all = (1..6).map(|t| score(side(&hist[..t])) + score(side(&hist[t..])));
            let want = all.fold(0.0, f64::max) - score(side(&hist));
            assert!((got.map_or(0.0, |s| s.gain) - want.max(0.0)).abs() < 1e-9);
        }
    }

    #[test]
    fn missing_values_go_where_they_fit() {
        let hist = [[5.0, 5.0], [-5.0, 5.0], [-4.0, 4.0]];
        let split =
            best(&hist, &mapper(2, MissingKind::Nan), sums(&hist), &Limits::free(&params()), None).unwrap();
        assert_eq!(split.side, Side::UpTo { bin: 0, default_left: false });
        let hist = [[5.0, 5.0], [-5.0, 5.0], [4.0, 4.0]];
        let split =
            best(&hist, &mapper(2, MissingKind::Nan), sums(&hist), &Limits::free(&params()), None).unwrap();
        assert_eq!(split.side, Side::UpTo { bin: 0, default_left: true });
    }

    #[test]
    fn small_leaves_are_refused() {
        let hist = [[5.0, 2.0], [-5.0, 40.0]];
        let p = TreeParams { min_data_in_leaf: 3, ..TreeParams::default() };
        assert_eq!(best(&hist, &mapper(2, MissingKind::None), sums(&hist), &Limits::free(&p), None), None);
    }
}

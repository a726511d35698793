//! The best split of a number feature when nothing but L1, L2 and the leaf limits constrains it: all thresholds in
//! single precision first, then those that come near the best in full.
//!
//! The answer is that of `numeric`, which is the definition.
#![allow(clippy::indexing_slicing, reason = "bins stay below the stride")]

use super::limits::{EPSILON, leaf_gain};
use super::numeric::{Side, Split, Sums, rows_of};
use super::packed::{Steps, split};
use crate::boosting::kernels::{STRIDE, Units, estimates, gains};
use crate::boosting::params::TreeParams;

/// Twice the relative error of a gain in single precision, with room.
const NEAR: f32 = 1e-5;

/// What a search writes into; anything may be in it before.
pub(super) struct Buffers {
    low: [i64; STRIDE],
    gain: [f32; STRIDE],
}

impl Default for Buffers {
    fn default() -> Self {
        Self { low: [0; STRIDE], gain: [0.0; STRIDE] }
    }
}

/// As [`super::numeric::best`] for a feature whose missing values are not told apart (`nan` is false) or have the last
/// bin.
pub(super) fn best(
    cells: &[i64],
    nan: bool,
    leaf: &Leaf<'_>,
    least: f64,
    buffers: &mut Buffers,
) -> Option<Split> {
    let Leaf { steps, sums, p } = *leaf;
    let Buffers { low, gain } = buffers;
    // With one bin beside the missing values' there is one threshold, and it leaves these on the right.
    let (cells, aside) = match cells.split_last() {
        Some((aside, there)) if nan && there.len() > 1 => (there, Some(*aside)),
        _ => (cells, None),
    };
    if cells.len() < 2 {
        return None;
    }
    let total = (sums.gradient, sums.hessian + 2.0 * EPSILON);
    let base = leaf_gain(total.0, total.1, p.lambda_l1, p.lambda_l2) + p.min_gain_to_split;
    let factor = sums.rows as f64 / sums.hessian;
    let mut running = 0i64;
    for (low, cell) in low.iter_mut().zip(cells) {
        running = running.wrapping_add(*cell);
        *low = running;
    }
    let all = estimates(cells, steps.hessian, factor);
    let scan = Scan { cells, low, running, all, factor, total, base, leaf };
    let mut found = scan.right_to_left(aside.unwrap_or_default(), least, gain);
    if aside.is_some() {
        let best = found.as_ref().map_or(least, |f| f.gain);
        found = scan.left_to_right(best, gain).or(found);
    } else if nan && let Some(Split { side: Side::UpTo { default_left, .. }, .. }) = &mut found {
        *default_left = false;
    }
    found
}

/// The leaf that is searched.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) steps: Steps,
    pub(super) sums: Sums,
    pub(super) p: &'a TreeParams,
}

struct Scan<'a> {
    /// Of the bins that are in order.
    cells: &'a [i64],
    /// Running sums of them.
    low: &'a [i64; STRIDE],
    /// The sum of all.
    running: i64,
    /// Their rows, estimated.
    all: usize,
    factor: f64,
    /// Of the leaf, missing values included.
    total: (f64, f64),
    base: f64,
    leaf: &'a Leaf<'a>,
}

impl Scan<'_> {
    /// Thresholds whose right side is what lies above them; missing values, `aside`, go left.
    fn right_to_left(&self, aside: i64, least: f64, gain: &mut [f32; STRIDE]) -> Option<Split> {
        let (Leaf { steps, sums, p }, bins, low) = (*self.leaf, self.cells.len(), self.low);
        let whole = split(self.running);
        let right = |bin: usize| {
            let (g, h) = split(low[bin]);
            ((whole.0 - g) as f64 * steps.gradient, (whole.1 - h) as f64 * steps.hessian + EPSILON)
        };
        // The range of thresholds that leave enough on both sides: from each end until there is enough. Rows are
        // estimated bin by bin from the right, so that those left of a bin are the leaf's less the estimates from there.
        let mut rows = 0;
        let to = (1..bins).rev().find(|bin| {
            rows += self.rows(*bin);
            rows >= p.min_data_in_leaf && right(bin - 1).1 >= p.min_sum_hessian_in_leaf
        })?;
        let mut before = self.rows(0);
        let from = (1..=to).find(|bin| {
            let left_rows = sums.rows.saturating_sub(self.all.saturating_sub(before));
            before += self.rows(*bin);
            left_rows >= p.min_data_in_leaf && self.total.1 - right(bin - 1).1 >= p.min_sum_hessian_in_leaf
        })? - 1;
        self.pick((from..to).rev(), aside, least, gain, |bin| {
            let right = right(bin);
            (true, (self.total.0 - right.0, self.total.1 - right.1), right)
        })
    }

    /// Thresholds whose left side is what lies up to them; missing values go right.
    fn left_to_right(&self, least: f64, gain: &mut [f32; STRIDE]) -> Option<Split> {
        let (Leaf { steps, sums, p }, bins, low) = (*self.leaf, self.cells.len(), self.low);
        let left = |bin: usize| {
            let (g, h) = split(low[bin]);
            (g as f64 * steps.gradient, h as f64 * steps.hessian + EPSILON)
        };
        let mut rows = 0;
        let from = (0..bins).find(|bin| {
            rows += self.rows(*bin);
            rows >= p.min_data_in_leaf && left(*bin).1 >= p.min_sum_hessian_in_leaf
        })?;
        let mut rows = self.all;
        let to = (from..bins).rev().find(|bin| {
            let enough = sums.rows.saturating_sub(rows) >= p.min_data_in_leaf
                && self.total.1 - left(*bin).1 >= p.min_sum_hessian_in_leaf;
            rows -= self.rows(*bin);
            enough
        })? + 1;
        self.pick(from..to, 0, least, gain, |bin| {
            let left = left(bin);
            (false, left, (self.total.0 - left.0, self.total.1 - left.1))
        })
    }

    fn rows(&self, bin: usize) -> usize {
        rows_of(split(self.cells[bin]).1 as f64 * self.leaf.steps.hessian, self.factor)
    }

    /// The best of some thresholds, of equals the first; `sides` says where missing values go and the sums of the sides.
    fn pick(
        &self,
        thresholds: impl Iterator<Item = usize> + Clone,
        aside: i64,
        least: f64,
        gain: &mut [f32; STRIDE],
        sides: impl Fn(usize) -> (bool, (f64, f64), (f64, f64)),
    ) -> Option<Split> {
        let Leaf { steps, p, .. } = *self.leaf;
        let (l1, l2) = (p.lambda_l1, p.lambda_l2);
        let units = Units { step: (steps.gradient, steps.hessian), total: self.total, l1, l2 };
        let (from, to) = (thresholds.clone().min()?, thresholds.clone().max()? + 1);
        let most = gains(self.low, aside, &units, from..to, gain);
        let wanted = most - most.abs() * NEAR;
        if f64::from(most + most.abs() * NEAR) - self.base <= least {
            return None;
        }
        let mut found: Option<Split> = None;
        for bin in thresholds.filter(|b| gain[*b] >= wanted) {
            let (default_left, left, right) = sides(bin);
            let gain = leaf_gain(left.0, left.1, l1, l2) + leaf_gain(right.0, right.1, l1, l2) - self.base;
            if gain > found.as_ref().map_or(least, |s| s.gain) {
                let side = Side::UpTo { bin, default_left };
                found = Some(Split { gain, feature: 0, side, left, l2 });
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::super::histogram::real;
    use super::super::limits::Limits;
    use super::*;
    use crate::boosting::data::{BinMapper, MissingKind};
    use lyceum_data::Random;

    #[test]
    fn finds_what_the_definition_finds() {
        let mut random = Random::new(6, 0);
        let steps = Steps { gradient: 0.01, hessian: 0.002 };
        for round in 0..400 {
            let bins = 2 + random.below(250);
            let cells: Vec<i64> = (0..bins)
                .map(|_| ((random.normal() * 300.0) as i64 * (1 << 32)) + random.below(900) as i64)
                .collect();
            let p = TreeParams {
                min_data_in_leaf: 1 + round % 30,
                lambda_l1: if round % 3 == 0 { 0.5 } else { 0.0 },
                lambda_l2: (round % 2) as f64,
                ..TreeParams::default()
            };
            let (g, h) = split(cells.iter().sum());
            let hessian = h as f64 * steps.hessian;
            let sums = Sums { gradient: g as f64 * steps.gradient, hessian, rows: (hessian * 4.0) as usize };
            let mut full = Vec::new();
            real(&cells, steps, &mut full);
            let nan = round % 5 < 2;
            let mut bounds: Vec<f64> = (1..bins - usize::from(nan)).map(|b| b as f64).collect();
            bounds.push(f64::INFINITY);
            let missing = if nan { MissingKind::Nan } else { MissingKind::None };
            let mapper = BinMapper::Number { bounds, missing, range: (0.0, 300.0) };
            let want = super::super::numeric::best(&full, &mapper, sums, &Limits::free(&p), None);
            let leaf = Leaf { steps, sums, p: &p };
            let got = best(&cells, nan, &leaf, 0.0, &mut Buffers::default());
            match (got, want) {
                (None, None) => {}
                (Some(got), Some(want)) => {
                    assert!((got.gain - want.gain).abs() <= 1e-9 * want.gain.abs(), "{got:?} {want:?}");
                    assert!(got.side == want.side || (got.gain - want.gain).abs() > 0.0, "{got:?} {want:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

//! The best split of a number feature when nothing but L1, L2 and the leaf limits constrains it: all thresholds in
//! single precision first, then those that come near the best in full.
//!
//! The answer is that of `numeric`, which is the definition.
#![allow(clippy::indexing_slicing, reason = "bins stay below the stride")]

use super::limits::{EPSILON, leaf_gain};
use super::numeric::{Side, Split, Sums};
use super::packed::{Steps, split};
use crate::boosting::kernels::{STRIDE, Units, estimates, gains};
use crate::boosting::params::TreeParams;
use std::ops::Range;

/// Twice the relative error of a gain in single precision, with room.
const NEAR: f32 = 1e-5;

/// What a search writes into; anything may be in it before.
pub(super) struct Buffers {
    low: [i64; STRIDE],
    rows: [i64; STRIDE],
    gain: [f32; STRIDE],
    near: Vec<usize>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { low: [0; STRIDE], rows: [0; STRIDE], gain: [0.0; STRIDE], near: Vec::new() }
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
    let Buffers { low, rows, gain, near } = buffers;
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
    estimates(cells, steps.hessian, factor, rows);
    let (mut running, mut all) = (0i64, 0i64);
    for ((low, rows), cell) in low.iter_mut().zip(rows.iter_mut()).zip(cells) {
        running = running.wrapping_add(*cell);
        *low = running;
        all += *rows;
        *rows = all;
    }
    let scan = Scan { bins: cells.len(), low, rows, running, all, total, base, leaf };
    let mut found = scan.right_to_left(aside.unwrap_or_default(), least, (&mut *gain, &mut *near));
    if aside.is_some() {
        let best = found.as_ref().map_or(least, |f| f.gain);
        found = scan.left_to_right(best, (gain, near)).or(found);
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

/// Gains of thresholds, and those that come near the best.
type Room<'a> = (&'a mut [f32; STRIDE], &'a mut Vec<usize>);

struct Scan<'a> {
    /// Bins that are in order.
    bins: usize,
    /// Running sums of them.
    low: &'a [i64; STRIDE],
    /// Running sums of their rows, each estimated.
    rows: &'a [i64; STRIDE],
    /// The sum of all, and their rows.
    running: i64,
    all: i64,
    /// Of the leaf, missing values included.
    total: (f64, f64),
    base: f64,
    leaf: &'a Leaf<'a>,
}

impl Scan<'_> {
    /// Thresholds whose right side is what lies above them; missing values, `aside`, go left.
    fn right_to_left(&self, aside: i64, least: f64, room: Room<'_>) -> Option<Split> {
        let (Leaf { steps, sums, p }, low) = (*self.leaf, self.low);
        let whole = split(self.running);
        let right = |bin: usize| {
            let (g, h) = split(low[bin]);
            ((whole.0 - g) as f64 * steps.gradient, (whole.1 - h) as f64 * steps.hessian + EPSILON)
        };
        let enough = |rows: i64, hessian: f64| {
            rows >= p.min_data_in_leaf as i64 && hessian >= p.min_sum_hessian_in_leaf
        };
        // From both ends, thresholds that leave too little on a side.
        let above = |bin: usize| self.all - self.rows[bin];
        let to = first(0..self.bins - 1, |bin| !enough(above(bin), right(bin).1));
        let from = first(0..to, |bin| enough(sums.rows as i64 - above(bin), self.total.1 - right(bin).1));
        self.pick(from..to, true, aside, least, room, |bin| {
            let right = right(bin);
            ((self.total.0 - right.0, self.total.1 - right.1), right)
        })
    }

    /// Thresholds whose left side is what lies up to them; missing values go right.
    fn left_to_right(&self, least: f64, room: Room<'_>) -> Option<Split> {
        let (Leaf { steps, sums, p }, low) = (*self.leaf, self.low);
        let left = |bin: usize| {
            let (g, h) = split(low[bin]);
            (g as f64 * steps.gradient, h as f64 * steps.hessian + EPSILON)
        };
        let enough = |rows: i64, hessian: f64| {
            rows >= p.min_data_in_leaf as i64 && hessian >= p.min_sum_hessian_in_leaf
        };
        let from = first(0..self.bins, |bin| enough(self.rows[bin], left(bin).1));
        let rest = |bin: usize| sums.rows as i64 - self.rows[bin];
        let to = first(from..self.bins, |bin| !enough(rest(bin), self.total.1 - left(bin).1));
        self.pick(from..to, false, 0, least, room, |bin| {
            let left = left(bin);
            (left, (self.total.0 - left.0, self.total.1 - left.1))
        })
    }

    /// The best of some thresholds, of equals the one that the scan meets first; `sides` says the sums of the sides.
    fn pick(
        &self,
        thresholds: Range<usize>,
        default_left: bool,
        aside: i64,
        least: f64,
        (gain, near): Room<'_>,
        sides: impl Fn(usize) -> ((f64, f64), (f64, f64)),
    ) -> Option<Split> {
        if thresholds.is_empty() {
            return None;
        }
        let Leaf { steps, p, .. } = *self.leaf;
        let (l1, l2) = (p.lambda_l1, p.lambda_l2);
        let units = Units { step: (steps.gradient, steps.hessian), total: self.total, l1, l2 };
        let most = gains(self.low, aside, &units, thresholds.clone(), gain);
        let wanted = most - most.abs() * NEAR;
        if f64::from(most + most.abs() * NEAR) - self.base <= least {
            return None;
        }
        near.clear();
        for (i, chunk) in gain[thresholds.clone()].chunks(16).enumerate() {
            if chunk.iter().fold(false, |any, g| any | (*g >= wanted)) {
                let at = chunk.iter().enumerate().filter(|(_, g)| **g >= wanted);
                near.extend(at.map(|(j, _)| thresholds.start + i * 16 + j));
            }
        }
        if default_left {
            near.reverse();
        }
        let mut found: Option<Split> = None;
        for bin in near.iter().copied() {
            let (left, right) = sides(bin);
            let gain = leaf_gain(left.0, left.1, l1, l2) + leaf_gain(right.0, right.1, l1, l2) - self.base;
            if gain > found.as_ref().map_or(least, |s| s.gain) {
                let side = Side::UpTo { bin, default_left };
                found = Some(Split { gain, feature: 0, side, left, l2 });
            }
        }
        found
    }
}

/// The first bin of a range that something holds for, and for all after it; the range's end where there is none.
fn first(range: Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (range.start, range.end);
    while from < to {
        let middle = from.midpoint(to);
        if holds(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
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
                    assert_eq!(got.side, want.side);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

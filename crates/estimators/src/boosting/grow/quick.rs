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

/// As [`super::numeric::best`] for a feature without missing values, or whose missing values are not told apart.
pub(super) fn best(
    cells: &[i64],
    steps: Steps,
    sums: Sums,
    p: &TreeParams,
    least: f64,
    buffers: &mut Buffers,
) -> Option<Split> {
    let Buffers { low, gain } = buffers;
    let bins = cells.len();
    if bins < 2 {
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
    // The range of thresholds that leave enough on both sides: from each end until there is enough. Rows are estimated
    // bin by bin from the right, so that those left of a bin are the leaf's less the estimates from there on.
    let whole = split(running);
    let estimate = |bin: usize| rows_of(split(cells[bin]).1 as f64 * steps.hessian, factor);
    let right_hessian = |bin: usize| (whole.1 - split(low[bin - 1]).1) as f64 * steps.hessian + EPSILON;
    let mut rows = 0;
    let to = (1..bins).rev().find(|bin| {
        rows += estimate(*bin);
        rows >= p.min_data_in_leaf && right_hessian(*bin) >= p.min_sum_hessian_in_leaf
    })?;
    let all = estimates(cells, steps.hessian, factor);
    let mut before = estimate(0);
    let from = (1..=to).find(|bin| {
        let left_rows = sums.rows.saturating_sub(all.saturating_sub(before));
        before += estimate(*bin);
        left_rows >= p.min_data_in_leaf && total.1 - right_hessian(*bin) >= p.min_sum_hessian_in_leaf
    })? - 1;
    let units = Units { step: (steps.gradient, steps.hessian), total, l1: p.lambda_l1, l2: p.lambda_l2 };
    let most = gains(low, &units, from..to, gain);
    let wanted = most - most.abs() * NEAR;
    if f64::from(most + most.abs() * NEAR) - base <= least {
        return None;
    }
    let mut found: Option<Split> = None;
    for bin in (from..to).rev().filter(|b| gain[*b] >= wanted) {
        // The right side is summed, the left is what is left of the leaf, as in a scan from the right.
        let (lg, lh) = split(low[bin]);
        let right = ((whole.0 - lg) as f64 * steps.gradient, (whole.1 - lh) as f64 * steps.hessian + EPSILON);
        let left = (total.0 - right.0, total.1 - right.1);
        let gain = leaf_gain(left.0, left.1, p.lambda_l1, p.lambda_l2)
            + leaf_gain(right.0, right.1, p.lambda_l1, p.lambda_l2)
            - base;
        if gain > found.as_ref().map_or(0.0, |s| s.gain) {
            let side = Side::UpTo { bin, default_left: true };
            found = Some(Split { gain, feature: 0, side, left, l2: p.lambda_l2 });
        }
    }
    found
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
            let mut bounds: Vec<f64> = (1..bins).map(|b| b as f64).collect();
            bounds.push(f64::INFINITY);
            let mapper = BinMapper::Number { bounds, missing: MissingKind::None, range: (0.0, 300.0) };
            let want = super::super::numeric::best(&full, &mapper, sums, &Limits::free(&p), None);
            let got = best(&cells, steps, sums, &p, 0.0, &mut Buffers::default());
            match (got, want) {
                (None, None) => {}
                (Some(got), Some(want)) => {
                    assert!((got.gain - want.gain).abs() <= 1e-9 * want.gain.abs(), "{got:?} {want:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

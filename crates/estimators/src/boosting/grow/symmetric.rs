//! Oblivious trees: all leaves of a level are split by one feature and threshold, as CatBoost grows them
//! (Prokhorenkova et al. 2018). A leaf that a split would leave with fewer than `min_data_in_leaf` rows on a side counts
//! as whole there, and both its sides keep its output.
#![allow(clippy::indexing_slicing, reason = "leaves, blocks and features stay below the lengths made here")]

use super::histogram::{Cell, Histogram, clear, real, subtract};
use super::limits::{EPSILON, leaf_gain};
use super::numeric::{Side, Split, Sums, rows_of};
use super::search::Asked;
use super::{Growing, Leaf};
use crate::boosting::data::{BinMapper, MissingKind};
use crate::boosting::kernels::Rows;
use crate::boosting::model::Tree;
use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

/// A split of a whole level.
struct Level {
    gain: f64,
    feature: usize,
    side: Side,
}

impl Growing<'_> {
    /// The tree, and the L2 of each leaf whose output is its own.
    pub(super) fn symmetric(&mut self) -> (Tree, Vec<Option<f64>>) {
        let p = &self.search.params.tree;
        let depth = if p.max_depth > 0 { p.max_depth as usize } else { 6 };
        let mut tree = Tree { shrinkage: 1.0, ..Tree::default() };
        let mut leaves = vec![self.root()];
        let mut l2 = vec![Some(p.lambda_l2)];
        for level in 0..depth {
            let Some(best) = self.best_level(&leaves) else { break };
            let last = level + 1 == depth;
            for at in 0..leaves.len() {
                let before = leaves[at].output;
                let split = self.part(&leaves[at], &best);
                self.apply(&mut tree, &mut leaves, at, &split);
                let right = leaves.len() - 1;
                l2.push(l2[at]);
                let enough =
                    |leaf: &Leaf| leaf.sums.rows >= p.min_data_in_leaf && leaf.sums.hessian > EPSILON;
                if !(enough(&leaves[at]) && enough(&leaves[right])) {
                    (leaves[at].output, leaves[right].output) = (before, before);
                    (l2[at], l2[right]) = (None, None);
                }
                if last {
                    let old = std::mem::take(&mut leaves[at].histogram);
                    self.spare.give(old);
                } else {
                    self.share(&mut leaves, at, right);
                }
            }
        }
        self.finish(&mut tree, leaves);
        (tree, l2)
    }

    /// Histograms of both sides of a leaf that was divided.
    fn share(&mut self, leaves: &mut [Leaf], left: usize, right: usize) {
        let big = std::mem::take(&mut leaves[left].histogram);
        let small = self.spare.take(self.blocks);
        let left_is_small = leaves[left].sums.rows <= leaves[right].sums.rows;
        let at = if left_is_small { left } else { right };
        self.each_block(|b, order, _| {
            let block = &self.blocks[b];
            let rows = order.of(at);
            let mut own = small[b].lock().unwrap_or_else(PoisonError::into_inner);
            let mut other = big[b].lock().unwrap_or_else(PoisonError::into_inner);
            clear(&mut own, block);
            block.accumulate(self.data, Rows::Of(rows), self.packed, &mut own);
            subtract(&mut other, &own, block);
            [None, None]
        });
        let (of_left, of_right): (Histogram, Histogram) =
            if left_is_small { (small, big) } else { (big, small) };
        leaves[left].histogram = of_left;
        leaves[right].histogram = of_right;
    }

    /// The split that takes most loss away over all leaves.
    fn best_level(&self, leaves: &[Leaf]) -> Option<Level> {
        let asked: Vec<Option<Asked<'_>>> =
            leaves.iter().enumerate().map(|(i, l)| self.search.asked(l, i)).collect();
        if asked.iter().all(Option::is_none) {
            return None;
        }
        let found: Vec<Mutex<Option<Level>>> = self.blocks.iter().map(|_| Mutex::new(None)).collect();
        self.pool.run_near(found.len(), |b| {
            let mut best: Option<Level> = None;
            for (j, feature) in self.blocks[b].features().enumerate() {
                if !self.search.may(feature) {
                    continue;
                }
                if let Some(level) = self.level_of(leaves, b, j, feature)
                    && level.gain > best.as_ref().map_or(0.0, |b| b.gain)
                {
                    best = Some(level);
                }
            }
            *found[b].lock().unwrap_or_else(PoisonError::into_inner) = best;
        });
        let all = found.into_iter().filter_map(|m| m.into_inner().unwrap_or_else(PoisonError::into_inner));
        let column = |l: &Level| self.search.layout.features[l.feature].index;
        all.reduce(|a, b| match b.gain.total_cmp(&a.gain) {
            Ordering::Greater => b,
            Ordering::Equal if column(&b) < column(&a) => b,
            _ => a,
        })
    }

    /// The best split of all leaves on one feature.
    fn level_of(&self, leaves: &[Leaf], block: usize, place: usize, feature: usize) -> Option<Level> {
        let p = &self.search.params.tree;
        let mapper = &self.search.layout.features[feature].mapper;
        let bins = mapper.bins();
        // With missing values last or among the others, both sides are tried for them.
        let (thresholds, apart) = match mapper {
            BinMapper::Category { .. } => (bins, None),
            BinMapper::Number { missing: MissingKind::Nan, .. } => (bins - 2, Some(bins - 1)),
            BinMapper::Number { missing: MissingKind::Zero, .. } => (bins - 1, Some(mapper.bin(0.0))),
            BinMapper::Number { .. } => (bins - 1, None),
        };
        let mut gains = [vec![0.0; bins], vec![0.0; bins]];
        let (mut cells, mut buffer): (Vec<Cell>, Vec<i64>) = (Vec::new(), Vec::new());
        let block_of = &self.blocks[block];
        for leaf in leaves {
            let own = leaf.histogram[block].lock().unwrap_or_else(PoisonError::into_inner);
            let totals = block_of.totals(&own);
            real(block_of.own(place, &own, &totals, &mut buffer), self.search.steps, &mut cells);
            drop(own);
            let total = (leaf.sums.gradient, leaf.sums.hessian + 2.0 * EPSILON);
            let whole = leaf_gain(total.0, total.1, p.lambda_l1, p.lambda_l2);
            let factor = leaf.sums.rows as f64 / leaf.sums.hessian.max(EPSILON);
            let gain = |left: (f64, f64), rows: usize| {
                let right = (total.0 - left.0, total.1 - left.1);
                let rest = leaf.sums.rows.saturating_sub(rows);
                let least = p.min_sum_hessian_in_leaf;
                if rows.min(rest) < p.min_data_in_leaf || left.1.min(right.1) < least {
                    return 0.0;
                }
                let side = |(g, h): (f64, f64)| leaf_gain(g, h, p.lambda_l1, p.lambda_l2);
                side(left) + side(right) - whole
            };
            if matches!(mapper, BinMapper::Category { .. }) {
                for (bin, [g, h]) in cells.iter().enumerate().skip(1) {
                    gains[0][bin] += gain((*g, h + EPSILON), rows_of(*h, factor));
                }
                continue;
            }
            let aside = apart.map_or([0.0; 2], |bin| cells[bin]);
            let (mut g, mut h, mut rows) = (0.0, EPSILON, 0);
            for (bin, [bg, bh]) in cells.iter().enumerate().take(thresholds) {
                if apart != Some(bin) {
                    g += bg;
                    h += bh;
                    rows += rows_of(*bh, factor);
                }
                gains[0][bin] += gain((g, h), rows);
                if apart.is_some() {
                    gains[1][bin] += gain((g + aside[0], h + aside[1]), rows + rows_of(aside[1], factor));
                }
            }
        }
        let category = matches!(mapper, BinMapper::Category { .. });
        let candidates = gains.iter().enumerate().flat_map(|(d, g)| {
            g.iter().enumerate().map(move |(bin, gain)| (*gain - p.min_gain_to_split, bin, d == 1))
        });
        let (gain, bin, default_left) = candidates.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        let side = if category {
            Side::Among(vec![bin as u16])
        } else {
            Side::UpTo { bin, default_left: default_left || apart.is_none() }
        };
        (gain > 0.0).then_some(Level { gain, feature, side })
    }

    /// What the split of a level is for one leaf.
    fn part(&self, leaf: &Leaf, level: &Level) -> Split {
        let found =
            self.blocks.iter().enumerate().find_map(|(b, block)| Some((b, block.place(level.feature)?)));
        let (block, place) = found.unwrap_or_default();
        let mapper = &self.search.layout.features[level.feature].mapper;
        let bins = super::write::left_bins(mapper, &level.side);
        let own = leaf.histogram[block].lock().unwrap_or_else(PoisonError::into_inner);
        let (totals, mut buffer) = (self.blocks[block].totals(&own), Vec::new());
        let cells = self.blocks[block].own(place, &own, &totals, &mut buffer).iter().enumerate();
        let sum = cells.filter(|(bin, _)| bins.has(*bin)).fold(0i64, |s, (_, c)| s.wrapping_add(*c));
        let (g, h) = super::packed::split(sum);
        let steps = self.search.steps;
        let left = (g as f64 * steps.gradient, h as f64 * steps.hessian);
        let Sums { gradient, hessian, .. } = leaf.sums;
        let p = &self.search.params.tree;
        let side = |g: f64, h: f64| if h > EPSILON { leaf_gain(g, h, p.lambda_l1, p.lambda_l2) } else { 0.0 };
        let gain = side(left.0, left.1) + side(gradient - left.0, hessian - left.1) - side(gradient, hessian);
        let gain = gain.max(0.0) - p.min_gain_to_split;
        Split { gain, feature: level.feature, side: level.side.clone(), left, l2: p.lambda_l2 }
    }
}

//! Best leaf first, as LightGBM grows a tree.
#![allow(clippy::indexing_slicing, reason = "leaves, blocks and features stay below the lengths made here")]

use super::histogram::{Histogram, clear, subtract};
use super::numeric::{Split, Sums};
use super::packed::split;
use super::partition::Partition;
use super::search::{Asked, Scratch};
use super::{Growing, Leaf, monotone, write};
use crate::boosting::data::Column;
use crate::boosting::kernels::{LeftBins, Rows};
use crate::boosting::model::Tree;
use std::sync::{Mutex, PoisonError};

/// Best splits of the small and the big child.
pub(super) type Found = [Option<Split>; 2];

impl Growing<'_> {
    /// The tree, and the L2 that each leaf's output was made with.
    pub(super) fn leaf_wise(&mut self) -> (Tree, Vec<Option<f64>>) {
        let params = self.search.params;
        let mut tree = Tree { shrinkage: 1.0, ..Tree::default() };
        let mut leaves = vec![self.root()];
        self.search_root(&mut leaves[0]);
        self.force(&mut tree, &mut leaves);
        while leaves.len() < params.tree.num_leaves {
            let gain = |l: &Leaf| l.best.as_ref().map_or(0.0, |b| b.gain);
            let next = (0..leaves.len()).rev().max_by(|a, b| gain(&leaves[*a]).total_cmp(&gain(&leaves[*b])));
            let Some((at, split)) = next.and_then(|n| leaves[n].best.take().map(|s| (n, s))) else { break };
            self.step(&mut tree, &mut leaves, at, &split);
        }
        let l2 = leaves.iter().map(|l| Some(l.l2)).collect();
        self.finish(&mut tree, leaves);
        (tree, l2)
    }

    /// Splits a leaf and searches what has to be.
    pub(super) fn step(&mut self, tree: &mut Tree, leaves: &mut Vec<Leaf>, at: usize, split: &Split) {
        self.pay(leaves, at, split.feature);
        self.apply(tree, leaves, at, split);
        self.children(leaves, at);
        for changed in monotone::tighten(tree, leaves, at, &self.search) {
            self.search_again(&mut leaves[changed], changed);
        }
    }

    /// The leaf of all rows, its histogram built.
    pub(super) fn root(&mut self) -> Leaf {
        let p = &self.search.params.tree;
        let histogram = self.spare.take(self.blocks);
        self.each_block(|b, order, _| {
            let block = &self.blocks[b];
            let rows = order.of(0);
            let mut cells = histogram[b].lock().unwrap_or_else(PoisonError::into_inner);
            clear(&mut cells, block);
            let rows = if self.whole { Rows::All(0..rows.len()) } else { Rows::Of(rows) };
            block.accumulate(self.data, rows, self.packed, &mut cells);
            [None, None]
        });
        let rows = self.lanes[0].of(0);
        // Every row has a bin of the first byte.
        let first = histogram.first().zip(self.blocks.first()).map(|(h, block)| {
            let cells = h.lock().unwrap_or_else(PoisonError::into_inner);
            let own = block.used().next().unwrap_or_default();
            split(cells[own].iter().fold(0i64, |s, c| s.wrapping_add(*c)))
        });
        let (g, h) = first.unwrap_or_default();
        let steps = self.search.steps;
        let sums =
            Sums { gradient: g as f64 * steps.gradient, hessian: h as f64 * steps.hessian, rows: rows.len() };
        Leaf {
            sums,
            output: super::limits::output(sums.gradient, sums.hessian.max(1e-300), p.lambda_l1, p.lambda_l2),
            depth: 0,
            parent: None,
            l2: p.lambda_l2,
            bounds: monotone::NO_BOUNDS,
            barren: self.search.none_barren(),
            stairs: monotone::first_stairs(p, self.search.layout.features.len()),
            path: Vec::new(),
            histogram,
            best: None,
        }
    }

    fn search_root(&self, root: &mut Leaf) {
        self.search_again(root, 0);
    }

    /// Searches a leaf whose histogram is there.
    fn search_again(&self, leaf: &mut Leaf, at: usize) {
        leaf.best = None;
        let Some(asked) = self.asked(leaf, at) else { return };
        if leaf.histogram.is_empty() {
            return;
        }
        let found = self.each_block(|b, _, scratch| {
            let cells = leaf.histogram[b].lock().unwrap_or_else(PoisonError::into_inner);
            [self.block(b, &cells, Some(&asked), scratch), None]
        });
        leaf.best = self.best_of(found)[0].take();
        leaf.barren = asked.barren();
    }

    /// Divides a leaf's rows and writes the split.
    pub(super) fn apply(&mut self, tree: &mut Tree, leaves: &mut Vec<Leaf>, at: usize, split: &Split) {
        let bins = write::left_bins(&self.search.layout.features[split.feature].mapper, &split.side);
        let column = &self.data.columns[split.feature];
        self.divide(at, (column, &bins));
        let counts = (self.lanes[0].of(at).len(), self.lanes[0].of(leaves.len()).len());
        write::record(tree, leaves, at, split, counts, &self.search);
    }

    fn divide(&mut self, leaf: usize, by: (&Column, &LeftBins)) {
        let lanes: Vec<Mutex<&mut Partition>> = self.lanes.iter_mut().map(Mutex::new).collect();
        let own = |lane: usize| lanes[lane].lock().unwrap_or_else(PoisonError::into_inner);
        let write = |lane: usize| self.halves[lane].write().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() > 1 && own(0).is_shared(leaf) {
            self.pool.run_near(lanes.len(), |lane| {
                own(lane).divide(leaf, (lane, lanes.len()), by, &mut write(lane));
            });
            self.pool.run_near(lanes.len(), |lane| {
                let all: Vec<_> =
                    self.halves.iter().map(|h| h.read().unwrap_or_else(PoisonError::into_inner)).collect();
                own(lane).join(leaf, all.iter().map(|h| &**h));
            });
        } else {
            self.pool.run_near(lanes.len(), |lane| {
                let (mut order, mut halves) = (own(lane), write(lane));
                order.divide(leaf, (0, 1), by, &mut halves);
                order.join(leaf, std::iter::once(&*halves));
            });
        }
    }

    /// Histograms and best splits of the leaf that was divided and the last one.
    fn children(&mut self, leaves: &mut [Leaf], left: usize) {
        let right = leaves.len() - 1;
        let big = std::mem::take(&mut leaves[left].histogram);
        if leaves.len() >= self.search.params.tree.num_leaves {
            self.spare.give(big);
            return;
        }
        let left_is_small = leaves[left].sums.rows <= leaves[right].sums.rows;
        let (small_at, big_at) = if left_is_small { (left, right) } else { (right, left) };
        let asked = [self.asked(&leaves[small_at], small_at), self.asked(&leaves[big_at], big_at)];
        if asked.iter().all(Option::is_none) {
            self.spare.give(big);
            return;
        }
        let small = self.spare.take(self.blocks);
        let found = self.each_block(|b, order, scratch| {
            let block = &self.blocks[b];
            let rows = order.of(small_at);
            let mut own = small[b].lock().unwrap_or_else(PoisonError::into_inner);
            let mut other = big[b].lock().unwrap_or_else(PoisonError::into_inner);
            clear(&mut own, block);
            block.accumulate(self.data, Rows::Of(rows), self.packed, &mut own);
            subtract(&mut other, &own, block);
            let small = self.block(b, &own, asked[0].as_ref(), scratch);
            [small, self.block(b, &other, asked[1].as_ref(), scratch)]
        });
        let [for_small, for_big] = self.best_of(found);
        for (at, asked) in [small_at, big_at].into_iter().zip(asked) {
            leaves[at].barren = asked.map_or(Vec::new(), Asked::barren);
        }
        self.settle(&mut leaves[small_at], small, for_small);
        self.settle(&mut leaves[big_at], big, for_big);
    }

    /// Keeps a histogram where it may be needed.
    fn settle(&mut self, leaf: &mut Leaf, histogram: Histogram, best: Option<Split>) {
        let needed = best.is_some()
            || self.forced.is_some()
            || self.costs.is_some()
            || monotone::looks_back(&self.search.params.tree);
        leaf.best = best;
        if needed {
            leaf.histogram = histogram;
        } else {
            self.spare.give(histogram);
        }
    }

    /// Runs a task for each block, with its thread's order of the rows; the answers come in the blocks' order.
    pub(super) fn each_block(
        &self,
        task: impl Fn(usize, &Partition, &mut Scratch) -> Found + Sync,
    ) -> Vec<Found> {
        let out: Vec<Mutex<Found>> = self.blocks.iter().map(|_| Mutex::new([None, None])).collect();
        self.pool.run_near(self.shares.len(), |lane| {
            let mut scratch = Scratch::default();
            for b in self.shares[lane].clone() {
                let found = task(b, &self.lanes[lane], &mut scratch);
                *out[b].lock().unwrap_or_else(PoisonError::into_inner) = found;
            }
        });
        out.into_iter().map(|m| m.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// The best split of a leaf on the features of a block; of equals the first.
    fn block(
        &self,
        b: usize,
        cells: &[i64],
        asked: Option<&Asked<'_>>,
        scratch: &mut Scratch,
    ) -> Option<Split> {
        let asked = asked?;
        let mut best: Option<Split> = None;
        let block = &self.blocks[b];
        let totals = block.totals(cells);
        let mut buffer = std::mem::take(&mut scratch.shared);
        for (place, feature) in block.features().enumerate() {
            let least = best.as_ref().map_or(0.0, |b| b.gain);
            let own = block.own(place, cells, &totals, &mut buffer);
            if let Some(found) = self.search.feature(feature, own, asked, least, scratch) {
                best = Some(found);
            }
        }
        scratch.shared = buffer;
        best
    }

    /// The best of the blocks' splits; of equals that of the first column.
    fn best_of(&self, found: Vec<Found>) -> Found {
        let column = |s: &Split| self.search.layout.features[s.feature].index;
        let betters =
            |s: &Split, best: &Split| s.gain > best.gain || (s.gain == best.gain && column(s) < column(best));
        found.into_iter().fold([None, None], |mut best, found| {
            for (best, new) in best.iter_mut().zip(found) {
                if new.as_ref().is_some_and(|s| best.as_ref().is_none_or(|b| betters(s, b))) {
                    *best = new;
                }
            }
            best
        })
    }

    /// Writes the leaves and gives their histograms back.
    pub(super) fn finish(&mut self, tree: &mut Tree, leaves: Vec<Leaf>) {
        let alone = leaves.len() == 1;
        for (at, leaf) in leaves.into_iter().enumerate() {
            tree.leaf_value.push(if alone { 0.0 } else { leaf.output });
            tree.leaf_weight.push(leaf.sums.hessian);
            tree.leaf_count.push(self.lanes[0].of(at).len());
            self.spare.give(leaf.histogram);
        }
    }
}

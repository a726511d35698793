//! Rows in the order of the leaves that they are in, ascending within each.
//!
//! Each thread that sums histograms keeps an order of its own and divides it alike: rows that one core divided and
//! another reads would cost more than dividing them twice.
#![allow(clippy::indexing_slicing, reason = "leaves are ranges of the order")]

use crate::boosting::data::Column;
use crate::boosting::kernels::LeftBins;
use std::ops::Range;

#[derive(Default)]
pub(super) struct Partition {
    order: Vec<u32>,
    leaves: Vec<Range<usize>>,
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Partition {
    /// No rows.
    pub(super) const fn none() -> Self {
        Self { order: Vec::new(), leaves: Vec::new(), left: Vec::new(), right: Vec::new() }
    }

    /// All rows in one leaf.
    pub(super) fn reset(&mut self, rows: impl Iterator<Item = u32>) {
        self.order.clear();
        self.order.extend(rows);
        self.leaves.clear();
        self.leaves.push(0..self.order.len());
        self.left.resize(self.order.len() + 16, 0);
        self.right.resize(self.order.len() + 16, 0);
    }

    /// The rows of a leaf; none for a number that is no leaf.
    pub(super) fn of(&self, leaf: usize) -> &[u32] {
        self.leaves.get(leaf).map_or(&[], |range| &self.order[range.clone()])
    }

    /// Divides a leaf: the left part keeps its number, the right one gets the next.
    pub(super) fn divide(&mut self, leaf: usize, column: &Column, bins: &LeftBins) {
        let range = self.leaves[leaf].clone();
        let part = &mut self.order[range.clone()];
        let kept = column.divide(part, bins, &mut self.left, &mut self.right);
        let (left, right) = part.split_at_mut(kept);
        left.copy_from_slice(&self.left[..kept]);
        right.copy_from_slice(&self.right[..right.len()]);
        self.leaves[leaf] = range.start..range.start + kept;
        self.leaves.push(range.start + kept..range.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_order() {
        let rows = 1005;
        let column = Column::Bytes((0..rows + 3).map(|r| (r % 7) as u8).collect());
        let mut bins = LeftBins::none(7);
        [1, 4].iter().for_each(|b| bins.set(*b, true));
        let mut p = Partition::default();
        p.reset(0..rows as u32);
        p.divide(0, &column, &bins);
        let want = |left: bool| (0..rows as u32).filter(move |r| matches!(r % 7, 1 | 4) == left);
        assert!(p.of(0).iter().copied().eq(want(true)) && p.of(1).iter().copied().eq(want(false)));
        assert!(p.of(2).is_empty());
    }
}

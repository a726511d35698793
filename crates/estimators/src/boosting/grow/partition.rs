//! Rows in the order of the leaves that they are in, ascending within each.
//!
//! Each thread that sums histograms keeps an order of its own and divides it alike: few rows that one core divided and
//! another reads would cost more than dividing them twice. Of many rows each thread divides a share, and takes over what
//! the others found.
#![allow(clippy::indexing_slicing, reason = "leaves are ranges of the order")]

use crate::boosting::data::Column;
use crate::boosting::kernels::LeftBins;
use std::ops::Range;

#[derive(Default)]
pub(super) struct Partition {
    order: Vec<u32>,
    leaves: Vec<Range<usize>>,
}

/// A share of a leaf's rows, divided.
#[derive(Default)]
pub(super) struct Halves {
    left: Vec<u32>,
    right: Vec<u32>,
    /// How many of each count.
    rows: (usize, usize),
}

/// Rows of a leaf from which on sharing them pays.
const MANY: usize = 1 << 16;

impl Partition {
    /// No rows.
    pub(super) const fn none() -> Self {
        Self { order: Vec::new(), leaves: Vec::new() }
    }

    /// All rows in one leaf.
    pub(super) fn reset(&mut self, rows: impl Iterator<Item = u32>) {
        self.order.clear();
        self.order.extend(rows);
        self.leaves.clear();
        self.leaves.push(0..self.order.len());
    }

    /// The rows of a leaf; none for a number that is no leaf.
    pub(super) fn of(&self, leaf: usize) -> &[u32] {
        self.leaves.get(leaf).map_or(&[], |range| &self.order[range.clone()])
    }

    /// Whether threads share in dividing a leaf.
    pub(super) fn is_shared(&self, leaf: usize) -> bool {
        self.of(leaf).len() >= MANY
    }

    /// Divides one of `shares` parts of a leaf's rows.
    pub(super) fn divide(
        &self,
        leaf: usize,
        (share, shares): (usize, usize),
        (column, bins): (&Column, &LeftBins),
        out: &mut Halves,
    ) {
        let all = self.of(leaf);
        let part = &all[share * all.len() / shares..(share + 1) * all.len() / shares];
        let room = (part.len() + 16).max(out.left.len());
        out.left.resize(room, 0);
        out.right.resize(room, 0);
        let left = column.divide(part, bins, &mut out.left, &mut out.right);
        out.rows = (left, part.len() - left);
    }

    /// Makes two leaves of one whose shares were all divided: the left part keeps its number, the right one gets the
    /// next.
    pub(super) fn join<'h>(&mut self, leaf: usize, shares: impl Iterator<Item = &'h Halves> + Clone) {
        let range = self.leaves[leaf].clone();
        let lefts = shares.clone().map(|s| &s.left[..s.rows.0]);
        let mut at = range.start;
        for part in lefts.chain(shares.clone().map(|s| &s.right[..s.rows.1])) {
            self.order[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let middle = range.start + shares.map(|s| s.rows.0).sum::<usize>();
        self.leaves[leaf] = range.start..middle;
        self.leaves.push(middle..range.end);
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
        for shares in [1, 2, 5] {
            let mut p = Partition::default();
            p.reset(0..rows as u32);
            let mut halves: Vec<Halves> = (0..shares).map(|_| Halves::default()).collect();
            for (i, halves) in halves.iter_mut().enumerate() {
                p.divide(0, (i, shares), (&column, &bins), halves);
            }
            p.join(0, halves.iter());
            let want = |left: bool| (0..rows as u32).filter(move |r| matches!(r % 7, 1 | 4) == left);
            assert!(p.of(0).iter().copied().eq(want(true)) && p.of(1).iter().copied().eq(want(false)));
            assert!(p.of(2).is_empty());
        }
    }
}

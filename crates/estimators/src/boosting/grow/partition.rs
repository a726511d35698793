//! Rows in the order of the leaves that they are in, ascending within each.
#![allow(clippy::indexing_slicing, reason = "leaves are ranges of the order")]

use crate::boosting::kernels::{LeftBins, divide};
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows that one task divides.
const CHUNK: usize = 32_768;

/// Two buffers of a task, and how many rows of each count.
type Sides = (Vec<u32>, Vec<u32>, usize, usize);

#[derive(Default)]
pub(super) struct Partition {
    order: Vec<u32>,
    leaves: Vec<Range<usize>>,
    scratch: Vec<Mutex<Sides>>,
}

impl Partition {
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

    /// Number of leaves.
    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    /// Divides a leaf: the left part keeps its number, the right one gets the next.
    pub(super) fn divide(&mut self, leaf: usize, column: &[u8], bins: &LeftBins, pool: &Pool) {
        let range = self.leaves[leaf].clone();
        let part = &mut self.order[range.clone()];
        let tasks = part.len().div_ceil(CHUNK);
        while self.scratch.len() < tasks {
            self.scratch.push(Mutex::new((vec![0; CHUNK + 16], vec![0; CHUNK + 16], 0, 0)));
        }
        let scratch = &self.scratch;
        {
            let part = &*part;
            pool.run(tasks, |i| {
                let own = &part[i * CHUNK..((i + 1) * CHUNK).min(part.len())];
                let mut sides = scratch[i].lock().unwrap_or_else(PoisonError::into_inner);
                let (left, right, l, r) = &mut *sides;
                *l = divide(own, column, bins, left, right);
                *r = own.len() - *l;
            });
        }
        let mut at = 0;
        for is_left in [true, false] {
            for sides in &self.scratch[..tasks] {
                let sides = sides.lock().unwrap_or_else(PoisonError::into_inner);
                let from = if is_left { &sides.0[..sides.2] } else { &sides.1[..sides.3] };
                part[at..at + from.len()].copy_from_slice(from);
                at += from.len();
            }
            if is_left {
                self.leaves[leaf] = range.start..range.start + at;
                self.leaves.push(range.start + at..range.end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_order_at_any_size() {
        let rows = 3 * CHUNK + 5;
        let column: Vec<u8> = (0..rows + 3).map(|r| (r % 7) as u8).collect();
        let mut bins = LeftBins::default();
        [1, 4].iter().for_each(|b| bins.set(*b, true));
        let mut p = Partition::default();
        p.reset(0..rows as u32);
        p.divide(0, &column, &bins, &Pool::new(2));
        let want = |left: bool| (0..rows as u32).filter(move |r| matches!(r % 7, 1 | 4) == left);
        assert!(p.of(0).iter().copied().eq(want(true)) && p.of(1).iter().copied().eq(want(false)));
        assert_eq!((p.leaves(), p.of(2).len()), (2, 0));
    }
}

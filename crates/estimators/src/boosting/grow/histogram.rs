//! Histograms of one leaf: a slice of packed cells for each block.
#![allow(clippy::indexing_slicing, reason = "blocks and features stay below the lengths made here")]

use super::block::Block;
use super::packed::{Steps, split};
use std::sync::Mutex;

/// One bin in full precision: sums of gradients and hessians.
pub(super) type Cell = [f64; 2];

/// The cells of a leaf, block by block.
pub(super) type Histogram = Vec<Mutex<Vec<i64>>>;

/// Buffers of histograms that are used again and again.
#[derive(Default)]
pub(super) struct Spare(Vec<Histogram>);

impl Spare {
    /// A histogram with anything in it.
    pub(super) fn take(&mut self, blocks: &[Block]) -> Histogram {
        let fresh = || blocks.iter().map(|b| Mutex::new(vec![0; b.cells()])).collect();
        self.0.pop().unwrap_or_else(fresh)
    }

    pub(super) fn give(&mut self, histogram: Histogram) {
        if !histogram.is_empty() {
            self.0.push(histogram);
        }
    }
}

/// Sets the used cells of a block to 0.
pub(super) fn clear(cells: &mut [i64], block: &Block) {
    block.used().for_each(|own| cells[own].fill(0));
}

/// Turns a parent's cells into those of the other child.
pub(super) fn subtract(parent: &mut [i64], child: &[i64], block: &Block) {
    for own in block.used() {
        parent[own.clone()].iter_mut().zip(&child[own]).for_each(|(p, c)| *p = p.wrapping_sub(*c));
    }
}

/// Cells of a feature in full precision.
pub(super) fn real(cells: &[i64], steps: Steps, out: &mut Vec<Cell>) {
    out.clear();
    out.extend(cells.iter().map(|cell| {
        let (g, h) = split(*cell);
        [g as f64 * steps.gradient, h as f64 * steps.hessian]
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_do_not_mix() {
        let steps = Steps { gradient: 0.5, hessian: 0.25 };
        let cell = |g: i64, h: i64| (g << 32) + h;
        let mut out = Vec::new();
        real(&[cell(-3, 5), cell(2, 0), cell(-1, 0xffff_ffff), cell(-3, 5) - cell(4, 2)], steps, &mut out);
        assert_eq!(out, [[-1.5, 1.25], [1.0, 0.0], [-0.5, 4_294_967_295.0 * 0.25], [-3.5, 0.75]]);
    }
}

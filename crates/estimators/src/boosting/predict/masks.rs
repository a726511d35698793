//! Prediction by bit masks over tiles of 64 rows, for trees of at most 64 leaves.
//!
//! A tree's leaves are numbered from left to right, a bit each. A node whose row goes right clears the bits of the leaves
//! on its left; after all nodes the lowest bit that is left is the row's leaf (QuickScorer, Lucchese et al. 2015). No
//! node waits for another, and every node is one comparison for 64 rows.
#![allow(clippy::indexing_slicing, reason = "nodes, features and rows are numbered here")]

use super::Compiled;
use super::values::floor32;
use crate::boosting::kernels::{Cut, TILE, leaves_of};
use crate::boosting::matrix::Matrix;
use crate::boosting::model::{CATEGORICAL, DEFAULT_LEFT, Tree};
use std::ops::Range;

/// A node that splits by a set of categories.
#[derive(Debug, Clone)]
struct Among {
    feature: u32,
    tree: u32,
    node: u32,
    mask: u64,
}

/// One tree.
#[derive(Debug)]
struct One {
    /// Its cuts; those up to the second bound send missing values left, those from there on right.
    cuts: (usize, usize, usize),
    among: Range<usize>,
    /// Values of its leaves from left to right.
    values: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Masks {
    trees: Vec<One>,
    cuts: Vec<Cut>,
    among: Vec<Among>,
    values: Vec<f64>,
    /// Sets of the trees that have any.
    sets: Vec<Tree>,
}

impl Masks {
    /// Nothing where a tree has more than 64 leaves.
    pub(super) fn new(trees: &[Tree]) -> Option<Self> {
        if trees.iter().any(|t| t.leaves() > 64) {
            return None;
        }
        let mut out = Self {
            trees: Vec::new(),
            cuts: Vec::new(),
            among: Vec::new(),
            values: Vec::new(),
            sets: Vec::new(),
        };
        for tree in trees {
            let mut order = Vec::with_capacity(tree.leaves());
            let mut nodes = Vec::with_capacity(tree.split_feature.len());
            in_order(tree, if tree.split_feature.is_empty() { -1 } else { 0 }, &mut order, &mut nodes);
            let cut = |(n, mask): &(usize, u64)| Cut {
                threshold: tree.threshold[*n],
                single: floor32(tree.threshold[*n]),
                feature: tree.split_feature[*n] as u32,
                mask: *mask,
            };
            let decision = |n: usize| tree.decision_type.get(n).copied().unwrap_or(0);
            let numbers = || nodes.iter().filter(|(n, _)| decision(*n) & CATEGORICAL == 0);
            let start = out.cuts.len();
            out.cuts.extend(numbers().filter(|(n, _)| decision(*n) & DEFAULT_LEFT != 0).map(cut));
            let middle = out.cuts.len();
            out.cuts.extend(numbers().filter(|(n, _)| decision(*n) & DEFAULT_LEFT == 0).map(cut));
            let among = out.among.len();
            let sets = nodes.iter().filter(|(n, _)| decision(*n) & CATEGORICAL != 0).map(|(n, mask)| Among {
                feature: tree.split_feature[*n] as u32,
                tree: out.sets.len() as u32,
                node: *n as u32,
                mask: *mask,
            });
            out.among.extend(sets);
            if out.among.len() > among {
                out.sets.push(tree.clone());
            }
            let values = out.values.len();
            out.values.extend(order.iter().map(|leaf| tree.leaf_value[*leaf]));
            // A mask that nothing clears is leaf 0; room for every bit that a mask may leave.
            out.values.resize(values + 64.max(order.len()), 0.0);
            out.trees.push(One {
                cuts: (start, middle, out.cuts.len()),
                among: among..out.among.len(),
                values: values..values + 64,
            });
        }
        Some(out)
    }
}

/// Leaves from left to right, and for each node the bits that stay when a row goes right.
fn in_order(tree: &Tree, node: i32, order: &mut Vec<usize>, nodes: &mut Vec<(usize, u64)>) {
    let Ok(n) = usize::try_from(node) else {
        order.push((!node) as usize);
        return;
    };
    let from = order.len();
    in_order(tree, tree.left_child[n], order, nodes);
    let left = order.len() - from;
    let bits = (u64::MAX >> (64 - left.clamp(1, 64))) << from.min(63);
    nodes.push((n, !bits));
    in_order(tree, tree.right_child[n], order, nodes);
}

impl Compiled {
    /// Sums of some trees for rows of a matrix into row-major `out`, `k` a row.
    pub(super) fn tiled(
        &self,
        x: &Matrix<'_>,
        rows: Range<usize>,
        trees: &Range<usize>,
        k: usize,
        out: &mut [f64],
    ) {
        let Some(kinds) = &self.kinds else { return };
        let width = kinds.len();
        let mut row = vec![0.0; x.width().max(width)];
        let Some(masks) = &self.masks else {
            let mut own = vec![0.0; width];
            for (r, out) in rows.zip(out.chunks_exact_mut(k)) {
                x.row(r, &mut row);
                self.prepare(&row, &mut own);
                out.fill(0.0);
                self.walk(&own, trees.clone(), |tree, value| out[tree % k] += value);
            }
            return;
        };
        let single = matches!(x, Matrix::Rows32 { .. });
        let mut wide = if single { Vec::new() } else { vec![0.0f64; width * TILE] };
        let mut narrow = if single { vec![0.0f32; width * TILE] } else { Vec::new() };
        for (tile, out) in out.chunks_mut(TILE * k).enumerate() {
            let from = rows.start + tile * TILE;
            let here = out.len() / k;
            for i in 0..here {
                if let Matrix::Rows32 { values, width: w } = x {
                    let own = &values[(from + i) * w..(from + i) * w + width];
                    for ((f, x), kind) in own.iter().enumerate().zip(kinds) {
                        narrow[f * TILE + i] = kind.apply(f64::from(*x)) as f32;
                    }
                } else {
                    x.row(from + i, &mut row);
                    for ((f, x), kind) in row.iter().enumerate().zip(kinds) {
                        wide[f * TILE + i] = kind.apply(*x);
                    }
                }
            }
            let mut sums = vec![0.0f64; k * TILE];
            for t in trees.clone() {
                let one = &masks.trees[t];
                let (start, middle, end) = one.cuts;
                let (lefts, rights) = (&masks.cuts[start..middle], &masks.cuts[middle..end]);
                let mut among = [u64::MAX; TILE];
                let among = if one.among.is_empty() {
                    None
                } else {
                    for set in &masks.among[one.among.clone()] {
                        let at = set.feature as usize * TILE;
                        for (i, mask) in among.iter_mut().enumerate().take(here) {
                            let value = if single { f64::from(narrow[at + i]) } else { wide[at + i] };
                            if !masks.sets[set.tree as usize].goes_left_at(set.node as usize, value) {
                                *mask &= set.mask;
                            }
                        }
                    }
                    Some(&among)
                };
                let values = &masks.values[one.values.clone()];
                let sums = &mut sums[t % k * TILE..(t % k + 1) * TILE];
                leaves_of(&narrow, &wide, lefts, rights, among, values, sums);
            }
            for (i, out) in out.chunks_exact_mut(k).enumerate() {
                out.iter_mut().enumerate().for_each(|(c, out)| *out = sums[c * TILE + i]);
            }
        }
    }
}

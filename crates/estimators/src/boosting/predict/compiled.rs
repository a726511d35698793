//! A model's trees laid out for prediction.
#![allow(clippy::indexing_slicing, reason = "nodes, trees and features are numbered here")]

use super::masks::{Bits, Masks};
use crate::boosting::data::MissingKind;
use crate::boosting::kernels::Kind;
use crate::boosting::matrix::Matrix;
use crate::boosting::model::{CATEGORICAL, DEFAULT_LEFT, Tree, missing_of};
use std::ops::Range;

/// A node; a leaf has itself for both children and its value for the threshold.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f64,
    feature: u32,
    /// Right child, left child.
    children: [u32; 2],
    /// 1 where missing values go left, else 0.
    flags: u32,
}

/// The trees of a model, and which layouts they allow.
#[derive(Debug)]
pub(in crate::boosting) struct Compiled {
    nodes: Vec<Node>,
    /// First node and levels of each tree.
    roots: Vec<(u32, u32)>,
    /// What is done to the values of each feature; absent where nodes do not agree.
    kinds: Option<Vec<Kind>>,
    masks: Option<Masks>,
    linear: bool,
    categories: bool,
}

/// Trees walked side by side for one row.
const SIDE: usize = 8;
/// Rows for which a tile does not pay.
const FEW: usize = 8;

impl Compiled {
    pub(in crate::boosting) fn new(trees: &[Tree], features: usize) -> Self {
        let kinds = kinds(trees, features);
        let linear = trees.iter().any(Tree::is_linear);
        let masks = kinds.as_ref().filter(|_| !linear).and_then(|kinds| Masks::new(trees, kinds));
        let (mut nodes, mut roots) = (Vec::new(), Vec::new());
        for tree in trees {
            let base = nodes.len() as u32;
            let inner = tree.split_feature.len() as u32;
            let id = |child: i32| if child >= 0 { base + child as u32 } else { base + inner + !child as u32 };
            for n in 0..tree.split_feature.len() {
                nodes.push(Node {
                    threshold: tree.threshold[n],
                    feature: tree.split_feature[n] as u32,
                    children: [id(tree.right_child[n]), id(tree.left_child[n])],
                    flags: u32::from(tree.decision_type[n] & DEFAULT_LEFT != 0),
                });
            }
            for (leaf, value) in tree.leaf_value.iter().enumerate() {
                let own = base + inner + leaf as u32;
                nodes.push(Node { threshold: *value, feature: 0, children: [own, own], flags: 0 });
            }
            roots.push((base, depth(tree)));
        }
        let categories = trees.iter().any(|t| t.decision_type.iter().any(|d| d & CATEGORICAL != 0));
        Self { nodes, roots, kinds, masks, linear, categories }
    }

    /// Whether tiles of rows can be predicted.
    pub(super) fn tiles(&self) -> bool {
        self.kinds.is_some() && !self.linear && (self.masks.is_some() || !self.categories)
    }

    /// Whether one row can be walked through several trees at once.
    pub(in crate::boosting) fn walks(&self) -> bool {
        self.kinds.is_some() && !self.linear && !self.categories
    }

    /// Sums of some trees for rows of a matrix into row-major `out`, `k` a row; for a model that [`Compiled::tiles`].
    pub(super) fn tiled(
        &self,
        x: &Matrix<'_>,
        rows: Range<usize>,
        trees: &Range<usize>,
        k: usize,
        out: &mut [f64],
    ) {
        let few = rows.len() < FEW && self.walks();
        if let (Some(masks), false) = (&self.masks, few) {
            return masks.tiled(x, rows, trees, k, out);
        }
        let (mut row, mut own, mut bits) =
            (vec![0.0; x.width()], vec![0.0; self.features()], Bits::default());
        for (r, out) in rows.zip(out.chunks_exact_mut(k)) {
            x.row(r, &mut row);
            self.prepare(&row, &mut own);
            out.fill(0.0);
            self.walk(&own, trees.clone(), &mut bits, out);
        }
    }

    fn features(&self) -> usize {
        self.kinds.as_ref().map_or(0, Vec::len)
    }

    /// Makes a row's values comparable: see [`Kind`].
    pub(in crate::boosting) fn prepare(&self, row: &[f64], out: &mut [f64]) {
        if let Some(kinds) = &self.kinds {
            for ((out, x), kind) in out.iter_mut().zip(row).zip(kinds) {
                *out = kind.apply(*x);
            }
        }
    }

    /// Adds the value of each of some trees, whole iterations, for a prepared row to the sum of its output.
    pub(in crate::boosting) fn walk(
        &self,
        row: &[f64],
        trees: Range<usize>,
        bits: &mut Bits,
        sums: &mut [f64],
    ) {
        if self.masks.as_ref().is_some_and(|m| m.row(row, trees.clone(), bits, sums)) {
            return;
        }
        let mut outputs = 0..0;
        for group in self.roots[trees].chunks(SIDE) {
            let mut at = [0u32; SIDE];
            at.iter_mut().zip(group).for_each(|(at, (root, _))| *at = *root);
            let levels = group.iter().map(|(_, d)| *d).max().unwrap_or(0);
            for _ in 0..levels {
                for at in at.iter_mut().take(group.len()) {
                    let node = &self.nodes[*at as usize];
                    let x = row[node.feature as usize];
                    let left = (x <= node.threshold) | (x.is_nan() & (node.flags != 0));
                    *at = node.children[usize::from(left)];
                }
            }
            for at in at.iter().take(group.len()) {
                let class = outputs.next().unwrap_or_else(|| {
                    outputs = 1..sums.len();
                    0
                });
                sums[class] += self.nodes[*at as usize].threshold;
            }
        }
    }
}

/// Levels below the root.
pub(super) fn depth(tree: &Tree) -> u32 {
    let mut deep = vec![0u32; tree.split_feature.len()];
    let mut most = 0;
    // A child's number is above its parent's in every file that is read.
    for n in 0..deep.len() {
        for child in [tree.left_child[n], tree.right_child[n]] {
            let below = deep[n] + 1;
            most = most.max(below);
            if let Some(d) = usize::try_from(child).ok().and_then(|c| deep.get_mut(c)) {
                *d = below;
            }
        }
    }
    most
}

/// What is done to each feature's values, if all nodes agree.
fn kinds(trees: &[Tree], features: usize) -> Option<Vec<Kind>> {
    let mut out: Vec<Option<Kind>> = vec![None; features];
    for tree in trees {
        for (feature, decision) in tree.split_feature.iter().zip(&tree.decision_type) {
            let kind = if decision & CATEGORICAL != 0 {
                Kind::AsIs
            } else {
                match missing_of(*decision) {
                    MissingKind::None => Kind::NanIsZero,
                    MissingKind::Zero => Kind::ZeroIsNan,
                    MissingKind::Nan => Kind::AsIs,
                }
            };
            match out.get_mut(*feature)? {
                slot @ None => *slot = Some(kind),
                Some(known) if *known == kind => {}
                Some(_) => return None,
            }
        }
    }
    Some(out.into_iter().map(|k| k.unwrap_or(Kind::AsIs)).collect())
}

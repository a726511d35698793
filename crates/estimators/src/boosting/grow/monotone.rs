//! Bounds of leaf outputs that keep predictions monotone in some features.
//!
//! `basic` (LightGBM's name): both sides of a split on such a feature are bounded by the middle of their outputs.
//! `intermediate`: a leaf is bounded by the outputs of the leaves that a change of one monotone feature can lead to;
//! each split tightens the bounds of those that it concerns. `advanced`: as that, taken anew where a split concerns a
//! leaf, and for each threshold by those leaves alone that lie against the side which it makes; splits of categories
//! keep the bounds of `intermediate`.
//!
//! Source: LightGBM 4.7's behaviour; Auguste, Malory and Smirnov, "A better method to enforce monotonic constraints in
//! regression and classification trees" (2020).
#![allow(clippy::indexing_slicing, reason = "nodes and leaves stay below the lengths given")]

use super::Leaf;
use super::advanced::{End, Stairs};
use super::numeric::{Side, Split};
use super::search::Search;
use crate::boosting::data::BinMapper;
use crate::boosting::model::{CATEGORICAL, Tree};
use crate::boosting::params::{MonotoneMethod, TreeParams};
use std::collections::BTreeMap;

/// Least and greatest output.
pub(super) type Bounds = (f64, f64);

/// Any output.
pub(super) const NO_BOUNDS: Bounds = (f64::NEG_INFINITY, f64::INFINITY);

/// Whether leaves are searched again when others are split.
pub(super) fn looks_back(p: &TreeParams) -> bool {
    p.monotone_constraints_method != MonotoneMethod::Basic && p.monotone_constraints.iter().any(|c| *c != 0)
}

/// Bounds by threshold of a tree's first leaf: for each feature, where the method has them.
pub(super) fn first_stairs(p: &TreeParams, features: usize) -> Vec<Stairs> {
    let has = p.monotone_constraints_method == MonotoneMethod::Advanced && looks_back(p);
    vec![Stairs::free(); if has { features } else { 0 }]
}

/// The bounds of the two sides of a split of a leaf, before their outputs are known.
pub(super) fn sides(leaf: &Leaf, split: &Split, search: &Search<'_>) -> (Bounds, Bounds) {
    match (leaf.stairs.get(split.feature), &split.side) {
        (Some(stairs), Side::UpTo { bin, .. }) => {
            let bins = search.layout.features[split.feature].mapper.bins();
            stairs.sides(bins).get(*bin).copied().unwrap_or((NO_BOUNDS, NO_BOUNDS))
        }
        _ => (leaf.bounds, leaf.bounds),
    }
}

/// Which end of the left side's bounds, and which of the right one's, a split in a direction tightens.
fn ends(direction: i8) -> Option<(End, End)> {
    match direction {
        1 => Some((End::Most, End::Least)),
        -1 => Some((End::Least, End::Most)),
        _ => None,
    }
}

fn tighten_bounds(bounds: &mut Bounds, end: End, output: f64) {
    match end {
        End::Least => bounds.0 = bounds.0.max(output),
        End::Most => bounds.1 = bounds.1.min(output),
    }
}

/// Bounds the two new leaves by each other, when the feature that was split is monotone.
pub(super) fn children(p: &TreeParams, direction: i8, left: &mut Leaf, right: &mut Leaf) {
    let Some((of_left, of_right)) = ends(direction) else { return };
    let (for_left, for_right) = match p.monotone_constraints_method {
        MonotoneMethod::Basic => {
            let middle = (left.output + right.output) / 2.0;
            (middle, middle)
        }
        MonotoneMethod::Intermediate | MonotoneMethod::Advanced => (right.output, left.output),
    };
    for (leaf, end, output) in [(left, of_left, for_left), (right, of_right, for_right)] {
        tighten_bounds(&mut leaf.bounds, end, output);
        leaf.stairs.iter_mut().for_each(|s| s.tighten(end, output));
    }
}

/// After leaf `at` was divided (its right side is the last leaf), bounds the others where the method looks back; the
/// leaves whose bounds changed.
pub(super) fn tighten(tree: &Tree, leaves: &mut [Leaf], at: usize, search: &Search<'_>) -> Vec<usize> {
    let p = &search.params.tree;
    if !looks_back(p) {
        return Vec::new();
    }
    let above = parents(tree);
    let boxes: Vec<Region> = leaves.iter().map(|l| region(tree, &above, l)).collect();
    let (last, mut changed) = (leaves.len() - 1, Vec::new());
    for other in (0..last).filter(|o| *o != at) {
        if leaves[other].best.is_none() {
            continue;
        }
        let mut found = None;
        for new in [at, last] {
            if let Some((_, end)) = order(tree, &boxes[other], &boxes[new], &p.monotone_constraints) {
                let output = leaves[new].output;
                let old = leaves[other].bounds;
                tighten_bounds(&mut leaves[other].bounds, end, output);
                found = Some((end, found.is_some_and(|(_, c)| c) || leaves[other].bounds != old));
            }
        }
        match found {
            Some((end, _)) if !leaves[other].stairs.is_empty() => {
                let mut stairs = std::mem::take(&mut leaves[other].stairs);
                again(&mut stairs, end, other, leaves, &boxes, tree, search);
                leaves[other].stairs = stairs;
                changed.push(other);
            }
            Some((_, true)) => changed.push(other),
            _ => {}
        }
    }
    changed
}

/// Takes one end of a leaf's bounds by threshold anew.
fn again(
    stairs: &mut [Stairs],
    end: End,
    at: usize,
    leaves: &[Leaf],
    boxes: &[Region],
    tree: &Tree,
    search: &Search<'_>,
) {
    stairs.iter_mut().for_each(|s| s.loosen(end));
    for other in (0..leaves.len()).filter(|o| *o != at) {
        let found = order(tree, &boxes[at], &boxes[other], &search.params.tree.monotone_constraints);
        let Some((apart, _)) = found.filter(|(_, own)| *own == end) else { continue };
        for (stairs, feature) in stairs.iter_mut().zip(&search.layout.features) {
            let values = boxes[other].values.get(&feature.index).filter(|_| feature.index != apart);
            match values {
                Some(values) => {
                    stairs.tighten_part(end, leaves[other].output, bins(&feature.mapper, *values))
                }
                None => stairs.tighten(end, leaves[other].output),
            }
        }
    }
}

/// The bins of values above the first, up to the second: the first bin, and the one after the last.
fn bins(mapper: &BinMapper, (low, high): (f64, f64)) -> (usize, usize) {
    let from = if low == f64::NEG_INFINITY { 0 } else { mapper.bin(low) + 1 };
    let to = if high == f64::INFINITY { mapper.bins() } else { mapper.bin(high) + 1 };
    (from, to)
}

/// Where a leaf is.
#[derive(Debug, Default)]
struct Region {
    /// The values of each number feature on its path: above the first, up to the second.
    values: BTreeMap<usize, (f64, f64)>,
    /// The nodes of its path, and whether it went left there.
    turns: BTreeMap<usize, bool>,
}

/// The node above each node, and whether it is the left child.
fn parents(tree: &Tree) -> Vec<Option<(usize, bool)>> {
    let mut out = vec![None; tree.split_feature.len()];
    for (children, is_left) in [(&tree.left_child, true), (&tree.right_child, false)] {
        for (node, child) in children.iter().enumerate() {
            if let Some(slot) = usize::try_from(*child).ok().and_then(|c| out.get_mut(c)) {
                *slot = Some((node, is_left));
            }
        }
    }
    out
}

fn region(tree: &Tree, above: &[Option<(usize, bool)>], leaf: &Leaf) -> Region {
    let mut out = Region::default();
    let mut at = leaf.parent;
    while let Some((node, is_left)) = at {
        out.turns.insert(node, is_left);
        if tree.decision_type[node] & CATEGORICAL == 0 {
            let own = out.values.entry(tree.split_feature[node]).or_insert(NO_BOUNDS);
            let threshold = tree.threshold[node];
            if is_left {
                own.1 = own.1.min(threshold);
            } else {
                own.0 = own.0.max(threshold);
            }
        }
        at = above[node];
    }
    out
}

/// The monotone feature that parts `a` from `b`, which lie together in all others, and which end of a's outputs it
/// bounds by b's.
fn order(tree: &Tree, a: &Region, b: &Region, constraints: &[i8]) -> Option<(usize, End)> {
    let (node, is_left) =
        a.turns.iter().find(|(node, left)| b.turns.get(node).is_some_and(|l| l != *left))?;
    let feature = tree.split_feature[*node];
    let (of_left, of_right) = ends(constraints.get(feature).copied().unwrap_or(0))?;
    let meet = |f: &usize| match (a.values.get(f), b.values.get(f)) {
        (Some(x), Some(y)) => x.0 < y.1 && y.0 < x.1,
        _ => true,
    };
    let together = a.values.keys().filter(|f| **f != feature).all(meet);
    together.then_some((feature, if *is_left { of_left } else { of_right }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leaves_that_one_step_joins_bound_each_other() {
        let tree = Tree { split_feature: vec![0, 1], ..Tree::default() };
        let of = |pairs: &[(usize, (f64, f64))], turns: &[(usize, bool)]| Region {
            values: pairs.iter().copied().collect(),
            turns: turns.iter().copied().collect(),
        };
        let low = of(&[(0, (f64::NEG_INFINITY, 1.0))], &[(0, true)]);
        let high = of(&[(0, (1.0, f64::INFINITY))], &[(0, false)]);
        assert_eq!(order(&tree, &low, &high, &[1]), Some((0, End::Most)));
        assert_eq!(order(&tree, &high, &low, &[1]), Some((0, End::Least)));
        assert_eq!(order(&tree, &low, &high, &[-1]), Some((0, End::Least)));
        assert_eq!(order(&tree, &low, &high, &[0]), None);
        let elsewhere = of(&[(0, (1.0, f64::INFINITY)), (1, (3.0, 9.0))], &[(0, false)]);
        let here = of(&[(0, (f64::NEG_INFINITY, 1.0)), (1, (0.0, 3.0))], &[(0, true)]);
        assert_eq!(order(&tree, &here, &elsewhere, &[1, 0]), None);
        // Parted by another feature first: nothing joins them.
        let (a, b) = (of(&[(0, (0.0, 1.0))], &[(1, true)]), of(&[(0, (1.0, 2.0))], &[(1, false)]));
        assert_eq!(order(&tree, &a, &b, &[1, 0]), None);
    }
}

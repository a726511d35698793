//! Bounds of leaf outputs that keep predictions monotone in some features.
//!
//! `basic` (LightGBM's name): both sides of a split on such a feature are bounded by the middle of their outputs.
//! `intermediate`: a leaf is bounded by the outputs of the leaves that a change of one monotone feature can lead to,
//! taken anew after each split.
#![allow(clippy::indexing_slicing, reason = "nodes and leaves stay below the lengths given")]

use super::Leaf;
use super::search::Search;
use crate::boosting::model::{CATEGORICAL, Tree};
use crate::boosting::params::{MonotoneMethod, TreeParams};
use std::collections::BTreeMap;

type Bounds = (f64, f64);

/// Whether leaves are searched again when others are split.
pub(super) fn looks_back(p: &TreeParams) -> bool {
    p.monotone_constraints_method == MonotoneMethod::Intermediate
        && p.monotone_constraints.iter().any(|c| *c != 0)
}

/// Bounds of the two sides of a split, from the leaf's own and the outputs of the sides.
pub(super) fn children(p: &TreeParams, direction: i8, own: Bounds, outputs: (f64, f64)) -> (Bounds, Bounds) {
    let (mut left, mut right) = (own, own);
    let (for_left, for_right) = match p.monotone_constraints_method {
        MonotoneMethod::Basic => {
            let middle = (outputs.0 + outputs.1) / 2.0;
            (middle, middle)
        }
        MonotoneMethod::Intermediate => (outputs.1, outputs.0),
    };
    match direction {
        1 => {
            left.1 = left.1.min(for_left);
            right.0 = right.0.max(for_right);
        }
        -1 => {
            left.0 = left.0.max(for_left);
            right.1 = right.1.min(for_right);
        }
        _ => {}
    }
    (left, right)
}

/// Takes all bounds anew where the method looks back; the leaves whose bounds changed and that are still to be split.
pub(super) fn tighten(tree: &Tree, leaves: &mut [Leaf], search: &Search<'_>) -> Vec<usize> {
    let p = &search.params.tree;
    if !looks_back(p) {
        return Vec::new();
    }
    let boxes: Vec<Region> = leaves.iter().map(|l| region(tree, l)).collect();
    let mut changed = Vec::new();
    for at in 0..leaves.len() {
        let mut bounds = (f64::NEG_INFINITY, f64::INFINITY);
        for other in (0..leaves.len()).filter(|o| *o != at) {
            match order(&boxes[at], &boxes[other], &p.monotone_constraints) {
                Some(true) => bounds.1 = bounds.1.min(leaves[other].output),
                Some(false) => bounds.0 = bounds.0.max(leaves[other].output),
                None => {}
            }
        }
        if bounds != leaves[at].bounds {
            leaves[at].bounds = bounds;
            if leaves[at].best.is_some() {
                changed.push(at);
            }
        }
    }
    changed
}

/// The values of each number feature on a leaf's path: above the first, up to the second.
type Region = BTreeMap<usize, (f64, f64)>;

fn region(tree: &Tree, leaf: &Leaf) -> Region {
    let mut out = Region::new();
    let mut at = leaf.parent;
    while let Some((node, is_left)) = at {
        if tree.decision_type[node] & CATEGORICAL == 0 {
            let own = out.entry(tree.split_feature[node]).or_insert((f64::NEG_INFINITY, f64::INFINITY));
            let threshold = tree.threshold[node];
            if is_left {
                own.1 = own.1.min(threshold);
            } else {
                own.0 = own.0.max(threshold);
            }
        }
        let above = |children: &[i32]| children.iter().position(|c| *c == node as i32);
        at = above(&tree.left_child)
            .map(|n| (n, true))
            .or_else(|| above(&tree.right_child).map(|n| (n, false)));
    }
    out
}

/// Whether `b` must not be below `a` (true) or not above it (false): they lie apart in one monotone feature and
/// together in all others.
fn order(a: &Region, b: &Region, constraints: &[i8]) -> Option<bool> {
    let whole = (f64::NEG_INFINITY, f64::INFINITY);
    let mut apart = None;
    for feature in a.keys().chain(b.keys().filter(|f| !a.contains_key(f))) {
        let (x, y) = (a.get(feature).unwrap_or(&whole), b.get(feature).unwrap_or(&whole));
        let overlap = x.0 < y.1 && y.0 < x.1;
        if overlap {
            continue;
        }
        let direction = constraints.get(*feature).copied().unwrap_or(0);
        if direction == 0 || apart.is_some() {
            return None;
        }
        let b_is_higher = x.1 <= y.0;
        apart = Some(b_is_higher == (direction > 0));
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leaves_that_one_step_joins_bound_each_other() {
        let of = |pairs: &[(usize, (f64, f64))]| pairs.iter().copied().collect::<Region>();
        let low = of(&[(0, (f64::NEG_INFINITY, 1.0))]);
        let high = of(&[(0, (1.0, f64::INFINITY))]);
        assert_eq!(order(&low, &high, &[1]), Some(true));
        assert_eq!(order(&high, &low, &[1]), Some(false));
        assert_eq!(order(&low, &high, &[-1]), Some(false));
        assert_eq!(order(&low, &high, &[0]), None);
        let elsewhere = of(&[(0, (1.0, f64::INFINITY)), (1, (3.0, 9.0))]);
        let here = of(&[(0, (f64::NEG_INFINITY, 1.0)), (1, (0.0, 3.0))]);
        assert_eq!(order(&here, &elsewhere, &[1, 0]), None);
    }
}

//! The twin: path-dependent TreeSHAP as its authors wrote it.
//!
//! Source: Lundberg, Erion, Lee 2018 (algorithm 2): the share of a feature is the weighted sum, over all leaves, of what
//! knowing it changes; unknown features go both ways by the rows that training sent there.
#![allow(clippy::indexing_slicing, reason = "paths are no longer than the tree is deep")]

use crate::boosting::model::Tree;
use crate::boosting::predict::compiled::depth;

/// One element of a path: a feature, the shares of ways that go on when it is unknown and known, and the weight.
#[derive(Debug, Clone, Copy, Default)]
struct Element {
    feature: usize,
    zero: f64,
    one: f64,
    weight: f64,
}

/// Paths under way, one within the other.
pub(super) struct Room(Vec<Element>);

/// Expected values of the trees.
pub(super) struct Paths {
    expected: Vec<f64>,
    k: usize,
    features: usize,
    deep: usize,
}

impl Paths {
    pub(super) fn new(trees: &[Tree], k: usize, features: usize) -> Self {
        let expected = trees.iter().map(Tree::expected).collect();
        let deep = trees.iter().map(|t| depth(t) as usize).max().unwrap_or(0) + 2;
        Self { expected, k, features, deep }
    }

    /// Room for the paths of a row, to be used again.
    pub(super) fn room(&self) -> Room {
        Room(vec![Element::default(); (self.deep + 1) * (self.deep + 2) / 2 + self.deep])
    }

    /// Adds the shares of a row in all trees.
    pub(super) fn add(&self, trees: &[Tree], row: &[f64], room: &mut Room, out: &mut [f64]) {
        let width = self.features + 1;
        for (t, (tree, expected)) in trees.iter().zip(&self.expected).enumerate() {
            let own = &mut out[t % self.k * width..(t % self.k + 1) * width];
            own[self.features] += expected;
            if !tree.split_feature.is_empty() {
                descend(tree, row, own, 0, &mut room.0, 0, (1.0, 1.0, usize::MAX));
            }
        }
    }
}

fn extend(path: &mut [Element], depth: usize, zero: f64, one: f64, feature: usize) {
    path[depth] = Element { feature, zero, one, weight: if depth == 0 { 1.0 } else { 0.0 } };
    let length = depth as f64 + 1.0;
    for i in (0..depth).rev() {
        path[i + 1].weight += one * path[i].weight * (i as f64 + 1.0) / length;
        path[i].weight = zero * path[i].weight * (depth - i) as f64 / length;
    }
}

fn unwind(path: &mut [Element], depth: usize, at: usize) {
    let (one, zero) = (path[at].one, path[at].zero);
    let length = depth as f64 + 1.0;
    let mut next = path[depth].weight;
    for i in (0..depth).rev() {
        if one != 0.0 {
            let old = path[i].weight;
            path[i].weight = next * length / ((i as f64 + 1.0) * one);
            next = old - path[i].weight * zero * (depth - i) as f64 / length;
        } else {
            path[i].weight = path[i].weight * length / (zero * (depth - i) as f64);
        }
    }
    for i in at..depth {
        let weight = path[i].weight;
        path[i] = Element { weight, ..path[i + 1] };
    }
}

fn unwound_sum(path: &[Element], depth: usize, at: usize) -> f64 {
    let (one, zero) = (path[at].one, path[at].zero);
    let length = depth as f64 + 1.0;
    let mut next = path[depth].weight;
    let mut total = 0.0;
    for i in (0..depth).rev() {
        if one != 0.0 {
            let share = next * length / ((i as f64 + 1.0) * one);
            total += share;
            next = path[i].weight - share * zero * (depth - i) as f64 / length;
        } else {
            total += path[i].weight * length / (zero * (depth - i) as f64);
        }
    }
    total
}

/// Goes down both ways; `room` has the parent's path first and place for the deeper ones.
fn descend(
    tree: &Tree,
    row: &[f64],
    out: &mut [f64],
    node: i32,
    room: &mut [Element],
    depth: usize,
    (zero, one, feature): (f64, f64, usize),
) {
    let (above, path) = room.split_at_mut(depth);
    path[..depth].copy_from_slice(above);
    extend(path, depth, zero, one, feature);
    let Ok(n) = usize::try_from(node) else {
        let value = tree.leaf_value[(!node) as usize];
        for i in 1..=depth {
            let element = path[i];
            out[element.feature] += unwound_sum(path, depth, i) * (element.one - element.zero) * value;
        }
        return;
    };
    let split = tree.split_feature[n];
    let goes_left = tree.goes_left_at(n, row.get(split).copied().unwrap_or(f64::NAN));
    let children = [tree.left_child[n], tree.right_child[n]];
    let (hot, cold) = if goes_left { (children[0], children[1]) } else { (children[1], children[0]) };
    let cover = |child: i32| match usize::try_from(child) {
        Ok(inner) => tree.internal_count[inner] as f64,
        Err(_) => tree.leaf_count[(!child) as usize] as f64,
    };
    let whole = tree.internal_count[n] as f64;
    let mut depth = depth;
    let (mut zero, mut one) = (1.0, 1.0);
    if let Some(before) = (0..=depth).find(|i| path[*i].feature == split) {
        (zero, one) = (path[before].zero, path[before].one);
        unwind(path, depth, before);
        depth -= 1;
    }
    descend(tree, row, out, hot, path, depth + 1, (cover(hot) / whole * zero, one, split));
    descend(tree, row, out, cold, path, depth + 1, (cover(cold) / whole * zero, 0.0, split));
}

//! Shares of the features in a raw score: path-dependent TreeSHAP, and their interactions.
//!
//! On the path to a leaf let z be, for each of its features, the share of training rows that went this way at the
//! feature's nodes, and o be 1 where the row goes this way at all of them, else 0. The Shapley value of feature e in the
//! game that pays the leaf's value v times the product of o (known features) and z (unknown ones) is
//!
//! v · (o_e - z_e) · ∫₀¹ Π_{j ≠ e} (t·o_j + (1 - t)·z_j) dt,
//!
//! because ∫ t^s (1 - t)^(d-1-s) dt is the weight of a set of s of the other d - 1 features. The integrand is a
//! polynomial of degree d - 1, which d / 2 points of Gauss–Legendre integrate exactly. Products down the edges and sums
//! up again give all leaves at once, and since all factors are positive nothing cancels.
//!
//! Source: the game of Lundberg, Erion, Lee 2018 (whose recursion is the twin in the tests); polynomials over the edges
//! as in Linear TreeSHAP (Yu et al. 2022).
#![allow(clippy::indexing_slicing, reason = "edges, nodes and features are numbered here")]

mod interactions;
mod quadrature;
#[cfg(test)]
mod recursion;

use crate::boosting::kernels::{Edge, Eight, NONE, Sweep, SweepRoom, Tables};
use crate::boosting::model::Tree;
use lyceum_core::{Error, Result};
use quadrature::gauss_legendre;
use std::collections::HashMap;

/// Most features on a path.
const MOST: usize = 256;

/// Trees made ready to tell the shares of their features.
pub(super) struct Shares<'a> {
    trees: Vec<One<'a>>,
    k: usize,
    features: usize,
}

struct One<'a> {
    tree: &'a Tree,
    expected: f64,
    sweep: Sweep,
    /// The features of the tree, by their number in the sweep.
    features: Vec<usize>,
    /// Share of training rows of each edge's feature on its path; see the module.
    zeros: Vec<f64>,
    /// Points of the quadrature and their weights.
    points: (Vec<f64>, Vec<f64>),
}

/// Buffers, to be used again.
#[derive(Default)]
pub(super) struct Room {
    lefts: Vec<u8>,
    sweep: SweepRoom,
    shares: Vec<f64>,
}

impl<'a> Shares<'a> {
    /// # Errors
    /// A path with more than 256 features.
    pub(super) fn new(trees: &'a [Tree], k: usize, features: usize) -> Result<Self> {
        let mut points = HashMap::new();
        let mut one = |tree: &'a Tree| {
            let paths = Paths::of(tree)?;
            let blocks = paths.most.div_ceil(16).max(1).next_power_of_two();
            let points = points.entry(blocks).or_insert_with(|| gauss_legendre(8 * blocks));
            let tables = tables(&paths, &tree.leaf_value, points);
            let Paths { edges, zeros, features, .. } = paths;
            let sweep = Sweep::new(edges, blocks, features.len(), tables);
            Ok(One { tree, expected: tree.expected(), sweep, features, zeros, points: points.clone() })
        };
        let trees = trees.iter().map(&mut one).collect::<Result<_>>()?;
        Ok(Self { trees, k, features })
    }

    /// Adds the shares of some rows, each a slice of `rows` with `width` values, to their outputs: for each raw score a
    /// place a feature and the expected value.
    pub(super) fn add(&self, rows: &[f64], width: usize, room: &mut Room, out: &mut [f64]) {
        let one_score = self.features + 1;
        let each = self.k * one_score;
        // A tree's tables are read for some rows before the next tree's.
        for (rows, out) in rows.chunks(width.max(1) * 64).zip(out.chunks_mut(each * 64)) {
            for (t, own) in self.trees.iter().enumerate() {
                let first = t % self.k * one_score;
                for (row, out) in rows.chunks_exact(width.max(1)).zip(out.chunks_exact_mut(each)) {
                    let out = &mut out[first..first + one_score];
                    out[self.features] += own.expected;
                    own.shares(row, room);
                    own.features.iter().zip(&room.shares).for_each(|(f, share)| out[*f] += share);
                }
            }
        }
    }
}

/// The edges of a tree and what is known of them.
struct Paths {
    edges: Vec<Edge>,
    zeros: Vec<f64>,
    features: Vec<usize>,
    /// Most features on a path.
    most: usize,
}

impl Paths {
    fn of(tree: &Tree) -> Result<Self> {
        let mut features: Vec<usize> = tree.split_feature.clone();
        features.sort_unstable();
        features.dedup();
        let (mut edges, mut zeros, mut most): (Vec<Edge>, Vec<f64>, usize) = (Vec::new(), Vec::new(), 0);
        // A node, the edge to it, the last edge of each feature on the way, how many features these are.
        let mut open = vec![(0usize, NONE, vec![NONE; features.len()], 0usize)];
        if tree.split_feature.is_empty() {
            open.clear();
        }
        while let Some((node, above, last, count)) = open.pop() {
            let feature = features.binary_search(&tree.split_feature[node]).unwrap_or_default();
            let before = last[feature];
            let count = count + usize::from(before == NONE);
            most = most.max(count);
            for (is_left, child) in [(true, tree.left_child[node]), (false, tree.right_child[node])] {
                let at = edges.len() as u32;
                let inner = usize::try_from(child).ok();
                let leaf = if inner.is_some() { NONE } else { !child as u32 };
                let cover = match inner {
                    Some(inner) => tree.internal_count[inner],
                    None => tree.leaf_count[leaf as usize],
                };
                let share = cover as f64 / (tree.internal_count[node] as f64).max(1.0);
                zeros.push(if before == NONE { share } else { share * zeros[before as usize] });
                edges.push(Edge { above, before, node: node as u32, is_left, feature: feature as u32, leaf });
                if let Some(inner) = inner {
                    let mut last = last.clone();
                    last[feature] = at;
                    open.push((inner, at, last, count));
                }
            }
        }
        if most > MOST {
            let message = format!("a path of a tree has {most} features, contributions take at most {MOST}");
            return Err(Error::unsupported(message));
        }
        Ok(Self { edges, zeros, features, most })
    }
}

/// What the edges of a tree do to vectors.
fn tables(paths: &Paths, values: &[f64], (points, weights): &(Vec<f64>, Vec<f64>)) -> Tables {
    let mut out = Tables::default();
    let (points, weights) = (points.as_chunks::<8>().0, weights.as_chunks::<8>().0);
    for (edge, zero) in paths.edges.iter().zip(&paths.zeros) {
        let before = (edge.before != NONE).then(|| paths.zeros[edge.before as usize]);
        for (now, old) in [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            for t in points {
                let part = |o: f64, z: f64| (o - z, t.map(|t| t * o + (1.0 - t) * z));
                let (gain, own) = part(now, *zero);
                // Where nothing is left of a product, its feature's share is 0 too.
                let over = |x: f64, y: f64| if y == 0.0 { 0.0 } else { x / y };
                let (mut factor, mut share) = (Eight(own), Eight(own.map(|f| over(gain, f))));
                if let Some(before) = before {
                    let (gain, last) = part(old, before);
                    factor.0.iter_mut().zip(&last).for_each(|(x, f)| *x = over(*x, *f));
                    share.0.iter_mut().zip(&last).for_each(|(x, f)| *x -= over(gain, *f));
                }
                out.factors.push(factor);
                out.shares.push(share);
            }
        }
    }
    for value in values {
        out.leaves.extend(weights.iter().map(|w| Eight(w.map(|w| w * value))));
    }
    out
}

impl One<'_> {
    /// Which way a row goes at each node.
    fn decide(&self, row: &[f64], lefts: &mut Vec<u8>) {
        let x = |feature: &usize| row.get(*feature).copied().unwrap_or(f64::NAN);
        let one = |(node, feature)| u8::from(self.tree.goes_left_at(node, x(feature)));
        lefts.clear();
        lefts.extend(self.tree.split_feature.iter().enumerate().map(one));
    }

    /// The shares of the tree's features for a row, into the room.
    fn shares(&self, row: &[f64], room: &mut Room) {
        self.decide(row, &mut room.lefts);
        room.shares.clear();
        room.shares.resize(self.features.len(), 0.0);
        self.sweep.run(&room.lefts, &mut room.sweep, &mut room.shares);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use lyceum_data::Random;

    /// A tree of random shape on a few features, so that they come again on a path.
    pub(super) fn random_tree(leaves: usize, features: usize, random: &mut Random) -> Tree {
        let mut tree = Tree { shrinkage: 1.0, ..Tree::default() };
        tree.leaf_count = vec![4000];
        for right in 1..leaves as i32 {
            let at = loop {
                let at = random.below(right as usize);
                if tree.leaf_count[at] > 1 {
                    break at;
                }
            };
            let node = tree.split_feature.len() as i32;
            let own = !(at as i32);
            for children in [&mut tree.left_child, &mut tree.right_child] {
                children.iter_mut().filter(|c| **c == own).for_each(|c| *c = node);
            }
            let count = tree.leaf_count[at];
            let left = 1 + random.below(count - 1);
            tree.split_feature.push(random.below(features));
            tree.threshold.push(random.normal());
            tree.decision_type.push(0);
            tree.split_gain.push(1.0);
            tree.internal_value.push(0.0);
            tree.internal_weight.push(1.0);
            tree.internal_count.push(count);
            tree.left_child.push(own);
            tree.right_child.push(!right);
            tree.leaf_count[at] = left;
            tree.leaf_count.push(count - left);
        }
        tree.leaf_value = (0..leaves).map(|_| random.normal()).collect();
        tree.leaf_weight = vec![1.0; leaves];
        tree
    }

    #[test]
    fn says_what_the_recursion_says() {
        let mut random = Random::new(12, 0);
        for (leaves, features) in [(1, 3), (2, 3), (9, 3), (31, 6), (80, 40), (300, 90)] {
            let trees: Vec<Tree> = (0..3).map(|_| random_tree(leaves, features, &mut random)).collect();
            let shares = Shares::new(&trees, 1, features).unwrap();
            let twin = recursion::Paths::new(&trees, 1, features);
            let (mut room, mut twin_room) = (Room::default(), twin.room());
            for _ in 0..5 {
                let row: Vec<f64> = (0..features).map(|_| random.normal()).collect();
                let (mut got, mut want) = (vec![0.0; features + 1], vec![0.0; features + 1]);
                shares.add(&row, features, &mut room, &mut got);
                twin.add(&trees, &row, &mut twin_room, &mut want);
                for (g, w) in got.iter().zip(&want) {
                    assert!((g - w).abs() < 1e-12 * (1.0 + w.abs()), "{leaves} leaves: {g} {w}");
                }
                let all: f64 = got.iter().sum();
                let raw: f64 = trees.iter().map(|t| t.predict(&row)).sum();
                assert!((all - raw).abs() < 1e-12 * (1.0 + raw.abs()));
            }
        }
    }

    #[test]
    fn leaves_without_rows_have_no_share() {
        let mut random = Random::new(3, 0);
        let mut tree = random_tree(8, 3, &mut random);
        tree.leaf_count.fill(0);
        tree.leaf_count[5] = 10;
        let shares = Shares::new(std::slice::from_ref(&tree), 1, 3).unwrap();
        let mut out = [0.0; 4];
        shares.add(&[0.1, 0.2, 0.3], 3, &mut Room::default(), &mut out);
        assert!(out.iter().all(|x| x.is_finite()), "{out:?}");
    }
}

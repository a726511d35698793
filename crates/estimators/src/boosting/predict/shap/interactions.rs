//! What pairs of features share in a raw score: SHAP interaction values.
//!
//! For features i ≠ j of a leaf's path, in the words of the module above,
//! Φ_ij = ½ · v · (o_i - z_i)(o_j - z_j) · ∫₀¹ Π_{l ≠ i, j} (t·o_l + (1 - t)·z_l) dt; what is left of a feature's share
//! after its pairs is Φ_ii, so that a row of the matrix sums to the feature's share.
//!
//! Source: Lundberg et al. 2020 (the interaction index of Fujimoto et al. 2006 on the trees' game).
#![allow(clippy::indexing_slicing, reason = "edges and features are numbered by the paths")]

use super::{One, Room, Shares};
use crate::boosting::kernels::NONE;

/// A feature on a leaf's path: its number in the tree, o - z, and o·t + (1 - t)·z at each point.
type Element = (usize, f64, Vec<f64>);

impl Shares<'_> {
    /// Adds the interactions of one row to `out`: for each raw score a matrix with a row and a column a feature, and for
    /// the expected value, which stands in the last corner.
    pub(in crate::boosting::predict) fn interactions(&self, row: &[f64], room: &mut Room, out: &mut [f64]) {
        let side = self.features + 1;
        for (t, own) in self.trees.iter().enumerate() {
            let out = &mut out[t % self.k * side * side..(t % self.k + 1) * side * side];
            out[side * side - 1] += own.expected;
            own.shares(row, room);
            let shares = own.features.iter().zip(&room.shares);
            shares.for_each(|(f, share)| out[*f * side + *f] += share);
            own.pairs(room.sweep.states(), |i, j, x| {
                for (a, b) in [(i, j), (j, i)] {
                    out[a * side + b] += x;
                    out[a * side + a] -= x;
                }
            });
        }
    }
}

impl One<'_> {
    /// Hands over the interaction of each pair of features on the path to each leaf.
    fn pairs(&self, states: &[u8], mut each: impl FnMut(usize, usize, f64)) {
        let (points, weights) = &self.points;
        for (i, edge) in self.sweep.edges().iter().enumerate().filter(|(_, e)| e.leaf != NONE) {
            let value = self.tree.leaf_value[edge.leaf as usize];
            let path = self.path(i, states, points);
            for (a, (first, gain, _)) in path.iter().enumerate() {
                for (b, (second, other, _)) in path.iter().enumerate().skip(a + 1) {
                    let rest = |k: usize| {
                        let others = path.iter().enumerate().filter(|(l, _)| *l != a && *l != b);
                        others.fold(weights[k], |product, (_, (_, _, f))| product * f[k])
                    };
                    let integral: f64 = (0..points.len()).map(rest).sum();
                    let share = value * gain * other * integral / 2.0;
                    each(self.features[*first], self.features[*second], share);
                }
            }
        }
    }

    /// The features on the path that ends with an edge.
    fn path(&self, last: usize, states: &[u8], points: &[f64]) -> Vec<Element> {
        let mut path: Vec<Element> = Vec::new();
        let mut at = last;
        loop {
            let edge = &self.sweep.edges()[at];
            let feature = edge.feature as usize;
            // The lowest edge of a feature knows those above.
            if path.iter().all(|(f, ..)| *f != feature) {
                let (o, z) = (f64::from(states[at] == 2), self.zeros[at]);
                path.push((feature, o - z, points.iter().map(|t| t * o + (1.0 - t) * z).collect()));
            }
            if edge.above == NONE {
                return path;
            }
            at = edge.above as usize;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::super::tests::random_tree;
    use super::*;
    use crate::boosting::model::Tree;
    use lyceum_data::Random;

    /// The expected output when the features of a set are known.
    fn game(tree: &Tree, row: &[f64], known: u32, node: i32) -> f64 {
        let Ok(n) = usize::try_from(node) else { return tree.leaf_value[(!node) as usize] };
        let children = [tree.left_child[n], tree.right_child[n]];
        let feature = tree.split_feature[n];
        if known >> feature & 1 == 1 {
            let way = usize::from(!tree.goes_left_at(n, row[feature]));
            return game(tree, row, known, children[way]);
        }
        let cover = |child: i32| match usize::try_from(child) {
            Ok(inner) => tree.internal_count[inner],
            Err(_) => tree.leaf_count[(!child) as usize],
        };
        let parts = children.map(|c| game(tree, row, known, c) * cover(c) as f64);
        (parts[0] + parts[1]) / tree.internal_count[n] as f64
    }

    fn factorial(n: u32) -> f64 {
        (1..=n).map(f64::from).product()
    }

    /// Shares and interactions as they are defined: over all sets of features.
    #[test]
    fn sets_tried_one_by_one_say_the_same() {
        const D: u32 = 5;
        let mut random = Random::new(21, 0);
        for leaves in [2, 7, 16] {
            let tree = random_tree(leaves, D as usize, &mut random);
            let row: Vec<f64> = (0..D).map(|_| random.normal()).collect();
            let value = |set: u32| game(&tree, &row, set, 0);
            let shares = Shares::new(std::slice::from_ref(&tree), 1, D as usize).unwrap();
            let side = D as usize + 1;
            let mut got = vec![0.0; side * side];
            shares.interactions(&row, &mut Room::default(), &mut got);
            assert!((got[side * side - 1] - value(0)).abs() < 1e-12);
            for i in 0..D {
                let others = |set: &u32| set >> i & 1 == 0;
                let weight = |size: u32, of: u32| factorial(size) * factorial(of - size - 1) / factorial(of);
                let share: f64 = (0..1u32 << D)
                    .filter(others)
                    .map(|s| weight(s.count_ones(), D) * (value(s | 1 << i) - value(s)))
                    .sum();
                let own: f64 = got[i as usize * side..(i as usize + 1) * side].iter().sum();
                assert!((own - share).abs() < 1e-12, "{i}: {own} {share}");
                for j in (0..D).filter(|j| *j != i) {
                    let pair = |s: u32| {
                        value(s | 1 << i | 1 << j) - value(s | 1 << i) - value(s | 1 << j) + value(s)
                    };
                    let want: f64 = (0..1u32 << D)
                        .filter(|s| s >> i & 1 == 0 && s >> j & 1 == 0)
                        .map(|s| weight(s.count_ones(), D - 1) * pair(s) / 2.0)
                        .sum();
                    let own = got[i as usize * side + j as usize];
                    assert!((own - want).abs() < 1e-12, "{i} {j}: {own} {want}");
                    assert_eq!(own.to_bits(), got[j as usize * side + i as usize].to_bits());
                }
            }
        }
    }
}

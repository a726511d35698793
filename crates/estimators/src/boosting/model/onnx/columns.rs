//! What the trees of an ONNX file read: the features, and columns made of them where ONNX's comparison is not ours.
//!
//! ONNX's trees know `x <= t` and where NaN goes. A feature whose zeros are missing gets a second column that has NaN for
//! them; each split by categories gets one that is 1 for the rows that go right.
#![allow(clippy::indexing_slicing, reason = "nodes and features are numbered by the trees")]

use super::super::tree::{CATEGORICAL, Tree, missing_of};
use crate::boosting::data::MissingKind;
use std::collections::BTreeMap;

/// The columns made of features.
#[derive(Default)]
pub(super) struct Made {
    /// Features of which zeros become NaN, in the order of their columns.
    pub(super) zeros: Vec<usize>,
    /// By feature, the splits by its categories, in the order of their columns.
    pub(super) sets: BTreeMap<usize, Sets>,
}

/// Splits of one feature by categories.
#[derive(Default)]
pub(super) struct Sets {
    /// Tree and node.
    pub(super) splits: Vec<(usize, usize)>,
    /// One more than the greatest category of any.
    pub(super) categories: usize,
}

impl Sets {
    /// For "none", each category and "any other", whether it goes right, split after split.
    pub(super) fn table(&self, trees: &[Tree]) -> Vec<u8> {
        let right = |value: f64| {
            let one = move |(tree, node): &(usize, usize)| u8::from(!trees[*tree].goes_left_at(*node, value));
            self.splits.iter().map(one)
        };
        let values = std::iter::once(f64::NAN).chain((0..=self.categories).map(|c| c as f64));
        values.flat_map(right).collect()
    }

    /// Rows of the table.
    pub(super) fn rows(&self) -> usize {
        self.categories + 2
    }
}

impl Made {
    pub(super) fn of(trees: &[Tree]) -> Self {
        let mut out = Self::default();
        for (t, tree) in trees.iter().enumerate() {
            for (node, feature) in tree.split_feature.iter().copied().enumerate() {
                let decision = tree.decision_type[node];
                if decision & CATEGORICAL != 0 {
                    let sets = out.sets.entry(feature).or_default();
                    sets.splits.push((t, node));
                    let most = tree.set(tree.threshold[node] as usize).last().map_or(0, |c| c + 1);
                    sets.categories = sets.categories.max(most);
                } else if missing_of(decision) == MissingKind::Zero && !out.zeros.contains(&feature) {
                    out.zeros.push(feature);
                }
            }
        }
        out
    }

    /// The column that each node of each tree reads; the first `width` are the features.
    pub(super) fn of_nodes(&self, trees: &[Tree], width: usize) -> Vec<Vec<usize>> {
        let mut out: Vec<Vec<usize>> = trees.iter().map(|t| t.split_feature.clone()).collect();
        for (tree, columns) in trees.iter().zip(&mut out) {
            for (decision, column) in tree.decision_type.iter().zip(columns) {
                if decision & CATEGORICAL == 0 && missing_of(*decision) == MissingKind::Zero {
                    let place = self.zeros.iter().position(|f| f == column);
                    *column = place.map_or(*column, |p| width + p);
                }
            }
        }
        let mut next = width + self.zeros.len();
        for sets in self.sets.values() {
            for (tree, node) in &sets.splits {
                out[*tree][*node] = next;
                next += 1;
            }
        }
        out
    }
}

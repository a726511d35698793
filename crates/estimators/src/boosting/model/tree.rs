//! One tree: arrays in the order of a model file, and the decision at a node.
//!
//! Child numbers from 0 up are nodes, below 0 leaves (`!leaf`). Node 0 is the root; a tree of one leaf has no nodes.

use crate::boosting::data::{MissingKind, ZERO};

/// Bit of `decision_type`: the split is by a set of categories.
pub(in crate::boosting) const CATEGORICAL: u8 = 1;
/// Bit of `decision_type`: missing values go left.
pub(in crate::boosting) const DEFAULT_LEFT: u8 = 2;

/// A decision tree with a number at each leaf.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    pub(in crate::boosting) split_feature: Vec<usize>,
    pub(in crate::boosting) split_gain: Vec<f32>,
    /// Upper bound of the left side; for categories the index into `cat_boundaries`.
    pub(in crate::boosting) threshold: Vec<f64>,
    pub(in crate::boosting) decision_type: Vec<u8>,
    pub(in crate::boosting) left_child: Vec<i32>,
    pub(in crate::boosting) right_child: Vec<i32>,
    pub(in crate::boosting) leaf_value: Vec<f64>,
    pub(in crate::boosting) leaf_weight: Vec<f64>,
    pub(in crate::boosting) leaf_count: Vec<usize>,
    pub(in crate::boosting) internal_value: Vec<f64>,
    pub(in crate::boosting) internal_weight: Vec<f64>,
    pub(in crate::boosting) internal_count: Vec<usize>,
    pub(in crate::boosting) cat_boundaries: Vec<usize>,
    pub(in crate::boosting) cat_threshold: Vec<u32>,
    pub(in crate::boosting) shrinkage: f64,
    /// The linear model of each leaf; empty where leaves are constants.
    pub(in crate::boosting) linear: Vec<LeafModel>,
}

/// A linear model at a leaf: constant + Σ coefficient · feature. A row that lacks one of the features gets the leaf's
/// own value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::boosting) struct LeafModel {
    pub(in crate::boosting) constant: f64,
    pub(in crate::boosting) features: Vec<usize>,
    pub(in crate::boosting) coefficients: Vec<f64>,
}

/// The missing type of a decision.
pub(in crate::boosting) fn missing_of(decision_type: u8) -> MissingKind {
    match (decision_type >> 2) & 3 {
        1 => MissingKind::Zero,
        2 => MissingKind::Nan,
        _ => MissingKind::None,
    }
}

impl Tree {
    /// A tree that always says the same.
    pub fn constant(value: f64) -> Self {
        Self {
            leaf_value: vec![value],
            leaf_weight: vec![0.0],
            leaf_count: vec![0],
            shrinkage: 1.0,
            ..Self::default()
        }
    }

    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        self.leaf_value.len()
    }

    /// The leaf that a row falls into; `row` has the features in training order, missing as NaN.
    pub fn leaf(&self, row: &[f64]) -> usize {
        let mut node = if self.split_feature.is_empty() { -1 } else { 0 };
        while let Ok(at) = usize::try_from(node) {
            let next =
                if self.goes_left(at, row) { self.left_child.get(at) } else { self.right_child.get(at) };
            node = next.copied().unwrap_or(-1);
        }
        (!node) as usize
    }

    /// The number at a row's leaf.
    pub fn predict(&self, row: &[f64]) -> f64 {
        let leaf = self.leaf(row);
        let value = self.leaf_value.get(leaf).copied().unwrap_or(f64::NAN);
        self.linear.get(leaf).and_then(|m| m.predict(row)).unwrap_or(value)
    }

    /// Whether leaves hold linear models.
    pub fn is_linear(&self) -> bool {
        !self.linear.is_empty()
    }

    /// The mean output over the rows of training.
    pub(in crate::boosting) fn expected(&self) -> f64 {
        match (self.internal_count.first(), self.leaf_value.first()) {
            (Some(all), _) if *all > 0 => {
                let pairs = self.leaf_count.iter().zip(&self.leaf_value);
                pairs.map(|(n, value)| *n as f64 / *all as f64 * value).sum()
            }
            (_, value) => value.copied().unwrap_or(0.0),
        }
    }

    fn goes_left(&self, node: usize, row: &[f64]) -> bool {
        let x = self.split_feature.get(node).and_then(|f| row.get(*f)).copied().unwrap_or(f64::NAN);
        self.goes_left_at(node, x)
    }

    /// Whether a value of the node's feature goes left.
    pub(in crate::boosting) fn goes_left_at(&self, node: usize, x: f64) -> bool {
        let threshold = self.threshold.get(node).copied().unwrap_or(f64::NAN);
        let decision = self.decision_type.get(node).copied().unwrap_or(0);
        if decision & CATEGORICAL != 0 {
            return self.in_set(threshold as usize, x);
        }
        let missing = missing_of(decision);
        let x = if x.is_nan() && missing != MissingKind::Nan { 0.0 } else { x };
        let is_missing = match missing {
            MissingKind::Zero => x.abs() <= ZERO,
            MissingKind::Nan => x.is_nan(),
            MissingKind::None => false,
        };
        if is_missing { decision & DEFAULT_LEFT != 0 } else { x <= threshold }
    }

    /// Whether a category is in a set: truncated towards 0; NaN, negative and unseen are not.
    fn in_set(&self, set: usize, x: f64) -> bool {
        if x.is_nan() || x <= -1.0 || x >= 2_147_483_648.0 {
            return false;
        }
        let category = x as usize;
        self.words(set).get(category / 32).is_some_and(|w| w >> (category % 32) & 1 == 1)
    }

    /// The words of a set of categories, a bit each.
    pub(in crate::boosting) fn words(&self, set: usize) -> &[u32] {
        let bounds = self.cat_boundaries.get(set).zip(self.cat_boundaries.get(set + 1));
        bounds.and_then(|(from, to)| self.cat_threshold.get(*from..*to)).unwrap_or_default()
    }

    /// The categories of a set, ascending.
    pub(in crate::boosting) fn set(&self, set: usize) -> impl Iterator<Item = usize> + '_ {
        let of = |(i, word): (usize, &u32)| {
            let word = *word;
            (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| i * 32 + bit)
        };
        self.words(set).iter().enumerate().flat_map(of)
    }

    /// Multiplies every output.
    pub(in crate::boosting) fn shrink(&mut self, rate: f64) {
        self.leaf_value.iter_mut().chain(&mut self.internal_value).for_each(|v| *v *= rate);
        for model in &mut self.linear {
            model.constant *= rate;
            model.coefficients.iter_mut().for_each(|c| *c *= rate);
        }
        self.shrinkage *= rate;
    }

    /// Adds a constant to every leaf and node.
    pub(in crate::boosting) fn add_bias(&mut self, bias: f64) {
        self.leaf_value.iter_mut().chain(&mut self.internal_value).for_each(|v| *v += bias);
        self.linear.iter_mut().for_each(|m| m.constant += bias);
        self.shrinkage = 1.0;
    }

    /// Adds a set of categories; the answer is its index.
    pub(in crate::boosting) fn push_set(&mut self, categories: impl Iterator<Item = u32> + Clone) -> usize {
        if self.cat_boundaries.is_empty() {
            self.cat_boundaries.push(0);
        }
        let words = categories.clone().max().map_or(1, |c| c as usize / 32 + 1);
        let start = self.cat_threshold.len();
        self.cat_threshold.resize(start + words, 0);
        for c in categories {
            if let Some(word) = self.cat_threshold.get_mut(start + c as usize / 32) {
                *word |= 1 << (c % 32);
            }
        }
        self.cat_boundaries.push(self.cat_threshold.len());
        self.cat_boundaries.len() - 2
    }
}

impl LeafModel {
    /// Nothing when a feature is missing.
    fn predict(&self, row: &[f64]) -> Option<f64> {
        let mut sum = self.constant;
        for (feature, coefficient) in self.features.iter().zip(&self.coefficients) {
            let x = row.get(*feature).copied().filter(|x| !x.is_nan())?;
            sum += coefficient * x;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_whole_categories_only() {
        let mut t = Tree::constant(0.0);
        assert_eq!(t.push_set([0u32, 2, 40].into_iter()), 0);
        let inside: Vec<bool> = [0.0, -0.5, 1.0, 2.9, 40.0, 41.0, -1.0, f64::NAN, 1e300]
            .iter()
            .map(|x| t.in_set(0, *x))
            .collect();
        assert_eq!(inside, [true, true, false, true, true, false, false, false, false]);
    }
}

//! One tree as a block of a LightGBM model file, and back.

use super::tree::{CATEGORICAL, LeafModel, Tree};
use lyceum_core::{Error, Result};
use std::fmt::{Debug, Write};
use std::str::FromStr;

/// Numbers so that they read back to the same bits, small and large ones with an exponent.
fn list<T: Debug>(values: &[T]) -> String {
    values.iter().map(|v| plain(&format!("{v:?}"))).collect::<Vec<_>>().join(" ")
}

/// `1.0` as `1`, as C prints it.
fn plain(text: &str) -> String {
    text.strip_suffix(".0").unwrap_or(text).to_string()
}

impl Tree {
    /// The block, without its `Tree=` line, ended by two line breaks.
    pub(in crate::boosting) fn to_block(&self) -> String {
        let sets = self.decision_type.iter().filter(|d| **d & CATEGORICAL != 0).count();
        let mut out = String::new();
        let mut line = |key: &str, value: String| {
            let _ = writeln!(out, "{key}={value}");
        };
        line("num_leaves", self.leaves().to_string());
        line("num_cat", sets.to_string());
        line("split_feature", list(&self.split_feature));
        line("split_gain", list(&self.split_gain));
        line("threshold", list(&self.threshold));
        line("decision_type", list(&self.decision_type));
        line("left_child", list(&self.left_child));
        line("right_child", list(&self.right_child));
        line("leaf_value", list(&self.leaf_value));
        line("leaf_weight", list(&self.leaf_weight));
        line("leaf_count", list(&self.leaf_count));
        line("internal_value", list(&self.internal_value));
        line("internal_weight", list(&self.internal_weight));
        line("internal_count", list(&self.internal_count));
        if sets > 0 {
            line("cat_boundaries", list(&self.cat_boundaries));
            line("cat_threshold", list(&self.cat_threshold));
        }
        line("is_linear", u8::from(self.is_linear()).to_string());
        if self.is_linear() {
            // Numbers of a leaf are one blank apart, leaves two.
            let by_leaf = |of: &dyn Fn(&LeafModel) -> String| {
                self.linear.iter().map(|m| of(m) + " ").collect::<Vec<_>>().join(" ")
            };
            line("leaf_const", list(&self.linear.iter().map(|m| m.constant).collect::<Vec<_>>()));
            line("num_features", list(&self.linear.iter().map(|m| m.features.len()).collect::<Vec<_>>()));
            line("leaf_features", by_leaf(&|m| list(&m.features)));
            line("leaf_coeff", by_leaf(&|m| list(&m.coefficients)));
        }
        line("shrinkage", list(&[self.shrinkage]));
        out.push_str("\n\n");
        out
    }

    /// Reads `key=value` lines of a block. Whether the nodes form a tree is checked.
    pub(in crate::boosting) fn from_block(lines: &[&str]) -> Result<Self> {
        let block = Block(lines.iter().filter_map(|l| l.split_once('=')).collect());
        let leaves: usize = block.one("num_leaves")?;
        let sets: usize = block.one("num_cat")?;
        let is_linear = block.get("is_linear").is_some_and(|v| v.trim() == "1");
        let nodes = leaves.checked_sub(1).ok_or_else(|| Error::corrupt("num_leaves is 0"))?;
        let tree = Self {
            split_feature: block.need("split_feature", nodes)?,
            split_gain: block.maybe("split_gain", nodes)?,
            threshold: block.need("threshold", nodes)?,
            decision_type: block.maybe("decision_type", nodes)?,
            left_child: block.need("left_child", nodes)?,
            right_child: block.need("right_child", nodes)?,
            leaf_value: block.need("leaf_value", leaves)?,
            leaf_weight: block.maybe("leaf_weight", leaves)?,
            leaf_count: block.maybe("leaf_count", leaves)?,
            internal_value: block.maybe("internal_value", nodes)?,
            internal_weight: block.maybe("internal_weight", nodes)?,
            internal_count: block.maybe("internal_count", nodes)?,
            cat_boundaries: if sets > 0 { block.need("cat_boundaries", sets + 1)? } else { Vec::new() },
            cat_threshold: if sets > 0 { block.list("cat_threshold", sets)? } else { Vec::new() },
            shrinkage: block.one("shrinkage").unwrap_or(1.0),
            linear: if is_linear { block.models(leaves)? } else { Vec::new() },
        };
        tree.check()?;
        Ok(tree)
    }

    /// Every node but the root and every leaf is the child of exactly one earlier node, so that a walk ends.
    fn check(&self) -> Result<()> {
        let (nodes, leaves) = (self.split_feature.len(), self.leaves());
        let mut seen_node = vec![false; nodes];
        let mut seen_leaf = vec![false; leaves];
        for (parent, (left, right)) in self.left_child.iter().zip(&self.right_child).enumerate() {
            for child in [*left, *right] {
                let place = match usize::try_from(child) {
                    Ok(node) if node > parent => seen_node.get_mut(node),
                    Ok(_) => None,
                    Err(_) => seen_leaf.get_mut((!child) as usize),
                };
                match place {
                    Some(seen) if !*seen => *seen = true,
                    _ => return Err(Error::corrupt(format!("node {parent} has a wrong child {child}"))),
                }
            }
        }
        let sets = self.cat_boundaries.len().saturating_sub(1);
        for (decision, threshold) in self.decision_type.iter().zip(&self.threshold) {
            if decision & CATEGORICAL != 0 && *threshold >= sets as f64 {
                return Err(Error::corrupt("a node names a set of categories that is not there"));
            }
        }
        Ok(())
    }
}

/// Keys and values of a block; so few that looking through them is fastest.
struct Block<'a>(Vec<(&'a str, &'a str)>);

impl Block<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// The numbers of a list that should have `len` of them.
    fn list<T: FromStr>(&self, key: &str, len: usize) -> Result<Vec<T>> {
        let text = self.get(key).unwrap_or_default();
        let mut out = Vec::with_capacity(len.min(text.len()));
        let mut rest = text.trim_ascii_start();
        while !rest.is_empty() {
            let end = rest.bytes().position(|b| b.is_ascii_whitespace()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let number = word.parse::<T>();
            out.push(number.map_err(|_| Error::corrupt(format!("{key}: \"{word}\" is no number")))?);
            rest = after.trim_ascii_start();
        }
        Ok(out)
    }

    fn need<T: FromStr>(&self, key: &str, len: usize) -> Result<Vec<T>> {
        let list = self.list(key, len)?;
        if list.len() != len {
            return Err(Error::corrupt(format!("{key} has {} entries, expected {len}", list.len())));
        }
        Ok(list)
    }

    /// A list that only describes the tree: absent ones are all 0.
    fn maybe<T: FromStr + Default + Clone>(&self, key: &str, len: usize) -> Result<Vec<T>> {
        match self.get(key) {
            Some(text) if !text.trim().is_empty() => self.need(key, len),
            _ => Ok(vec![T::default(); len]),
        }
    }

    /// The linear models of the leaves.
    fn models(&self, leaves: usize) -> Result<Vec<LeafModel>> {
        let constants: Vec<f64> = self.need("leaf_const", leaves)?;
        let counts: Vec<usize> = self.need("num_features", leaves)?;
        let all = counts.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        let all = all.ok_or_else(|| Error::corrupt("num_features is too large"))?;
        let mut features = self.need::<usize>("leaf_features", all)?.into_iter();
        let mut coefficients = self.need::<f64>("leaf_coeff", all)?.into_iter();
        let one = |(constant, n): (f64, usize)| LeafModel {
            constant,
            features: features.by_ref().take(n).collect(),
            coefficients: coefficients.by_ref().take(n).collect(),
        };
        Ok(constants.into_iter().zip(counts).map(one).collect())
    }

    fn one<T: FromStr>(&self, key: &str) -> Result<T> {
        let list = self.list(key, 1)?;
        list.into_iter().next().ok_or_else(|| Error::corrupt(format!("a tree lacks {key}")))
    }
}

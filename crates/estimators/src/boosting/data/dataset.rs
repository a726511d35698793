//! Rows as bins, with the layout that says what the bins are.

use super::{BinRule, Layout};
use crate::boosting::Matrix;
use crate::boosting::model::Tree;
use crate::features::Features;
use lyceum_core::Result;
use lyceum_tensor::Pool;
use std::sync::Arc;

/// Binned rows. Sets that were binned alike share their layout.
pub struct Dataset {
    pub(in crate::boosting) layout: Arc<Layout>,
    pub(in crate::boosting) bins: Vec<Vec<u8>>,
    pub(in crate::boosting) rows: usize,
}

impl Dataset {
    /// Learns the bins from `x` and bins it. `features` says which columns are categories; a feature that cannot
    /// leave `min_data_in_leaf` rows on both sides is left out when the rule says so.
    pub fn fit(
        x: &Matrix<'_>,
        features: &Features,
        rule: &BinRule,
        min_data_in_leaf: usize,
        pool: &Pool,
    ) -> Result<Self> {
        let layout = Layout::fit(&columns(x), features, rule, min_data_in_leaf, pool);
        Self::of(Arc::new(layout), x, pool)
    }

    /// Bins other rows as these were.
    pub fn like(&self, x: &Matrix<'_>, pool: &Pool) -> Result<Self> {
        Self::of(self.layout.clone(), x, pool)
    }

    fn of(layout: Arc<Layout>, x: &Matrix<'_>, pool: &Pool) -> Result<Self> {
        let bins = layout.bin(&columns(x), pool);
        Ok(Self { layout, bins, rows: x.rows() })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of features that trees can split on; [`crate::boosting::grow`] numbers them from 0.
    pub fn splittable(&self) -> usize {
        self.layout.features.len()
    }

    /// Adds `factor` times a tree's outputs to the scores of all rows. The tree was grown on this layout.
    pub(in crate::boosting) fn add(&self, tree: &Tree, factor: f64, score: &mut [f64], pool: &Pool) {
        let _ = pool;
        let all: Vec<u32> = (0..self.rows as u32).collect();
        self.add_rows(tree, factor, &all, score);
    }

    /// As [`Dataset::add`], for some rows.
    pub(in crate::boosting) fn add_rows(&self, tree: &Tree, factor: f64, rows: &[u32], score: &mut [f64]) {
        let walk = self.layout.walk(tree);
        for row in rows {
            let leaf =
                walk.leaf(|feature| self.bins.get(feature).and_then(|b| b.get(*row as usize)).copied());
            let value = tree.leaf_value.get(leaf).copied().unwrap_or(0.0);
            if let Some(s) = score.get_mut(*row as usize) {
                *s += factor * value;
            }
        }
    }
}

fn columns(x: &Matrix<'_>) -> Vec<Vec<f64>> {
    (0..x.width()).map(|c| (0..x.rows()).map(|r| x.get(r, c)).collect()).collect()
}

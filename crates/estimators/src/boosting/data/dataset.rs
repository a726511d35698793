//! Rows as bins, with the layout that says what the bins are.
//!
//! One array a feature: what divides rows and walks trees reads one feature of many rows. A grower packs its
//! own rows beside it.
#![allow(clippy::indexing_slicing, reason = "features and rows stay below the lengths made here")]

use super::{BinRule, Column, Layout};
use crate::boosting::Matrix;
use crate::boosting::kernels::{LeftBins, Scatter};
use crate::boosting::model::Tree;
use crate::features::Features;
use lyceum_core::Result;
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::Arc;

/// Binned rows. Sets that were binned alike share their layout.
pub struct Dataset {
    pub(in crate::boosting) layout: Arc<Layout>,
    /// The bins of each feature of the layout.
    pub(in crate::boosting) columns: Vec<Column>,
    pub(in crate::boosting) rows: usize,
}

/// Rows that one task routes down a tree.
const CHUNK: usize = 16_384;

impl Dataset {
    /// Learns the bins from `x` and bins it. `features` says which columns are categories; a feature that cannot
    /// leave `min_data_in_leaf` rows on both sides is left out when the rule says so.
    ///
    /// # Errors
    /// More rows than 2³² - 1, or a column with too many categories.
    pub fn fit(
        x: &Matrix<'_>,
        features: &Features,
        rule: &BinRule,
        min_data_in_leaf: usize,
        pool: &Pool,
    ) -> Result<Self> {
        Self::of(Arc::new(Layout::fit(x, features, rule, min_data_in_leaf, pool)?), x, pool)
    }

    /// Bins other rows as these were.
    ///
    /// # Errors
    /// As [`Dataset::fit`].
    pub fn like(&self, x: &Matrix<'_>, pool: &Pool) -> Result<Self> {
        Self::of(self.layout.clone(), x, pool)
    }

    fn of(layout: Arc<Layout>, x: &Matrix<'_>, pool: &Pool) -> Result<Self> {
        let rows = x.rows();
        if u32::try_from(rows).is_err() {
            let message = format!("{rows} rows are too many, at most {} are taken", u32::MAX);
            return Err(lyceum_core::Error::new(lyceum_core::ErrorKind::TooLarge, message));
        }
        let columns = layout.bin(x, pool);
        Ok(Self { layout, columns, rows })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, those that cannot be split included.
    pub fn width(&self) -> usize {
        self.layout.infos.len()
    }

    /// Whether both sets have the same bins.
    pub(in crate::boosting) fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layout, &other.layout) || self.layout.infos == other.layout.infos
    }

    /// Number of features that trees can split on.
    pub fn splittable(&self) -> usize {
        self.layout.features.len()
    }

    /// Adds `factor` times a tree's outputs to the scores of all rows. The tree was grown on this layout.
    pub(in crate::boosting) fn add(&self, tree: &Tree, factor: f64, score: &mut [f64], pool: &Pool) {
        self.add_to(tree, factor, None, score, pool);
    }

    /// As [`Dataset::add`], for some rows, ascending; absent is all.
    pub(in crate::boosting) fn add_to(
        &self,
        tree: &Tree,
        factor: f64,
        rows: Option<&[u32]>,
        score: &mut [f64],
        pool: &Pool,
    ) {
        let walk = self.layout.walk(tree);
        let len = rows.map_or(self.rows, <[u32]>::len);
        let scatter = Scatter::new(score);
        pool.run(len.div_ceil(CHUNK), |i| {
            let part = i * CHUNK..((i + 1) * CHUNK).min(len);
            let own: Vec<u32> = match rows {
                Some(rows) => rows[part].to_vec(),
                None => part.map(|r| r as u32).collect(),
            };
            self.route(tree, &walk, own, |leaf, rows| {
                // SAFETY: tasks have different rows, and within a task leaves share none.
                unsafe { scatter.add(rows, factor * tree.leaf_value[leaf]) };
            });
        });
    }

    /// Divides rows, ascending, down a tree and hands over each leaf's.
    fn route(
        &self,
        tree: &Tree,
        walk: &[(usize, LeftBins)],
        own: Vec<u32>,
        mut done: impl FnMut(usize, &[u32]),
    ) {
        let n = own.len();
        let mut rows = own;
        let (mut left, mut right) = (vec![0u32; n + 16], vec![0u32; n + 16]);
        let mut open: Vec<(i32, Range<usize>)> = vec![(if walk.is_empty() { -1 } else { 0 }, 0..n)];
        while let Some((node, range)) = open.pop() {
            let Ok(at) = usize::try_from(node) else {
                done((!node) as usize, &rows[range]);
                continue;
            };
            if range.is_empty() {
                continue;
            }
            let (feature, bins) = &walk[at];
            let part = &mut rows[range.clone()];
            let l = self.columns[*feature].divide(part, bins, &mut left, &mut right);
            let (to_left, to_right) = part.split_at_mut(l);
            to_left.copy_from_slice(&left[..l]);
            to_right.copy_from_slice(&right[..to_right.len()]);
            open.push((tree.left_child[at], range.start..range.start + l));
            open.push((tree.right_child[at], range.start + l..range.end));
        }
    }
}

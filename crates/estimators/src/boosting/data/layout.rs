//! Training rows as bins.
//!
//! Layout: one byte a row and feature, column by column, so that a histogram of a feature reads one array in the order
//! of a leaf's rows. Features that cannot be split are left out.
#![allow(clippy::indexing_slicing, reason = "indices stay below the lengths that the loops run over")]

use super::bins::{BinMapper, BinRule, MissingKind};
use crate::boosting::model::{DEFAULT_LEFT, Tree};
use crate::features::Features;
use lyceum_data::Random;
use lyceum_tensor::Pool;
use std::sync::Mutex;

/// One feature that can be split.
pub(in crate::boosting) struct BinnedFeature {
    /// Its place among all features.
    pub(in crate::boosting) index: usize,
    pub(in crate::boosting) mapper: BinMapper,
}

/// What the bins of the features are.
pub(in crate::boosting) struct Layout {
    pub(in crate::boosting) features: Vec<BinnedFeature>,
    /// Bins of a histogram.
    pub(in crate::boosting) width: usize,
    /// For `feature_infos` of a model file: the mappers of all features that were split.
    pub(in crate::boosting) infos: Vec<Option<BinMapper>>,
}

impl Layout {
    /// Learns the bins from training columns.
    pub(in crate::boosting) fn fit(
        columns: &[Vec<f64>],
        names: &Features,
        rule: &BinRule,
        min_leaf: usize,
        pool: &Pool,
    ) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        let sample = sample_rows(rows, rule.sample);
        let found: Vec<Mutex<Option<BinMapper>>> = columns.iter().map(|_| Mutex::new(None)).collect();
        pool.run(columns.len(), |i| {
            let values: Vec<f64> = match &sample {
                Some(rows) => rows.iter().map(|r| columns[i][*r]).collect(),
                None => columns[i].clone(),
            };
            let mapper = map_feature(&values, names.levels[i].is_some(), rule);
            if mapper.bins() > 1 && (!rule.feature_pre_filter || can_split(&mapper, &values, min_leaf, rows))
            {
                *found[i].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(mapper);
            }
        });
        let infos: Vec<Option<BinMapper>> = found
            .into_iter()
            .map(|m| m.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
            .collect();
        let (mut features, mut width) = (Vec::new(), 0);
        for (index, mapper) in infos.iter().enumerate() {
            if let Some(mapper) = mapper {
                features.push(BinnedFeature { index, mapper: mapper.clone() });
                width += mapper.bins();
            }
        }
        Self { features, width, infos }
    }

    /// The bins of some rows, a column for each feature of the layout.
    pub(in crate::boosting) fn bin(&self, columns: &[Vec<f64>], pool: &Pool) -> Vec<Vec<u8>> {
        let out: Vec<Mutex<Vec<u8>>> = self.features.iter().map(|_| Mutex::new(Vec::new())).collect();
        pool.run(self.features.len(), |i| {
            let feature = &self.features[i];
            let bins = columns[feature.index].iter().map(|x| feature.mapper.bin(*x) as u8).collect();
            *out[i].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = bins;
        });
        out.into_iter().map(|b| b.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)).collect()
    }
}

impl Layout {
    /// A tree's decisions over bins.
    pub(in crate::boosting) fn walk<'a>(&self, tree: &'a Tree) -> Walk<'a> {
        let place = |index: usize| self.features.iter().position(|f| f.index == index).unwrap_or_default();
        let nodes = (0..tree.split_feature.len()).map(|n| {
            let feature = place(tree.split_feature[n]);
            let left = self.features.get(feature).map_or([false; 256], |f| left_bins(tree, n, &f.mapper));
            (feature, left)
        });
        Walk { tree, nodes: nodes.collect() }
    }
}

/// A tree whose nodes ask for bins: the feature's number and whether each bin goes left.
pub(in crate::boosting) struct Walk<'a> {
    tree: &'a Tree,
    nodes: Vec<(usize, [bool; 256])>,
}

impl Walk<'_> {
    /// The leaf of a row whose bins `bin` tells by feature.
    pub(in crate::boosting) fn leaf(&self, bin: impl Fn(usize) -> Option<u8>) -> usize {
        let mut node = if self.nodes.is_empty() { -1 } else { 0 };
        while let Ok(at) = usize::try_from(node) {
            let (feature, left) = &self.nodes[at];
            let goes_left = bin(*feature).is_some_and(|b| left[b as usize]);
            node = if goes_left { self.tree.left_child[at] } else { self.tree.right_child[at] };
        }
        (!node) as usize
    }
}

fn left_bins(tree: &Tree, node: usize, mapper: &BinMapper) -> [bool; 256] {
    let mut left = [false; 256];
    match mapper {
        BinMapper::Category { categories } => {
            for (bin, category) in categories.iter().enumerate() {
                left[bin + 1] = tree.goes_left_at(node, f64::from(*category));
            }
        }
        BinMapper::Number { bounds, missing, .. } => {
            for (bin, bound) in bounds.iter().enumerate() {
                left[bin] = *bound <= tree.threshold[node];
            }
            let default_left = tree.decision_type[node] & DEFAULT_LEFT != 0;
            match missing {
                MissingKind::Nan => left[bounds.len()] = default_left,
                MissingKind::Zero => left[mapper.bin(0.0)] = default_left,
                MissingKind::None => {}
            }
        }
    }
    left
}

fn map_feature(values: &[f64], category: bool, rule: &BinRule) -> BinMapper {
    if category {
        let codes: Vec<u32> = values.iter().map(|x| if *x >= 0.0 { *x as u32 } else { u32::MAX }).collect();
        BinMapper::categories(&codes, rule)
    } else {
        BinMapper::numbers(values, rule)
    }
}

/// A fixed sample of rows, ascending, when there are more than are looked at.
fn sample_rows(rows: usize, limit: usize) -> Option<Vec<usize>> {
    if rows <= limit {
        return None;
    }
    let mut random = Random::new(1, 0xb175);
    let mut out = Vec::with_capacity(limit);
    let mut wanted = limit;
    for row in 0..rows {
        if random.below(rows - row) < wanted {
            out.push(row);
            wanted -= 1;
        }
    }
    Some(out)
}

/// Whether some split leaves enough rows on both sides (in proportion, when only a sample was seen).
fn can_split(mapper: &BinMapper, values: &[f64], min_leaf: usize, rows: usize) -> bool {
    let mut counts = vec![0usize; mapper.bins()];
    values.iter().for_each(|x| counts[mapper.bin(*x)] += 1);
    let need = (min_leaf as f64 * values.len() as f64 / rows.max(1) as f64) as usize;
    match mapper {
        BinMapper::Number { .. } => {
            let mut left = 0;
            counts[..counts.len() - 1].iter().any(|n| {
                left += n;
                left >= need && values.len() - left >= need
            })
        }
        BinMapper::Category { .. } if counts.len() > 2 => true,
        BinMapper::Category { .. } => counts.iter().any(|n| *n >= need && values.len() - n >= need),
    }
}

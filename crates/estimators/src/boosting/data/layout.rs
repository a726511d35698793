//! Which bins the features have; those that cannot be split are left out.
#![allow(clippy::indexing_slicing, reason = "indices stay below the lengths that the loops run over")]

use super::bins::{BinMapper, BinRule, MissingKind, Sorted};
use super::column::Column;
use super::lookup::Lookup;
use crate::boosting::Matrix;
use crate::boosting::kernels::LeftBins;
use crate::boosting::model::{DEFAULT_LEFT, Tree};
use crate::features::Features;
use lyceum_core::Result;
use lyceum_data::Random;
use lyceum_tensor::Pool;
use std::sync::{Mutex, PoisonError};

/// One feature that can be split.
pub(in crate::boosting) struct BinnedFeature {
    /// Its place among all features.
    pub(in crate::boosting) index: usize,
    pub(in crate::boosting) mapper: BinMapper,
}

/// What the bins of the features are.
pub(in crate::boosting) struct Layout {
    /// Those whose bins fit a byte come first; apart from that in the order of the columns.
    pub(in crate::boosting) features: Vec<BinnedFeature>,
    /// For `feature_infos` of a model file: the mappers of all features that were split.
    pub(in crate::boosting) infos: Vec<Option<BinMapper>>,
}

impl Layout {
    /// Learns the bins from training rows.
    ///
    /// # Errors
    /// A column with too many categories.
    pub(super) fn fit(
        x: &Matrix<'_>,
        names: &Features,
        rule: &BinRule,
        min_leaf: usize,
        pool: &Pool,
    ) -> Result<Self> {
        let sample = sample_rows(x.rows(), rule.sample);
        Self::fit_sample(x, sample.as_deref(), x.rows(), names, rule, min_leaf, pool)
    }

    /// The same from those rows of `x` that are in the sample, of `rows` in all.
    pub(super) fn fit_sample(
        x: &Matrix<'_>,
        sample: Option<&[usize]>,
        rows: usize,
        names: &Features,
        rule: &BinRule,
        min_leaf: usize,
        pool: &Pool,
    ) -> Result<Self> {
        let width = x.width();
        let found: Vec<Mutex<Result<Option<BinMapper>>>> = (0..width).map(|_| Mutex::new(Ok(None))).collect();
        let size = group_of(rows, width);
        pool.run(width.div_ceil(size), |group| {
            let columns = group * size..((group + 1) * size).min(width);
            let values = x.columns(columns.clone(), sample);
            for (i, values) in columns.zip(&values) {
                let category = names.levels.get(i).is_some_and(Option::is_some);
                let rule = &rule.of_column(i);
                *found[i].lock().unwrap_or_else(PoisonError::into_inner) =
                    map_feature(values, category, rule, (min_leaf, rows));
            }
        });
        let column =
            |i: usize| names.names.get(i).map_or(format!("column {i}"), |n| format!("column \"{n}\""));
        let infos: Vec<Option<BinMapper>> = found
            .into_iter()
            .enumerate()
            .map(|(i, m)| {
                m.into_inner().unwrap_or_else(PoisonError::into_inner).map_err(|e| e.at_key(column(i)))
            })
            .collect::<Result<_>>()?;
        Ok(Self::of(infos))
    }

    /// The layout of these bins, one entry a column.
    pub(in crate::boosting) fn of(infos: Vec<Option<BinMapper>>) -> Self {
        let feature = |(index, mapper): (usize, &Option<BinMapper>)| {
            mapper.as_ref().map(|m| BinnedFeature { index, mapper: m.clone() })
        };
        let mut features: Vec<BinnedFeature> = infos.iter().enumerate().filter_map(feature).collect();
        features.sort_by_key(|f| !f.mapper.is_narrow());
        Self { features, infos }
    }

    /// The bins of some rows, a column for each feature of the layout.
    pub(super) fn bin(&self, x: &Matrix<'_>, pool: &Pool) -> Vec<Column> {
        let out: Vec<Mutex<Column>> =
            self.features.iter().map(|_| Mutex::new(Column::Bytes(Vec::new()))).collect();
        let size = group_of(x.rows(), self.features.len());
        pool.run(self.features.len().div_ceil(size), |group| {
            let own = group * size..((group + 1) * size).min(self.features.len());
            let features = &self.features[own.clone()];
            let indices: Vec<usize> = features.iter().map(|f| f.index).collect();
            let columns = x.some_columns(&indices, None);
            for ((i, feature), values) in own.zip(features).zip(columns) {
                let bins = Lookup::new(&feature.mapper).column(&values);
                *out[i].lock().unwrap_or_else(PoisonError::into_inner) = bins;
            }
        });
        out.into_iter().map(|b| b.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

impl Layout {
    /// A tree's decisions over bins: each node's feature, by its number here, and the bins that go left.
    pub(in crate::boosting) fn walk(&self, tree: &Tree) -> Vec<(usize, LeftBins)> {
        let mut place = vec![0; self.infos.len()];
        self.features.iter().enumerate().for_each(|(at, f)| place[f.index] = at);
        let node = |n: usize| {
            let feature = place[tree.split_feature[n]];
            let left =
                self.features.get(feature).map_or(LeftBins::none(0), |f| left_bins(tree, n, &f.mapper));
            (feature, left)
        };
        (0..tree.split_feature.len()).map(node).collect()
    }
}

fn left_bins(tree: &Tree, node: usize, mapper: &BinMapper) -> LeftBins {
    let mut left = LeftBins::none(mapper.bins());
    match mapper {
        BinMapper::Category { categories } => {
            for (bin, category) in categories.iter().enumerate() {
                left.set(bin + 1, tree.goes_left_at(node, f64::from(*category)));
            }
        }
        BinMapper::Number { bounds, missing, .. } => {
            for (bin, bound) in bounds.iter().enumerate() {
                left.set(bin, *bound <= tree.threshold[node]);
            }
            let default_left = tree.decision_type[node] & DEFAULT_LEFT != 0;
            match missing {
                MissingKind::Nan => left.set(bounds.len(), default_left),
                MissingKind::Zero => left.set(mapper.bin(0.0), default_left),
                MissingKind::None => {}
            }
        }
    }
    left
}

/// Columns that a task takes from the rows at once: neighbours lie in the same cache lines.
fn group_of(rows: usize, width: usize) -> usize {
    if width > 64 && rows <= 1 << 20 { 16 } else { 7 }
}

/// The bins of a feature, unless it cannot be split; `(min_leaf, rows)` says what a leaf needs.
fn map_feature(
    values: &[f64],
    category: bool,
    rule: &BinRule,
    (min_leaf, rows): (usize, usize),
) -> Result<Option<BinMapper>> {
    let need = (min_leaf as f64 * values.len() as f64 / rows.max(1) as f64) as usize;
    let (mapper, can) = if category {
        let codes: Vec<u32> = values.iter().map(|x| if *x >= 0.0 { *x as u32 } else { u32::MAX }).collect();
        let mapper = BinMapper::categories(&codes, rule)?;
        let can = mapper.bins() > 2 || can_split_categories(&mapper, values, need);
        (mapper, can)
    } else {
        let sorted = Sorted::of(values, rule);
        let mapper = BinMapper::sorted(&sorted, rule);
        let can = can_split_numbers(&mapper, &sorted, values.len(), need);
        (mapper, can)
    };
    Ok((mapper.bins() > 1 && (!rule.feature_pre_filter || can)).then_some(mapper))
}

/// Whether some threshold leaves enough rows on both sides.
fn can_split_numbers(mapper: &BinMapper, sorted: &Sorted, rows: usize, need: usize) -> bool {
    let BinMapper::Number { bounds, missing, .. } = mapper else { return true };
    let apart = if *missing == MissingKind::Nan { bounds.len() } else { bounds.len() - 1 };
    bounds.iter().take(apart).any(|bound| {
        let left = sorted.there.partition_point(|x| x <= bound);
        left >= need && rows - left >= need
    })
}

/// Whether one category against the rest leaves enough rows on both sides.
fn can_split_categories(mapper: &BinMapper, values: &[f64], need: usize) -> bool {
    let mut counts = vec![0usize; mapper.bins()];
    let lookup = Lookup::new(mapper);
    values.iter().for_each(|x| counts[lookup.bin(*x) as usize] += 1);
    counts.iter().any(|n| *n >= need && values.len() - n >= need)
}

/// A fixed sample of rows, ascending, when there are more than are looked at.
pub(super) fn sample_rows(rows: usize, limit: usize) -> Option<Vec<usize>> {
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

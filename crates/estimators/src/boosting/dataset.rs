//! Training rows as bins.
//!
//! Layout: one byte a row and feature, column by column, so that a histogram of a feature reads one array in the order
//! of a leaf's rows. Features that cannot be split are left out.
#![allow(clippy::indexing_slicing, reason = "indices stay below the lengths that the loops run over")]

use super::bins::{BinMapper, BinRule};
use crate::features::Features;
use lyceum_data::Random;
use lyceum_tensor::Pool;
use std::sync::Mutex;

/// One feature that can be split.
pub(super) struct BinnedFeature {
    /// Its place among all features.
    pub(super) index: usize,
    pub(super) mapper: BinMapper,
}

/// What the bins of the features are.
pub(super) struct Layout {
    pub(super) features: Vec<BinnedFeature>,
    /// Bins of a histogram.
    pub(super) width: usize,
    /// For `feature_infos` of a model file: the mappers of all features that were split.
    pub(super) infos: Vec<Option<BinMapper>>,
}

impl Layout {
    /// Learns the bins from training columns.
    pub(super) fn fit(
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
    pub(super) fn bin(&self, columns: &[Vec<f64>], pool: &Pool) -> Vec<Vec<u8>> {
        let out: Vec<Mutex<Vec<u8>>> = self.features.iter().map(|_| Mutex::new(Vec::new())).collect();
        pool.run(self.features.len(), |i| {
            let feature = &self.features[i];
            let bins = columns[feature.index].iter().map(|x| feature.mapper.bin(*x) as u8).collect();
            *out[i].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = bins;
        });
        out.into_iter().map(|b| b.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)).collect()
    }
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

//! The best split of a leaf on one feature, with all that the parameters ask of it.
#![allow(clippy::indexing_slicing, reason = "features are numbered by the layout")]

use super::Draw;
use super::advanced::Stairs;
use super::histogram::{Cell, real};
use super::limits::{Limits, monotone_factor};
use super::numeric::{Split, Sums};
use super::packed::Steps;
use super::{Leaf, categorical, numeric, quick};
use crate::boosting::data::{BinMapper, Layout, MissingKind};
use crate::boosting::params::{BoostingParams, TreeParams};
use lyceum_data::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Search<'a> {
    pub(super) layout: &'a Layout,
    pub(super) params: &'a BoostingParams,
    pub(super) steps: Steps,
    /// Whether the tree may split on each feature.
    used: Vec<bool>,
    seed: u64,
}

/// What a leaf asks of its splits.
pub(super) struct Asked<'a> {
    pub(super) sums: Sums,
    limits: Limits<'a>,
    depth: i64,
    /// Features that this leaf may split on.
    allowed: Vec<bool>,
    /// Fixes the draws of this leaf.
    seed: u64,
    /// Bounds by threshold of each feature; empty where there are none.
    stairs: Arc<[Stairs]>,
    /// Features that no split gains by; empty where nobody keeps them.
    barren: Vec<AtomicBool>,
    /// What a split on each feature costs; empty is nothing.
    costs: Vec<f64>,
}

impl Asked<'_> {
    /// The features that no split gained by, once all have been searched.
    pub(super) fn barren(self) -> Vec<bool> {
        self.barren.into_iter().map(AtomicBool::into_inner).collect()
    }

    /// The same, where splits cost something.
    pub(super) fn at_cost(self, costs: Vec<f64>) -> Self {
        Self { costs, ..self }
    }
}

/// Buffers of a thread.
#[derive(Default)]
pub(super) struct Scratch {
    cells: Vec<Cell>,
    /// Cells of a feature that shares its byte.
    pub(super) shared: Vec<i64>,
    buffers: quick::Buffers,
}

impl<'a> Search<'a> {
    pub(super) fn new(layout: &'a Layout, params: &'a BoostingParams, draw: &Draw<'_>, steps: Steps) -> Self {
        let used = (0..layout.features.len()).map(|f| draw.features.binary_search(&f).is_ok()).collect();
        Self { layout, params, steps, used, seed: draw.seed }
    }

    /// What leaf number `at` of the tree asks; nothing when it stays whole.
    pub(super) fn asked(&self, leaf: &Leaf, at: usize) -> Option<Asked<'a>> {
        let p: &'a TreeParams = &self.params.tree;
        let too_deep = p.max_depth > 0 && leaf.depth >= p.max_depth;
        let too_small =
            leaf.sums.rows < 2 * p.min_data_in_leaf || leaf.sums.hessian < 2.0 * p.min_sum_hessian_in_leaf;
        if too_deep || too_small {
            return None;
        }
        let seed = self.seed.wrapping_add((leaf.depth as u64) << 32).wrapping_add(at as u64);
        Some(Asked {
            sums: leaf.sums,
            limits: Limits { parent: leaf.output, bounds: leaf.bounds, ..Limits::free(p) },
            depth: leaf.depth,
            allowed: self.allowed(leaf, seed),
            seed,
            stairs: leaf.stairs.as_slice().into(),
            barren: leaf.barren.iter().map(|b| AtomicBool::new(*b)).collect(),
            costs: Vec::new(),
        })
    }

    /// No feature is barren yet; empty where it does not matter. LightGBM looks at a feature no more below a leaf that
    /// it could not split with any gain; without constraints and a least gain such a feature has too few rows there too.
    pub(super) fn none_barren(&self) -> Vec<bool> {
        let p = &self.params.tree;
        let matters = p.min_gain_to_split > 0.0 || p.monotone_constraints.iter().any(|c| *c != 0);
        vec![false; if matters { self.layout.features.len() } else { 0 }]
    }

    /// Whether the tree may split on a feature.
    pub(super) fn may(&self, feature: usize) -> bool {
        self.used[feature]
    }

    /// The tree's features, less those that no interaction set joins with the path, less those not drawn for the node.
    fn allowed(&self, leaf: &Leaf, seed: u64) -> Vec<bool> {
        let mut out = self.used.clone();
        let sets = &self.params.tree.interaction_constraints;
        if !sets.is_empty() {
            let fits = |set: &&Vec<usize>| leaf.path.iter().all(|f| set.contains(f));
            let open: Vec<&Vec<usize>> = sets.iter().filter(fits).collect();
            for (allowed, feature) in out.iter_mut().zip(&self.layout.features) {
                *allowed &= open.iter().any(|set| set.contains(&feature.index));
            }
        }
        let fraction = self.params.sample.feature_fraction_bynode;
        if fraction < 1.0 {
            let mut there: Vec<usize> = (0..out.len()).filter(|f| out[*f]).collect();
            Random::new(seed, 0xb0de).shuffle(&mut there);
            let kept = ((there.len() as f64 * fraction).round() as usize).max(1);
            there.iter().skip(kept).for_each(|f| out[*f] = false);
        }
        out
    }

    /// The best split on a feature, if it betters `least`. `scratch` is a buffer.
    pub(super) fn feature(
        &self,
        feature: usize,
        cells: &[i64],
        asked: &Asked<'_>,
        least: f64,
        scratch: &mut Scratch,
    ) -> Option<Split> {
        let barren = asked.barren.get(feature);
        if !asked.allowed[feature] || barren.is_some_and(|b| b.load(Ordering::Relaxed)) {
            return None;
        }
        let own = &self.layout.features[feature];
        let p = &self.params.tree;
        let direction = p.monotone_constraints.get(own.index).copied().unwrap_or(0);
        let mut limits = Limits { direction, ..asked.limits };
        let by_bin;
        if let Some(stairs) = asked.stairs.get(feature).filter(|_| own.mapper.is_number()) {
            match stairs.same() {
                Some(bounds) => limits.bounds = bounds,
                None => {
                    by_bin = stairs.sides(own.mapper.bins());
                    limits.by_bin = &by_bin;
                }
            }
        }
        let contri = p.feature_contri.get(own.index).copied().unwrap_or(1.0);
        let penalised = direction != 0 && p.monotone_penalty > 0.0;
        let monotone = if penalised { monotone_factor(p.monotone_penalty, asked.depth) } else { 1.0 };
        let cost = asked.costs.get(feature).copied().unwrap_or(0.0);
        let ordered =
            matches!(&own.mapper, BinMapper::Number { missing, .. } if *missing != MissingKind::Zero);
        let found = if ordered && own.mapper.is_narrow() && limits.plain() && !p.extra_trees {
            let least = if contri == 1.0 && monotone == 1.0 && barren.is_none() {
                least.max(0.0) + cost
            } else {
                0.0
            };
            let nan = matches!(&own.mapper, BinMapper::Number { missing: MissingKind::Nan, .. });
            let leaf = quick::Leaf { steps: self.steps, sums: asked.sums, p };
            quick::best(cells, nan, &leaf, least.max(0.0), &mut scratch.buffers)
        } else {
            let only = p.extra_trees.then(|| self.one(&own.mapper, asked.seed ^ (own.index as u64) << 16));
            match &own.mapper {
                BinMapper::Number { .. } => {
                    real(cells, self.steps, &mut scratch.cells);
                    numeric::best(&scratch.cells, &own.mapper, asked.sums, &limits, only)
                }
                BinMapper::Category { .. } => {
                    let c = &self.params.category;
                    categorical::best(cells, self.steps, asked.sums, &limits, c, only)
                }
            }
        };
        if let Some(barren) = barren.filter(|_| found.is_none()) {
            barren.store(true, Ordering::Relaxed);
        }
        found
            .map(|s| Split { feature, gain: (s.gain * contri - cost) * monotone, ..s })
            .filter(|s| s.gain > least.max(0.0) && s.gain.is_finite())
    }

    /// The candidate that an extra tree looks at.
    fn one(&self, mapper: &BinMapper, seed: u64) -> usize {
        let mut random = Random::new(seed, 0xe7);
        let bins = mapper.bins();
        match mapper {
            BinMapper::Category { .. } if bins > self.params.category.max_cat_to_onehot => {
                random.below(self.params.category.max_cat_threshold.min(bins / 2).max(1))
            }
            _ => random.below(bins.saturating_sub(1).max(1)),
        }
    }
}

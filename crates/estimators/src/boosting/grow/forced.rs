//! Splits that every tree begins with, level by level. One that makes things worse, or that would leave a side without
//! rows, is not made and ends the forcing: the tree grows on by itself.
//!
//! Source: LightGBM 4.7 behaviour (`forcedsplits_filename`): the least rows and hessians of a leaf are not asked for,
//! missing values go left, one category is held against the rest.

use super::limits::{EPSILON, Limits};
use super::numeric::{Side, Split, rows_of};
use super::packed::split;
use super::{Growing, Leaf};
use crate::boosting::data::{BinMapper, Dataset, MissingKind};
use crate::boosting::model::Tree;
use crate::boosting::params::ForcedSplit;
use crate::features::Features;
use lyceum_core::{Error, Result};
use std::collections::VecDeque;
use std::sync::PoisonError;

/// A forced split by the bins of a data set, with those below it.
pub(in crate::boosting) struct Forced {
    /// Index into the layout's features.
    feature: usize,
    side: Side,
    left: Option<Box<Forced>>,
    right: Option<Box<Forced>>,
}

impl Forced {
    /// Looks a split and those below it up in the bins.
    ///
    /// # Errors
    /// A column that cannot be split, a category that has no bin.
    pub(in crate::boosting) fn of(split: ForcedSplit, data: &Dataset, names: &Features) -> Result<Self> {
        let fault = |message: String| Error::invalid(message).at_key("forcedsplits_filename");
        let name = names.names.get(split.column).map_or("", |n| n);
        let found = data.layout.features.iter().enumerate().find(|(_, f)| f.index == split.column);
        let Some((feature, own)) = found else {
            let why = "all rows are alike in it, or feature_pre_filter left it out";
            return Err(fault(format!("column `{name}` cannot be split: {why}")));
        };
        let bin = own.mapper.bin(split.threshold);
        let side = match own.mapper {
            BinMapper::Number { .. } => Side::UpTo { bin, default_left: true },
            BinMapper::Category { .. } if bin == 0 => {
                let code = split.threshold;
                return Err(fault(format!("category {code} of column `{name}` is too rare for a bin")));
            }
            BinMapper::Category { .. } => Side::Among(vec![bin as u16]),
        };
        let child = |child: Option<Box<ForcedSplit>>| {
            child.map(|c| Self::of(*c, data, names).map(Box::new)).transpose()
        };
        Ok(Self { feature, side, left: child(split.left)?, right: child(split.right)? })
    }
}

impl Growing<'_> {
    /// Makes the forced splits.
    pub(super) fn force(&mut self, tree: &mut Tree, leaves: &mut Vec<Leaf>) {
        let mut open: VecDeque<(usize, &Forced)> = self.forced.into_iter().map(|f| (0, f)).collect();
        while let Some((at, forced)) = open.pop_front() {
            let Some(split) = leaves.get(at).and_then(|leaf| self.forced_split(leaf, forced)) else { break };
            self.step(tree, leaves, at, &split);
            open.extend(forced.left.iter().map(|f| (at, &**f)));
            open.extend(forced.right.iter().map(|f| (leaves.len() - 1, &**f)));
        }
    }

    /// A forced split of a leaf, if it is worth anything.
    fn forced_split(&self, leaf: &Leaf, forced: &Forced) -> Option<Split> {
        let found = self
            .blocks
            .iter()
            .enumerate()
            .find_map(|(b, block)| Some((block, b, block.place(forced.feature)?)));
        let (block, b, place) = found?;
        let all = leaf.histogram.get(b)?.lock().unwrap_or_else(PoisonError::into_inner);
        let (totals, mut buffer) = (block.totals(&all), Vec::new());
        let cells = block.own(place, &all, &totals, &mut buffer);
        let own = self.search.layout.features.get(forced.feature)?;
        // What is summed up: the right side of a number, the category itself.
        let (summed, is_left) = match &forced.side {
            Side::UpTo { bin, .. } => (right_bins(&own.mapper, *bin), false),
            Side::Among(bins) => (bins.iter().map(|b| *b as usize).collect(), true),
        };
        let (steps, sums, p) = (self.search.steps, leaf.sums, &self.search.params.tree);
        let factor = sums.rows as f64 / sums.hessian;
        let (mut g, mut h, mut rows) = (0.0, EPSILON, 0);
        for cell in summed.iter().filter_map(|bin| cells.get(*bin)) {
            let (dg, dh) = split(*cell);
            let dh = dh as f64 * steps.hessian;
            g += dg as f64 * steps.gradient;
            h += dh;
            rows += rows_of(dh, factor);
        }
        let total = (sums.gradient, sums.hessian + 2.0 * EPSILON);
        let rest = ((total.0 - g, total.1 - h), sums.rows.saturating_sub(rows));
        let (left, right) = if is_left { (((g, h), rows), rest) } else { (rest, ((g, h), rows)) };
        if left.1 == 0 || right.1 == 0 {
            return None;
        }
        let direction = p.monotone_constraints.get(own.index).copied().unwrap_or(0);
        let limits = Limits { parent: leaf.output, bounds: leaf.bounds, direction, ..Limits::free(p) };
        let before = limits.gain_at(total, leaf.output, p.lambda_l2);
        let gain = limits.gain(left, right, p.lambda_l2)? - before - p.min_gain_to_split;
        let side = forced.side.clone();
        (gain > 0.0).then_some(Split { gain, feature: forced.feature, side, left: left.0, l2: p.lambda_l2 })
    }
}

/// The bins to the right of a threshold, missing values apart.
fn right_bins(mapper: &BinMapper, bin: usize) -> Vec<usize> {
    let BinMapper::Number { bounds, missing, .. } = mapper else { return Vec::new() };
    let skip = if *missing == MissingKind::Zero { Some(mapper.bin(0.0)) } else { None };
    (bin + 1..bounds.len()).filter(|b| Some(*b) != skip).collect()
}

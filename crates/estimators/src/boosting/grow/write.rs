//! A split written into the tree, and the two leaves that it makes.
#![allow(clippy::indexing_slicing, reason = "nodes and leaves stay below the lengths made here")]

use super::Leaf;
use super::limits::Limits;
use super::monotone;
use super::numeric::{Side, Split, Sums};
use super::search::Search;
use crate::boosting::data::{BinMapper, MissingKind};
use crate::boosting::kernels::LeftBins;
use crate::boosting::model::{CATEGORICAL, DEFAULT_LEFT, Tree};

/// The bins that go left.
pub(super) fn left_bins(mapper: &BinMapper, side: &Side) -> LeftBins {
    let mut left = LeftBins::none(mapper.bins());
    match (side, mapper) {
        (Side::Among(bins), _) => bins.iter().for_each(|b| left.set(*b as usize, true)),
        (Side::UpTo { bin, default_left }, BinMapper::Number { bounds, missing, .. }) => {
            (0..=*bin).for_each(|b| left.set(b, true));
            match missing {
                MissingKind::Nan => left.set(bounds.len(), *default_left),
                MissingKind::Zero => left.set(mapper.bin(0.0), *default_left),
                MissingKind::None => {}
            }
        }
        (Side::UpTo { .. }, BinMapper::Category { .. }) => {}
    }
    left
}

/// Writes a split of leaf `at` into the tree and makes the two leaves, which hold `counts` rows.
pub(super) fn record(
    tree: &mut Tree,
    leaves: &mut Vec<Leaf>,
    at: usize,
    split: &Split,
    counts: (usize, usize),
    search: &Search<'_>,
) {
    let feature = &search.layout.features[split.feature];
    let p = &search.params.tree;
    let node = tree.split_feature.len();
    let (threshold, decision) = match (&split.side, &feature.mapper) {
        (Side::Among(bins), BinMapper::Category { categories }) => {
            let set = bins.iter().map(|b| categories[*b as usize - 1]);
            (tree.push_set(set) as f64, CATEGORICAL)
        }
        (Side::UpTo { bin, default_left }, BinMapper::Number { bounds, missing, .. }) => {
            let kind = match missing {
                MissingKind::None => 0,
                MissingKind::Zero => 4,
                MissingKind::Nan => 8,
            };
            (bounds[*bin], kind | if *default_left { DEFAULT_LEFT } else { 0 })
        }
        _ => (f64::NAN, 0),
    };
    let old = &leaves[at];
    tree.split_feature.push(feature.index);
    tree.split_gain.push((split.gain + p.min_gain_to_split) as f32);
    tree.threshold.push(threshold);
    tree.decision_type.push(decision);
    tree.left_child.push(!(at as i32));
    tree.right_child.push(!(leaves.len() as i32));
    tree.internal_value.push(old.output);
    tree.internal_weight.push(old.sums.hessian);
    tree.internal_count.push(old.sums.rows);
    if let Some((above, is_left)) = old.parent {
        let child = if is_left { &mut tree.left_child } else { &mut tree.right_child };
        child[above] = node as i32;
    }
    let total = old.sums;
    let left = Sums { gradient: split.left.0, hessian: split.left.1, rows: counts.0 };
    let right = Sums {
        gradient: total.gradient - left.gradient,
        hessian: total.hessian - left.hessian,
        rows: counts.1,
    };
    let limits = Limits { parent: old.output, ..Limits::free(p) };
    let output =
        |s: Sums, bounds| Limits { bounds, ..limits }.output((s.gradient, s.hessian), s.rows, split.l2);
    let sides = monotone::sides(old, split, search);
    let outputs = (output(left, sides.0), output(right, sides.1));
    let direction = p.monotone_constraints.get(feature.index).copied().unwrap_or(0);
    let bounds = old.bounds;
    let mut path = old.path.clone();
    if !p.interaction_constraints.is_empty() && !path.contains(&feature.index) {
        path.push(feature.index);
    }
    let depth = old.depth + 1;
    let barren = old.barren.clone();
    let child = |sums, output, is_left, path, stairs| Leaf {
        sums,
        output,
        depth,
        parent: Some((node, is_left)),
        l2: split.l2,
        bounds,
        stairs,
        barren: barren.clone(),
        path,
        histogram: Vec::new(),
        best: None,
    };
    let histogram = std::mem::take(&mut leaves[at].histogram);
    let stairs = std::mem::take(&mut leaves[at].stairs);
    let mut of_right = child(right, outputs.1, false, path.clone(), stairs.clone());
    let mut of_left = Leaf { histogram, ..child(left, outputs.0, true, path, stairs) };
    monotone::children(p, direction, &mut of_left, &mut of_right);
    leaves.push(of_right);
    leaves[at] = of_left;
}

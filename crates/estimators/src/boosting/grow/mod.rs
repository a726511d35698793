//! Grows one tree, best leaf first.
//!
//! Of two children the smaller one's histogram is added up from its rows, the other's is what is left of the parent's.
//! All work on a feature (adding up, subtracting, searching) is one task, so that threads never share a sum.
#![allow(clippy::indexing_slicing, reason = "leaf, feature and row numbers stay below the lengths made here")]

mod categorical;
mod histogram;
mod numeric;

use crate::boosting::data::{BinMapper, Dataset, Layout, MissingKind};
use crate::boosting::model::{CATEGORICAL, DEFAULT_LEFT, Tree};
use crate::boosting::params::BoostingParams;
use histogram::{Cell, build, gather, subtract};
use lyceum_tensor::Pool;
use numeric::{Side, Split, Sums, output};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows in the order of the leaves that they are in.
struct Rows<'a> {
    bins: &'a [Vec<u8>],
    order: Vec<u32>,
    leaves: Vec<Range<usize>>,
}

impl<'a> Rows<'a> {
    fn new(bins: &'a [Vec<u8>], order: Vec<u32>) -> Self {
        let all = 0..order.len();
        Self { bins, order, leaves: vec![all] }
    }

    /// The rows of a leaf.
    fn of(&self, leaf: usize) -> &[u32] {
        &self.order[self.leaves[leaf].clone()]
    }

    /// Divides a leaf: the left part keeps its number, the right one gets the next. Both keep their order.
    fn divide(&mut self, leaf: usize, feature: usize, left: &[bool; 256], rest: &mut Vec<u32>) {
        let range = self.leaves[leaf].clone();
        let bins = &self.bins[feature];
        let part = &mut self.order[range.clone()];
        rest.clear();
        let mut kept = 0;
        for i in 0..part.len() {
            let row = part[i];
            if left[bins[row as usize] as usize] {
                part[kept] = row;
                kept += 1;
            } else {
                rest.push(row);
            }
        }
        part[kept..].copy_from_slice(rest);
        self.leaves[leaf] = range.start..range.start + kept;
        self.leaves.push(range.start + kept..range.end);
    }
}

struct Leaf {
    sums: Sums,
    depth: i64,
    /// The node above, and whether this is its left child.
    parent: Option<(usize, bool)>,
    /// L2 of its output.
    l2: f64,
    hist: Vec<Cell>,
    best: Option<Split>,
}

/// What one tree is grown from.
pub(super) struct Draw<'a> {
    /// One gradient a row of the data set.
    pub(super) gradients: &'a [f32],
    /// One hessian a row of the data set.
    pub(super) hessians: &'a [f32],
    /// The rows that the tree sees, ascending; absent is all.
    pub(super) rows: Option<&'a [u32]>,
    /// The features that it may split on, by their number in the layout, ascending.
    pub(super) features: &'a [usize],
    /// Fixes what is drawn while it grows (features of a node, thresholds of extra trees).
    #[allow(dead_code, reason = "read by splits that draw")]
    pub(super) seed: u64,
}

/// Grows trees on one data set; keeps its buffers from tree to tree.
pub(super) struct Grower<'a> {
    data: &'a Dataset,
    params: &'a BoostingParams,
    pool: &'a Pool,
    rows: Rows<'a>,
}

/// One tree under way.
struct Growing<'a> {
    layout: &'a Layout,
    params: &'a BoostingParams,
    pool: &'a Pool,
    used: &'a [usize],
    gradients: &'a [f32],
    hessians: &'a [f32],
}

impl<'a> Grower<'a> {
    pub(super) fn new(data: &'a Dataset, params: &'a BoostingParams, pool: &'a Pool) -> Self {
        Self { data, params, pool, rows: Rows::new(&data.bins, Vec::new()) }
    }

    /// Grows a tree. Its outputs are the leaves' optima, without a learning rate (`shrinkage` is 1).
    pub(super) fn grow(&mut self, draw: &Draw<'_>) -> Tree {
        let order = match draw.rows {
            Some(rows) => rows.to_vec(),
            None => (0..self.data.rows as u32).collect(),
        };
        self.rows = Rows::new(&self.data.bins, order);
        let growing = Growing {
            layout: &self.data.layout,
            params: self.params,
            pool: self.pool,
            used: draw.features,
            gradients: draw.gradients,
            hessians: draw.hessians,
        };
        growing.grow(&mut self.rows)
    }

    /// The rows of the last tree's draw that are in a leaf.
    #[allow(dead_code, reason = "read by objectives that renew outputs")]
    pub(super) fn leaf_rows(&self, leaf: usize) -> &[u32] {
        self.rows.of(leaf)
    }

    /// Adds `factor` times the last tree's outputs (as `tree` has them now) to the scores of all rows of the data set,
    /// drawn or not.
    pub(super) fn add(&self, tree: &Tree, factor: f64, score: &mut [f64]) {
        self.data.add(tree, factor, score, self.pool);
    }
}

impl Growing<'_> {
    fn grow(&self, rows: &mut Rows<'_>) -> Tree {
        let mut tree = Tree { shrinkage: 1.0, ..Tree::default() };
        let mut leaves = vec![self.root(rows)];
        let mut scratch = Vec::new();
        while leaves.len() < self.params.tree.num_leaves {
            let gain = |l: &Leaf| l.best.as_ref().map_or(0.0, |b| b.gain);
            let next = (0..leaves.len()).rev().max_by(|a, b| gain(&leaves[*a]).total_cmp(&gain(&leaves[*b])));
            let Some((leaf, split)) = next.and_then(|n| leaves[n].best.take().map(|s| (n, s))) else { break };
            let left = self.left_bins(&split);
            rows.divide(leaf, split.feature, &left, &mut scratch);
            self.record(&mut tree, &mut leaves, leaf, &split, rows);
            self.search_children(&mut leaves, leaf, rows);
        }
        self.finish(tree, &leaves, rows)
    }

    fn root(&self, rows: &Rows<'_>) -> Leaf {
        let mut gathered = Vec::new();
        gather(rows.of(0), self.gradients, self.hessians, &mut gathered);
        let (g, h) = gathered.iter().fold((0.0, 0.0), |s, (g, h)| (s.0 + f64::from(*g), s.1 + f64::from(*h)));
        let sums = Sums { gradient: g, hessian: h, rows: gathered.len() };
        let mut hist = vec![[0.0; 2]; self.layout.width];
        let found = self.each_feature(&mut [&mut hist], |feature, cells| {
            build(&rows.bins[feature], rows.of(0), &gathered, cells[0]);
            [self.search(feature, cells[0], sums, 0), None]
        });
        let [best, _] = best_of(found);
        Leaf { sums, depth: 0, parent: None, l2: self.params.tree.lambda_l2, hist, best }
    }

    /// Runs a task for each used feature on its part of some histograms; the answers come in the features' order.
    fn each_feature(
        &self,
        hists: &mut [&mut Vec<Cell>],
        task: impl Fn(usize, &mut [&mut [Cell]]) -> Found + Sync,
    ) -> Vec<Found> {
        let mut parts: Vec<Vec<&mut [Cell]>> = self.layout.features.iter().map(|_| Vec::new()).collect();
        for hist in hists {
            let mut rest: &mut [Cell] = hist;
            for (part, feature) in parts.iter_mut().zip(&self.layout.features) {
                let (own, after) = rest.split_at_mut(feature.mapper.bins());
                part.push(own);
                rest = after;
            }
        }
        let cells: Vec<Mutex<Task<'_>>> = parts.into_iter().map(|p| Mutex::new((p, None))).collect();
        self.pool.run(self.used.len(), |i| {
            let feature = self.used[i];
            let mut own = cells[feature].lock().unwrap_or_else(PoisonError::into_inner);
            let answer = task(feature, &mut own.0);
            own.1 = Some(answer);
        });
        cells.into_iter().filter_map(|c| c.into_inner().unwrap_or_else(PoisonError::into_inner).1).collect()
    }

    fn search(&self, feature: usize, hist: &[Cell], sums: Sums, depth: i64) -> Option<Split> {
        let tree = &self.params.tree;
        let deep = tree.max_depth > 0 && depth >= tree.max_depth;
        if deep || sums.rows < 2 * tree.min_data_in_leaf || sums.hessian < 2.0 * tree.min_sum_hessian_in_leaf
        {
            return None;
        }
        let mapper = &self.layout.features[feature].mapper;
        let found = match mapper {
            BinMapper::Number { .. } => numeric::best(hist, mapper, sums, tree),
            BinMapper::Category { .. } => categorical::best(hist, sums, tree, &self.params.category),
        };
        found.map(|s| Split { feature, ..s })
    }

    fn left_bins(&self, split: &Split) -> [bool; 256] {
        let mut left = [false; 256];
        match &split.side {
            Side::Among(bins) => bins.iter().for_each(|b| left[*b as usize] = true),
            Side::UpTo { bin, default_left } => {
                left[..=*bin].fill(true);
                if let BinMapper::Number { bounds, missing, .. } = &self.layout.features[split.feature].mapper
                {
                    match missing {
                        MissingKind::Nan => left[bounds.len()] = *default_left,
                        MissingKind::Zero => {
                            left[self.layout.features[split.feature].mapper.bin(0.0)] = *default_left
                        }
                        MissingKind::None => {}
                    }
                }
            }
        }
        left
    }

    /// Writes a split into the tree and makes the two leaves.
    fn record(&self, tree: &mut Tree, leaves: &mut Vec<Leaf>, leaf: usize, split: &Split, rows: &Rows<'_>) {
        let feature = &self.layout.features[split.feature];
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
        let old = &leaves[leaf];
        let (l1, l2) = (self.params.tree.lambda_l1, old.l2);
        tree.split_feature.push(feature.index);
        tree.split_gain.push(split.gain as f32);
        tree.threshold.push(threshold);
        tree.decision_type.push(decision);
        tree.left_child.push(!(leaf as i32));
        tree.right_child.push(!(leaves.len() as i32));
        tree.internal_value.push(output(old.sums.gradient, old.sums.hessian, l1, l2));
        tree.internal_weight.push(old.sums.hessian);
        tree.internal_count.push(old.sums.rows);
        if let Some((above, is_left)) = old.parent {
            let child = if is_left { &mut tree.left_child } else { &mut tree.right_child };
            child[above] = node as i32;
        }
        let count = |leaf: usize| rows.of(leaf).len();
        let (left, total, depth) = (split.left, old.sums, old.depth + 1);
        let sums = |g, h, rows| Sums { gradient: g, hessian: h, rows };
        let right = sums(total.gradient - left.0, total.hessian - left.1, count(leaves.len()));
        let l2 = split.l2;
        leaves.push(Leaf {
            sums: right,
            depth,
            parent: Some((node, false)),
            l2,
            hist: Vec::new(),
            best: None,
        });
        let old = &mut leaves[leaf];
        old.sums = sums(left.0, left.1, count(leaf));
        old.depth = depth;
        old.l2 = l2;
        old.parent = Some((node, true));
    }

    /// Histograms and best splits of the leaf that was divided and the last one.
    fn search_children(&self, leaves: &mut [Leaf], left: usize, rows: &Rows<'_>) {
        let right = leaves.len() - 1;
        let mut big = std::mem::take(&mut leaves[left].hist);
        if leaves.len() >= self.params.tree.num_leaves {
            return;
        }
        let left_is_small = leaves[left].sums.rows <= leaves[right].sums.rows;
        let (small_leaf, big_leaf) = if left_is_small { (left, right) } else { (right, left) };
        let (small_sums, big_sums) = (leaves[small_leaf].sums, leaves[big_leaf].sums);
        let depth = leaves[left].depth;
        let mut gathered = Vec::new();
        gather(rows.of(small_leaf), self.gradients, self.hessians, &mut gathered);
        let mut small = vec![[0.0; 2]; self.layout.width];
        let found = self.each_feature(&mut [&mut small, &mut big], |feature, cells| {
            let [small, big] = cells else { return [None, None] };
            build(&rows.bins[feature], rows.of(small_leaf), &gathered, small);
            subtract(big, small);
            [self.search(feature, small, small_sums, depth), self.search(feature, big, big_sums, depth)]
        });
        [leaves[small_leaf].best, leaves[big_leaf].best] = best_of(found);
        leaves[small_leaf].hist = small;
        leaves[big_leaf].hist = big;
    }

    fn finish(&self, mut tree: Tree, leaves: &[Leaf], rows: &Rows<'_>) -> Tree {
        let l1 = self.params.tree.lambda_l1;
        for (i, leaf) in leaves.iter().enumerate() {
            let value = if leaves.len() == 1 {
                0.0
            } else {
                output(leaf.sums.gradient, leaf.sums.hessian, l1, leaf.l2)
            };
            tree.leaf_value.push(value);
            tree.leaf_weight.push(leaf.sums.hessian);
            tree.leaf_count.push(rows.of(i).len());
        }
        tree
    }
}

/// A feature's parts of the histograms, and what was found in them.
type Task<'a> = (Vec<&'a mut [Cell]>, Option<Found>);

/// Best splits of a feature in the small and the big child.
type Found = [Option<Split>; 2];

/// The best of the features' splits; of equals the first.
fn best_of(found: Vec<Found>) -> Found {
    found.into_iter().fold([None, None], |mut best, found| {
        for (best, new) in best.iter_mut().zip(found) {
            if new.as_ref().is_some_and(|s| best.as_ref().is_none_or(|b| s.gain > b.gain)) {
                *best = new;
            }
        }
        best
    })
}

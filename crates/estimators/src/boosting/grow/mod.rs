//! Grows trees on the integer histograms of packed rows.
//!
//! Of two children the smaller one's histogram is added up from its rows, the other's is what is left of the parent's.
//! All work on a block of features (adding up, subtracting, searching) is one task; sums are of integers, so that
//! they are the same bits at any number of threads. Outputs of leaves are taken from the gradients themselves.
#![allow(clippy::indexing_slicing, reason = "lanes stay below four")]

mod advanced;
mod block;
mod bundle;
mod categorical;
mod costs;
mod forced;
mod histogram;
mod leaf_wise;
mod limits;
mod monotone;
mod numeric;
mod packed;
mod partition;
mod quick;
mod search;
mod symmetric;
mod write;

use crate::boosting::data::Dataset;
use crate::boosting::kernels::Scatter;
use crate::boosting::model::Tree;
use crate::boosting::params::{BoostingParams, GrowPolicy, TreeParams};
use advanced::Stairs;
use block::{Block, blocks};
use costs::Costs;
pub(super) use forced::Forced;
use histogram::{Histogram, Spare};
use limits::Limits;
use lyceum_tensor::{Pool, roomy};
use numeric::{Split, Sums};
use packed::{Rounding, pack};
use partition::{Halves, Partition};
use search::Search;
use std::ops::Range;
use std::sync::{Mutex, PoisonError, RwLock};

/// The output of a leaf with these sums, without a parent to be smoothed towards.
pub(super) fn leaf_output(gradient: f64, hessian: f64, p: &TreeParams) -> f64 {
    Limits { parent: 0.0, ..Limits::free(p) }.output((gradient, hessian), usize::MAX >> 12, p.lambda_l2)
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
    /// Fixes what is drawn while it grows (features of a node, thresholds of extra trees, rounding).
    pub(super) seed: u64,
}

/// Grows trees on one data set; keeps its buffers from tree to tree.
pub(super) struct Grower<'a> {
    data: &'a Dataset,
    params: &'a BoostingParams,
    pool: &'a Pool,
    blocks: Vec<Block>,
    /// The blocks of each thread.
    shares: Vec<Range<usize>>,
    packed: Vec<i64>,
    /// One order of the rows for each thread; all alike.
    lanes: Vec<Partition>,
    /// What each thread divides rows into.
    halves: Vec<RwLock<Halves>>,
    spare: Spare,
    /// Rows that the last tree did not see.
    outside: Vec<u32>,
    /// The splits that every tree begins with.
    forced: Option<&'a Forced>,
    /// What splits cost, and what has been paid for.
    costs: Option<Costs>,
}

/// A leaf of a tree under way.
struct Leaf {
    sums: Sums,
    /// Its output, constraints and smoothing included.
    output: f64,
    depth: i64,
    /// The node above, and whether this is its left child.
    parent: Option<(usize, bool)>,
    /// L2 of its output.
    l2: f64,
    /// Least and greatest output of what it becomes.
    bounds: (f64, f64),
    /// The same by threshold for each feature of the layout, where the method of monotone constraints has them.
    stairs: Vec<Stairs>,
    /// Features that no split of the leaf gains by: those below it do not look at them again. Empty where all are
    /// looked at.
    barren: Vec<bool>,
    /// Features on its path, where constraints ask for them.
    path: Vec<usize>,
    histogram: Histogram,
    best: Option<Split>,
}

impl<'a> Grower<'a> {
    /// `forced` are the splits that every tree begins with.
    pub(super) fn new(
        data: &'a Dataset,
        params: &'a BoostingParams,
        forced: Option<&'a Forced>,
        pool: &'a Pool,
    ) -> Self {
        let (blocks, shares) = blocks(data, params.tree.enable_bundle, pool);
        let lanes = shares.len().max(1);
        let mut packed = roomy(data.rows);
        packed.resize(data.rows, 0);
        Self {
            data,
            params,
            pool,
            blocks,
            shares,
            packed,
            lanes: (0..lanes).map(|_| Partition::default()).collect(),
            halves: (0..lanes).map(|_| RwLock::default()).collect(),
            spare: Spare::default(),
            outside: Vec::new(),
            forced,
            costs: Costs::new(&params.cost, &data.layout, data.rows),
        }
    }

    /// Grows a tree. Its outputs are the leaves' optima, without a learning rate (`shrinkage` is 1).
    pub(super) fn grow(&mut self, draw: &Draw<'_>) -> Tree {
        let p = &self.params.tree;
        let rounding = if p.use_quantized_grad {
            Rounding::Coarse {
                steps: p.num_grad_quant_bins,
                seed: p.stochastic_rounding.then_some(draw.seed ^ 0x5eed),
            }
        } else {
            Rounding::Fine
        };
        let steps = pack(draw.gradients, draw.hessians, rounding, &mut self.packed, self.pool);
        self.outside.clear();
        let lanes: Vec<Mutex<&mut Partition>> = self.lanes.iter_mut().map(Mutex::new).collect();
        self.pool.run_near(lanes.len(), |lane| {
            let Some(lane) = lanes.get(lane) else { return };
            let mut own = lane.lock().unwrap_or_else(PoisonError::into_inner);
            match draw.rows {
                None => own.reset(0..self.data.rows as u32),
                Some(rows) => own.reset(rows.iter().copied()),
            }
        });
        drop(lanes);
        match draw.rows {
            None => {}
            Some(rows) => {
                let mut drawn = rows.iter().copied().peekable();
                let all = 0..self.data.rows as u32;
                self.outside.extend(all.filter(|r| drawn.next_if_eq(r).is_none()));
            }
        }
        let mut growing = Growing {
            search: Search::new(&self.data.layout, self.params, draw, steps),
            data: self.data,
            pool: self.pool,
            blocks: &self.blocks,
            shares: &self.shares,
            packed: &self.packed,
            lanes: &mut self.lanes,
            halves: &self.halves,
            spare: &mut self.spare,
            whole: draw.rows.is_none(),
            forced: self.forced,
            costs: &mut self.costs,
        };
        let (mut tree, l2) = match self.params.tree.grow_policy {
            GrowPolicy::LeafWise => growing.leaf_wise(),
            GrowPolicy::Symmetric => growing.symmetric(),
        };
        self.renew(&mut tree, &l2, draw);
        tree
    }

    /// The rows of the last tree's draw that are in a leaf.
    pub(super) fn leaf_rows(&self, leaf: usize) -> &[u32] {
        self.first().of(leaf)
    }

    fn first(&self) -> &Partition {
        static NONE: Partition = Partition::none();
        self.lanes.first().unwrap_or(&NONE)
    }

    /// Adds `factor` times the last tree's outputs (as `tree` has them now) to the scores of all rows of the data set,
    /// drawn or not.
    pub(super) fn add(&self, tree: &Tree, factor: f64, score: &mut [f64]) {
        {
            let scatter = Scatter::new(score);
            // Each thread has a range of rows, as where gradients are taken, in its own order of them.
            let (tasks, rows) = (self.lanes.len(), self.data.rows);
            self.pool.run_near(tasks, |lane| {
                let Some(own) = self.lanes.get(lane) else { return };
                let (from, to) = (lane * rows / tasks, (lane + 1) * rows / tasks);
                for (leaf, value) in tree.leaf_value.iter().enumerate() {
                    let all = own.of(leaf);
                    let at = |row: usize| all.partition_point(|r| (*r as usize) < row);
                    let part = all.get(at(from)..at(to)).unwrap_or_default();
                    // SAFETY: ranges of rows share none, and leaves share none.
                    unsafe { scatter.add(part, factor * value) };
                }
            });
        }
        if !self.outside.is_empty() {
            self.data.add_to(tree, factor, Some(&self.outside), score, self.pool);
        }
    }

    /// Takes the outputs of leaves from the gradients themselves, where nothing but L1, L2 and the largest step shapes
    /// them; `l2` is each leaf's, absent for one whose output stays.
    fn renew(&self, tree: &mut Tree, l2: &[Option<f64>], draw: &Draw<'_>) {
        let p = &self.params.tree;
        let shaped = p.path_smooth > 0.0 || p.monotone_constraints.iter().any(|c| *c != 0);
        if tree.leaves() < 2 || shaped || (p.use_quantized_grad && !p.quant_train_renew_leaf) {
            return;
        }
        let sums: Vec<Mutex<(f64, f64)>> = (0..tree.leaves()).map(|_| Mutex::new((0.0, 0.0))).collect();
        self.pool.run(sums.len(), |leaf| {
            let own = sum_of(self.first().of(leaf), draw);
            if let Some(sum) = sums.get(leaf) {
                *sum.lock().unwrap_or_else(PoisonError::into_inner) = own;
            }
        });
        let leaves = tree.leaf_value.iter_mut().zip(&mut tree.leaf_weight);
        for (((value, weight), sum), l2) in leaves.zip(sums).zip(l2) {
            let (g, h) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let Some(l2) = l2.filter(|l2| h + l2 > 0.0) {
                *value = Limits::free(p).output((g, h), 0, l2);
                *weight = h;
            }
        }
    }
}

/// Gradients and hessians of some rows, added up in four parts by turns: the processor need not wait for each addition.
fn sum_of(rows: &[u32], draw: &Draw<'_>) -> (f64, f64) {
    let (mut g, mut h) = ([0.0; 4], [0.0; 4]);
    let at = |r: u32| {
        let (g, h) = (draw.gradients.get(r as usize), draw.hessians.get(r as usize));
        (g.copied().map_or(0.0, f64::from), h.copied().map_or(0.0, f64::from))
    };
    let whole = rows.chunks_exact(4);
    for (lane, row) in whole.remainder().iter().enumerate() {
        (g[lane], h[lane]) = at(*row);
    }
    for four in whole {
        for lane in 0..4 {
            let (dg, dh) = at(four[lane]);
            g[lane] += dg;
            h[lane] += dh;
        }
    }
    ((g[0] + g[1]) + (g[2] + g[3]), (h[0] + h[1]) + (h[2] + h[3]))
}

/// One tree under way.
struct Growing<'g> {
    search: Search<'g>,
    data: &'g Dataset,
    pool: &'g Pool,
    blocks: &'g [Block],
    shares: &'g [Range<usize>],
    packed: &'g [i64],
    lanes: &'g mut [Partition],
    halves: &'g [RwLock<Halves>],
    spare: &'g mut Spare,
    /// Whether the tree sees all rows.
    whole: bool,
    forced: Option<&'g Forced>,
    costs: &'g mut Option<Costs>,
}

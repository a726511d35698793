//! Parameters of boosting, by LightGBM's names, with its defaults. How they are read is in `settings`.

use super::{BinRule, Objective};
use lyceum_core::{Error, Result};

/// In which order a tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GrowPolicy {
    /// The leaf with the largest gain first, up to `num_leaves`.
    #[default]
    LeafWise,
    /// All leaves of a level by the same feature and threshold, up to `max_depth` levels (6 where it is not set):
    /// an oblivious tree.
    Symmetric,
}

/// How far a monotone constraint looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MonotoneMethod {
    /// Both sides of a split are bounded by the middle of their outputs.
    #[default]
    Basic,
    /// Each side is bounded by the outputs of the leaves that lie against it, as they come to be.
    Intermediate,
}

/// Shape and regularisation of a tree.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeParams {
    /// In which order it grows.
    pub grow_policy: GrowPolicy,
    /// Leaves at most, from 2.
    pub num_leaves: usize,
    /// Levels at most; 0 or less is any number.
    pub max_depth: i64,
    /// Rows of a leaf at least.
    pub min_data_in_leaf: usize,
    /// Sum of hessians of a leaf at least.
    pub min_sum_hessian_in_leaf: f64,
    /// L1 of leaf outputs.
    pub lambda_l1: f64,
    /// L2 of leaf outputs.
    pub lambda_l2: f64,
    /// Gain that a split must exceed.
    pub min_gain_to_split: f64,
    /// Largest leaf output in absolute value; 0 or less is any.
    pub max_delta_step: f64,
    /// Pulls a leaf's output towards its parent's: w·(n/s)/(n/s+1) + parent/(n/s+1); 0 is off.
    pub path_smooth: f64,
    /// Whether one threshold a feature, drawn at random, is looked at.
    pub extra_trees: bool,
    /// Fixes those thresholds.
    pub extra_seed: u64,
    /// -1 falling, 0 free, 1 rising, one a column of the data; empty is all free.
    pub monotone_constraints: Vec<i8>,
    /// How far the constraints look.
    pub monotone_constraints_method: MonotoneMethod,
    /// Makes splits on constrained features rarer near the root; 0 is off.
    pub monotone_penalty: f64,
    /// Sets of columns that may meet on one path; empty is all.
    pub interaction_constraints: Vec<Vec<usize>>,
    /// Factor of the gain of each column of the data; empty is 1 each.
    pub feature_contri: Vec<f64>,
    /// Whether leaves hold linear models of the features on their path.
    pub linear_tree: bool,
    /// L2 of those models.
    pub linear_lambda: f64,
    /// Whether gradients are rounded to few steps before they are summed.
    pub use_quantized_grad: bool,
    /// Steps of a rounded hessian, at least 2.
    pub num_grad_quant_bins: usize,
    /// Whether leaf outputs are computed again from unrounded gradients.
    pub quant_train_renew_leaf: bool,
    /// Whether rounding is at random (else to the nearest step).
    pub stochastic_rounding: bool,
}

impl Default for TreeParams {
    fn default() -> Self {
        Self {
            grow_policy: GrowPolicy::LeafWise,
            num_leaves: 31,
            max_depth: -1,
            min_data_in_leaf: 20,
            min_sum_hessian_in_leaf: 1e-3,
            lambda_l1: 0.0,
            lambda_l2: 0.0,
            min_gain_to_split: 0.0,
            max_delta_step: 0.0,
            path_smooth: 0.0,
            extra_trees: false,
            extra_seed: 6,
            monotone_constraints: Vec::new(),
            monotone_constraints_method: MonotoneMethod::Basic,
            monotone_penalty: 0.0,
            interaction_constraints: Vec::new(),
            feature_contri: Vec::new(),
            linear_tree: false,
            linear_lambda: 0.0,
            use_quantized_grad: false,
            num_grad_quant_bins: 4,
            quant_train_renew_leaf: false,
            stochastic_rounding: true,
        }
    }
}

/// How categories are split.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoryParams {
    /// Bins up to which one category is held against the rest.
    pub max_cat_to_onehot: usize,
    /// Categories on the smaller side at most.
    pub max_cat_threshold: usize,
    /// More L2 for splits by several categories.
    pub cat_l2: f64,
    /// Pulls the order of rare categories towards 0.
    pub cat_smooth: f64,
    /// Rows of a group of categories at least.
    pub min_data_per_group: usize,
}

impl Default for CategoryParams {
    fn default() -> Self {
        Self {
            max_cat_to_onehot: 4,
            max_cat_threshold: 32,
            cat_l2: 10.0,
            cat_smooth: 10.0,
            min_data_per_group: 100,
        }
    }
}

/// Which rows and features a tree sees.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleParams {
    /// Share of rows, in (0, 1].
    pub bagging_fraction: f64,
    /// Share of the positive rows, in (0, 1] (binary).
    pub pos_bagging_fraction: f64,
    /// Share of the negative rows, in (0, 1] (binary).
    pub neg_bagging_fraction: f64,
    /// A new sample of rows every so many iterations; 0 is no sampling.
    pub bagging_freq: usize,
    /// Fixes the samples of rows.
    pub bagging_seed: u64,
    /// Whether rows are sampled by gradient (`goss`) instead.
    pub goss: bool,
    /// Share of rows with the largest gradients that `goss` keeps.
    pub top_rate: f64,
    /// Share of rows that `goss` draws from the rest.
    pub other_rate: f64,
    /// Share of features of a tree, in (0, 1].
    pub feature_fraction: f64,
    /// Share of those at each node, in (0, 1].
    pub feature_fraction_bynode: f64,
    /// Fixes the samples of features.
    pub feature_fraction_seed: u64,
    /// Fixes every random choice that has no seed of its own; absent takes the fit's seed.
    pub seed: Option<u64>,
}

impl Default for SampleParams {
    fn default() -> Self {
        Self {
            bagging_fraction: 1.0,
            pos_bagging_fraction: 1.0,
            neg_bagging_fraction: 1.0,
            bagging_freq: 0,
            bagging_seed: 3,
            goss: false,
            top_rate: 0.2,
            other_rate: 0.1,
            feature_fraction: 1.0,
            feature_fraction_bynode: 1.0,
            feature_fraction_seed: 2,
            seed: None,
        }
    }
}

/// How long to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct StopParams {
    /// Iterations at most; each grows a tree, or one a class.
    pub num_iterations: usize,
    /// Factor of each tree, in (0, 1] by custom.
    pub learning_rate: f64,
    /// Iterations without a better first metric on the first validation set before stopping; 0 goes on.
    pub early_stopping_round: usize,
    /// What counts as better.
    pub early_stopping_min_delta: f64,
    /// The metric that decides; empty is the objective's own.
    pub metric: String,
}

impl Default for StopParams {
    fn default() -> Self {
        Self {
            num_iterations: 100,
            learning_rate: 0.1,
            early_stopping_round: 0,
            early_stopping_min_delta: 0.0,
            metric: String::new(),
        }
    }
}

/// All parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BoostingParams {
    /// What is minimised.
    pub objective: Objective,
    /// How long to go on.
    pub stop: StopParams,
    /// Shape of a tree.
    pub tree: TreeParams,
    /// How categories are split.
    pub category: CategoryParams,
    /// Which rows and features a tree sees.
    pub sample: SampleParams,
    /// How values become bins.
    pub bins: BinRule,
}

impl BoostingParams {
    /// Fails on the first parameter outside its range, naming it.
    pub fn check(&self) -> Result<()> {
        let fraction = |x: f64| x > 0.0 && x <= 1.0;
        let checks = [
            (self.tree.num_leaves >= 2 && self.tree.num_leaves <= 131_072, "num_leaves", "2 to 131072"),
            (self.stop.num_iterations <= 1_000_000, "num_iterations", "0 to 1000000"),
            (
                self.stop.learning_rate > 0.0 && self.stop.learning_rate.is_finite(),
                "learning_rate",
                "above 0",
            ),
            (self.tree.min_sum_hessian_in_leaf >= 0.0, "min_sum_hessian_in_leaf", "0 or more"),
            (self.tree.lambda_l1 >= 0.0, "lambda_l1", "0 or more"),
            (self.tree.lambda_l2 >= 0.0, "lambda_l2", "0 or more"),
            (self.tree.min_gain_to_split >= 0.0, "min_gain_to_split", "0 or more"),
            (fraction(self.sample.bagging_fraction), "bagging_fraction", "above 0, at most 1"),
            (fraction(self.sample.feature_fraction), "feature_fraction", "above 0, at most 1"),
            ((2..=255).contains(&self.bins.max_bin), "max_bin", "2 to 255"),
            (self.category.cat_smooth >= 0.0, "cat_smooth", "0 or more"),
            (self.category.cat_l2 >= 0.0, "cat_l2", "0 or more"),
            (self.stop.early_stopping_min_delta >= 0.0, "early_stopping_min_delta", "0 or more"),
        ];
        match checks.iter().find(|(ok, _, _)| !ok) {
            Some((_, name, range)) => Err(Error::invalid(format!("expected {range}")).at_key(*name)),
            None => self.objective.check(),
        }
    }
}

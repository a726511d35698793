//! Parameters of boosting, by LightGBM's names, with its defaults. `entries` is the list of names, `read` goes from
//! values to these and back.

mod entries;
mod forced;
mod read;

pub use entries::{Entry, HARMLESS, entries};
pub(super) use forced::ForcedSplit;

use super::metric::MetricParams;
use super::objective::Kind;
use super::{BinRule, Objective};
use lyceum_core::{Error, Result};

/// What an iteration does with the trees before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boosting {
    /// Each tree learns what the ones before it left.
    #[default]
    Gbdt,
    /// As that, with some earlier trees left out at random (Rashmi and Gilad-Bachrach 2015).
    Dart,
    /// Trees on samples, averaged.
    Rf,
}

/// How `dart` drops trees.
#[derive(Debug, Clone, PartialEq)]
pub struct DartParams {
    /// Chance of a tree to be dropped, in [0, 1].
    pub drop_rate: f64,
    /// Trees dropped at once at most; 0 or less is any number.
    pub max_drop: i64,
    /// Chance of an iteration to drop none, in [0, 1].
    pub skip_drop: f64,
    /// Whether all trees are dropped alike (else by their weight).
    pub uniform_drop: bool,
    /// Whether weights are normalised as XGBoost does.
    pub xgboost_dart_mode: bool,
    /// Fixes the draws.
    pub drop_seed: u64,
}

impl Default for DartParams {
    fn default() -> Self {
        Self {
            drop_rate: 0.1,
            max_drop: 50,
            skip_drop: 0.5,
            uniform_drop: false,
            xgboost_dart_mode: false,
            drop_seed: 4,
        }
    }
}

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
    /// As that, but for each threshold by those leaves only that lie against the side which it makes.
    Advanced,
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
    /// Whether features of which no row has two apart from their usual bin share the work of one.
    pub enable_bundle: bool,
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
    /// Whether leaves hold linear models of the numeric features on their path, from the second iteration on.
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
            enable_bundle: true,
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

/// What splits and features cost (cost-efficient boosting: Peter, Diego, Hamprecht and Nadler 2017). A cost is taken
/// off a split's gain.
#[derive(Debug, Clone, PartialEq)]
pub struct CostParams {
    /// Factor of all costs, from 0.
    pub tradeoff: f64,
    /// Cost of a split for each row of the leaf, from 0.
    pub split: f64,
    /// Cost of each column for every row that no split on it has seen yet, from 0; empty is none.
    pub lazy: Vec<f64>,
    /// Cost of each column until some tree splits on it, from 0; empty is none.
    pub coupled: Vec<f64>,
}

impl Default for CostParams {
    fn default() -> Self {
        Self { tradeoff: 1.0, split: 0.0, lazy: Vec::new(), coupled: Vec::new() }
    }
}

impl CostParams {
    /// Whether anything costs.
    pub(super) fn any(&self) -> bool {
        let some = |all: &[f64]| all.iter().any(|c| *c > 0.0);
        self.tradeoff > 0.0 && (self.split > 0.0 || some(&self.lazy) || some(&self.coupled))
    }
}

/// Files that say what bins and trees must have; empty is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForcedFiles {
    /// The first splits of every tree, nested JSON.
    pub splits: String,
    /// Upper bounds of bins, JSON.
    pub bins: String,
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
    /// Iterations without a better value of some metric on some validation set before stopping; 0 goes on.
    pub early_stopping_round: usize,
    /// What counts as better.
    pub early_stopping_min_delta: f64,
    /// Whether the first metric alone decides.
    pub first_metric_only: bool,
    /// Whether the training rows are measured too.
    pub is_provide_training_metric: bool,
    /// Iterations between measurements.
    pub metric_freq: usize,
}

impl Default for StopParams {
    fn default() -> Self {
        Self {
            num_iterations: 100,
            learning_rate: 0.1,
            early_stopping_round: 0,
            early_stopping_min_delta: 0.0,
            first_metric_only: false,
            is_provide_training_metric: false,
            metric_freq: 1,
        }
    }
}

/// All parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BoostingParams {
    /// What an iteration does with the trees before it.
    pub boosting: Boosting,
    /// How `dart` drops trees.
    pub dart: DartParams,
    /// What is measured.
    pub metric: MetricParams,
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
    /// What splits and features cost.
    pub cost: CostParams,
    /// Files of forced splits and bins; they are read when training begins.
    pub forced: ForcedFiles,
}

impl BoostingParams {
    /// Fails on the first parameter outside its range, naming it, and on parameters that contradict each other.
    pub fn check(&self) -> Result<()> {
        self.ranges()?;
        self.contradictions()?;
        self.objective.check()
    }

    pub(super) fn ranges(&self) -> Result<()> {
        let fraction = |x: f64| x > 0.0 && x <= 1.0;
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let (tree, sample, stop, dart) = (&self.tree, &self.sample, &self.stop, &self.dart);
        let checks = [
            (tree.num_leaves >= 2 && tree.num_leaves <= 131_072, "num_leaves", "2 to 131072"),
            (stop.num_iterations <= 1_000_000, "num_iterations", "0 to 1000000"),
            (stop.learning_rate > 0.0 && stop.learning_rate.is_finite(), "learning_rate", "above 0"),
            (stop.metric_freq > 0, "metric_freq", "1 or more"),
            (tree.min_sum_hessian_in_leaf >= 0.0, "min_sum_hessian_in_leaf", "0 or more"),
            (tree.lambda_l1 >= 0.0, "lambda_l1", "0 or more"),
            (tree.lambda_l2 >= 0.0, "lambda_l2", "0 or more"),
            (tree.linear_lambda >= 0.0, "linear_lambda", "0 or more"),
            (tree.min_gain_to_split >= 0.0, "min_gain_to_split", "0 or more"),
            (tree.path_smooth >= 0.0, "path_smooth", "0 or more"),
            (tree.monotone_penalty >= 0.0, "monotone_penalty", "0 or more"),
            (
                tree.monotone_constraints.iter().all(|c| c.abs() <= 1),
                "monotone_constraints",
                "-1, 0 or 1 each",
            ),
            (tree.feature_contri.iter().all(|c| *c >= 0.0), "feature_contri", "numbers from 0"),
            ((2..=127).contains(&tree.num_grad_quant_bins), "num_grad_quant_bins", "2 to 127"),
            (fraction(sample.bagging_fraction), "bagging_fraction", "above 0, at most 1"),
            (fraction(sample.pos_bagging_fraction), "pos_bagging_fraction", "above 0, at most 1"),
            (fraction(sample.neg_bagging_fraction), "neg_bagging_fraction", "above 0, at most 1"),
            (fraction(sample.feature_fraction), "feature_fraction", "above 0, at most 1"),
            (fraction(sample.feature_fraction_bynode), "feature_fraction_bynode", "above 0, at most 1"),
            (share(sample.top_rate), "top_rate", "0 to 1"),
            (share(sample.other_rate), "other_rate", "0 to 1"),
            (share(dart.drop_rate), "drop_rate", "0 to 1"),
            (share(dart.skip_drop), "skip_drop", "0 to 1"),
            ((2..=65_535).contains(&self.bins.max_bin), "max_bin", "2 to 65535"),
            (
                self.bins.max_bin_by_feature.iter().all(|n| (2..=65_535).contains(n)),
                "max_bin_by_feature",
                "2 to 65535 each",
            ),
            (self.cost.tradeoff >= 0.0, "cegb_tradeoff", "0 or more"),
            (self.cost.split >= 0.0, "cegb_penalty_split", "0 or more"),
            (self.cost.lazy.iter().all(|c| *c >= 0.0), "cegb_penalty_feature_lazy", "numbers from 0"),
            (self.cost.coupled.iter().all(|c| *c >= 0.0), "cegb_penalty_feature_coupled", "numbers from 0"),
            (self.bins.min_data_in_bin > 0, "min_data_in_bin", "1 or more"),
            (self.bins.sample > 0, "bin_construct_sample_cnt", "1 or more"),
            (self.category.cat_smooth >= 0.0, "cat_smooth", "0 or more"),
            (self.category.cat_l2 >= 0.0, "cat_l2", "0 or more"),
            (self.category.max_cat_threshold > 0, "max_cat_threshold", "1 or more"),
            (stop.early_stopping_min_delta >= 0.0, "early_stopping_min_delta", "0 or more"),
            (self.metric.eval_at.iter().all(|at| *at > 0), "eval_at", "numbers from 1"),
            (self.metric.multi_error_top_k > 0, "multi_error_top_k", "1 or more"),
        ];
        if let Some((_, name, range)) = checks.iter().find(|(ok, _, _)| !ok) {
            return Err(Error::invalid(format!("expected {range}")).at_key(*name));
        }
        Ok(())
    }

    /// Parameters that cannot go together.
    fn contradictions(&self) -> Result<()> {
        let (tree, sample) = (&self.tree, &self.sample);
        let clash = |key: &str, message: &str| Err(Error::invalid(message).at_key(key));
        let samples_rows = sample.bagging_freq > 0
            && (sample.bagging_fraction < 1.0
                || sample.pos_bagging_fraction < 1.0
                || sample.neg_bagging_fraction < 1.0);
        if sample.goss && sample.top_rate + sample.other_rate > 1.0 {
            return clash("top_rate", "top_rate and other_rate are more than 1 together");
        }
        if sample.goss && samples_rows {
            return clash("bagging_freq", "goss draws its own rows: bagging cannot be used with it");
        }
        if self.boosting == Boosting::Rf {
            if sample.goss {
                return clash("boosting", "rf draws its rows by bagging, not by goss");
            }
            if !samples_rows && sample.feature_fraction >= 1.0 {
                return clash(
                    "boosting",
                    "rf needs bagging (bagging_freq above 0 and bagging_fraction below 1) or feature_fraction below 1",
                );
            }
        }
        if self.boosting == Boosting::Dart && self.stop.early_stopping_round > 0 {
            return clash(
                "early_stopping_round",
                "dart changes earlier trees, so it cannot go back to one: set 0",
            );
        }
        if tree.linear_tree {
            if matches!(self.objective.kind, Kind::RegressionL1 | Kind::Quantile | Kind::Mape) {
                let name = self.objective.name();
                return clash(
                    "linear_tree",
                    &format!("{name} has leaf outputs of its own: leaves are constants"),
                );
            }
            if tree.monotone_constraints.iter().any(|c| *c != 0) {
                return clash("linear_tree", "linear leaves cannot be held to monotone constraints");
            }
            if self.bins.zero_as_missing {
                return clash(
                    "linear_tree",
                    "a linear model takes zeros for numbers: set zero_as_missing=false",
                );
            }
        }
        if tree.grow_policy == GrowPolicy::Symmetric {
            let deep = if tree.max_depth > 0 { tree.max_depth } else { 6 };
            if deep > 16 {
                return clash("max_depth", "symmetric trees have at most 16 levels");
            }
            if tree.monotone_constraints.iter().any(|c| *c != 0) || !tree.interaction_constraints.is_empty() {
                return clash("grow_policy", "symmetric trees take no monotone or interaction constraints");
            }
            if !self.forced.splits.is_empty() {
                return clash(
                    "forcedsplits_filename",
                    "symmetric trees have no splits of single leaves to force",
                );
            }
            if self.cost.any() {
                return clash("grow_policy", "symmetric trees take no costs of splits and features (cegb)");
            }
        }
        Ok(())
    }
}

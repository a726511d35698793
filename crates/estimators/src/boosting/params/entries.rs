//! Every parameter of the learner: name, aliases, how it is set and told.

use super::read::{
    choice, count, fractions, groups, list, map, number, real, signs, text, truth, whole, words,
};
use super::{Boosting, BoostingParams, GrowPolicy, MonotoneMethod};
use crate::boosting::metric;
use lyceum_core::{Result, Value};

/// One parameter.
pub struct Entry {
    /// LightGBM's main name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    pub(super) get: fn(&BoostingParams) -> Value,
    pub(super) set: fn(&mut BoostingParams, &Value) -> Result<()>,
}

/// Names that change nothing in what is learned here, or that the caller decides.
pub const HARMLESS: &[&str] = &[
    "num_threads",
    "num_thread",
    "nthread",
    "nthreads",
    "n_jobs",
    "deterministic",
    "force_col_wise",
    "force_row_wise",
    "verbosity",
    "verbose",
    "device_type",
    "device",
    "tree_learner",
    "tree",
    "tree_type",
    "tree_learner_type",
    "is_enable_sparse",
    "is_sparse",
    "enable_sparse",
    "sparse",
    "data_random_seed",
    "data_seed",
    "histogram_pool_size",
    "hist_pool_size",
    "num_machines",
    "num_machine",
    "local_listen_port",
    "local_port",
    "port",
    "time_out",
    "top_k",
    "topk",
    "machine_list_filename",
    "machine_list_file",
    "machine_list",
    "mlist",
    "num_gpu",
    "gpu_device_id",
    "gpu_device_id_list",
    "gpu_platform_id",
    "gpu_use_dp",
    "precise_float_parser",
];

const SEVERAL: &str = "training runs on one machine";

/// Parameters that LightGBM has and this learner lacks, with what it does instead.
pub(super) const NOT_HERE: &[(&str, &str)] = &[
    ("machines", SEVERAL),
    ("workers", SEVERAL),
    ("nodes", SEVERAL),
    ("parser_config_file", "rows are read as CSV, TSV, LibSVM, Parquet or Arrow"),
    ("bagging_by_query", "rows are drawn one by one, not by query"),
    (
        "lambdarank_position_bias_regularization",
        "positions of documents are not read, so their bias is not learned",
    ),
];

macro_rules! entry {
    ($name:literal, $($path:ident).+, $set:expr, $get:expr $(, $alias:literal)*) => {
        Entry {
            name: $name,
            aliases: &[$($alias),*],
            get: |p| $get(&p.$($path).+),
            set: |p, v| {
                p.$($path).+ = $set(v)?;
                Ok(())
            },
        }
    };
}

/// All of them, in the order in which they are written.
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

#[rustfmt::skip]
const ENTRIES: &[Entry] = &[
    Entry {
        name: "objective",
        aliases: &["objective_type", "app", "application", "loss"],
        get: |p| p.objective.name().into(),
        set: |p, v| p.objective.set_kind(text(v)?),
    },
    Entry { name: "boosting", aliases: &["boosting_type", "boost"], get: boosting_name, set: set_boosting },
    Entry {
        name: "data_sample_strategy",
        aliases: &[],
        get: |p| if p.sample.goss { "goss".into() } else { "bagging".into() },
        set: |p, v| { p.sample.goss = choice(v, &[("bagging", false), ("goss", true)])?; Ok(()) },
    },
    entry!("num_iterations", stop.num_iterations, whole, count, "num_iteration", "n_iter", "num_tree", "num_trees",
        "num_round", "num_rounds", "nrounds", "num_boost_round", "n_estimators", "max_iter"),
    entry!("learning_rate", stop.learning_rate, real, number, "shrinkage_rate", "eta"),
    entry!("num_leaves", tree.num_leaves, whole, count, "num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes"),
    entry!("max_depth", tree.max_depth, map::signed, |x: &i64| Value::Int(*x)),
    entry!("grow_policy", tree.grow_policy, grow_policy, |g: &GrowPolicy| match g {
        GrowPolicy::LeafWise => "lossguide".into(),
        GrowPolicy::Symmetric => "symmetric".into(),
    }),
    entry!("seed", sample.seed, map::seed, map::optional, "random_seed", "random_state"),
    entry!("min_data_in_leaf", tree.min_data_in_leaf, whole, count, "min_data_per_leaf", "min_data",
        "min_child_samples", "min_samples_leaf"),
    entry!("min_sum_hessian_in_leaf", tree.min_sum_hessian_in_leaf, real, number, "min_sum_hessian_per_leaf",
        "min_sum_hessian", "min_hessian", "min_child_weight"),
    entry!("bagging_fraction", sample.bagging_fraction, real, number, "sub_row", "subsample", "bagging"),
    entry!("pos_bagging_fraction", sample.pos_bagging_fraction, real, number, "pos_sub_row", "pos_subsample",
        "pos_bagging"),
    entry!("neg_bagging_fraction", sample.neg_bagging_fraction, real, number, "neg_sub_row", "neg_subsample",
        "neg_bagging"),
    entry!("bagging_freq", sample.bagging_freq, whole, count, "subsample_freq"),
    entry!("bagging_seed", sample.bagging_seed, map::fixed, map::fixed_value, "bagging_fraction_seed"),
    entry!("feature_fraction", sample.feature_fraction, real, number, "sub_feature", "colsample_bytree"),
    entry!("feature_fraction_bynode", sample.feature_fraction_bynode, real, number, "sub_feature_bynode",
        "colsample_bynode"),
    entry!("feature_fraction_seed", sample.feature_fraction_seed, map::fixed, map::fixed_value),
    entry!("extra_trees", tree.extra_trees, truth, map::flag, "extra_tree"),
    entry!("extra_seed", tree.extra_seed, map::fixed, map::fixed_value),
    entry!("early_stopping_round", stop.early_stopping_round, map::rounds, count, "early_stopping_rounds",
        "early_stopping", "n_iter_no_change"),
    entry!("early_stopping_min_delta", stop.early_stopping_min_delta, real, number),
    entry!("first_metric_only", stop.first_metric_only, truth, map::flag),
    entry!("max_delta_step", tree.max_delta_step, real, number, "max_tree_output", "max_leaf_output"),
    entry!("lambda_l1", tree.lambda_l1, real, number, "reg_alpha", "l1_regularization"),
    entry!("lambda_l2", tree.lambda_l2, real, number, "reg_lambda", "lambda", "l2_regularization"),
    entry!("linear_tree", tree.linear_tree, truth, map::flag, "linear_trees"),
    entry!("linear_lambda", tree.linear_lambda, real, number),
    entry!("min_gain_to_split", tree.min_gain_to_split, real, number, "min_split_gain"),
    entry!("drop_rate", dart.drop_rate, real, number, "rate_drop"),
    entry!("max_drop", dart.max_drop, map::signed, |x: &i64| Value::Int(*x)),
    entry!("skip_drop", dart.skip_drop, real, number),
    entry!("uniform_drop", dart.uniform_drop, truth, map::flag),
    entry!("xgboost_dart_mode", dart.xgboost_dart_mode, truth, map::flag),
    entry!("drop_seed", dart.drop_seed, map::fixed, map::fixed_value),
    entry!("top_rate", sample.top_rate, real, number),
    entry!("other_rate", sample.other_rate, real, number),
    entry!("min_data_per_group", category.min_data_per_group, whole, count),
    entry!("max_cat_threshold", category.max_cat_threshold, whole, count),
    entry!("cat_l2", category.cat_l2, real, number),
    entry!("cat_smooth", category.cat_smooth, real, number),
    entry!("max_cat_to_onehot", category.max_cat_to_onehot, whole, count),
    entry!("monotone_constraints", tree.monotone_constraints, signs, map::sign_list, "mc", "monotone_constraint",
        "monotonic_cst"),
    entry!("monotone_constraints_method", tree.monotone_constraints_method, monotone_method,
        |m: &MonotoneMethod| match m {
            MonotoneMethod::Basic => "basic".into(),
            MonotoneMethod::Intermediate => "intermediate".into(),
            MonotoneMethod::Advanced => "advanced".into(),
        }, "monotone_constraining_method", "mc_method"),
    entry!("monotone_penalty", tree.monotone_penalty, real, number, "monotone_splits_penalty", "ms_penalty",
        "mc_penalty"),
    entry!("feature_contri", tree.feature_contri, list, fractions, "feature_contrib", "fc", "fp", "feature_penalty"),
    entry!("forcedsplits_filename", forced.splits, map::file, map::file_name, "fs", "forced_splits_filename",
        "forced_splits_file", "forced_splits"),
    entry!("cegb_tradeoff", cost.tradeoff, real, number),
    entry!("cegb_penalty_split", cost.split, real, number),
    entry!("cegb_penalty_feature_lazy", cost.lazy, list, fractions),
    entry!("cegb_penalty_feature_coupled", cost.coupled, list, fractions),
    entry!("path_smooth", tree.path_smooth, real, number),
    entry!("interaction_constraints", tree.interaction_constraints, groups, map::group_list),
    entry!("use_quantized_grad", tree.use_quantized_grad, truth, map::flag),
    entry!("num_grad_quant_bins", tree.num_grad_quant_bins, whole, count),
    entry!("quant_train_renew_leaf", tree.quant_train_renew_leaf, truth, map::flag),
    entry!("stochastic_rounding", tree.stochastic_rounding, truth, map::flag),
    entry!("max_bin", bins.max_bin, whole, count, "max_bins"),
    entry!("max_bin_by_feature", bins.max_bin_by_feature, map::counts, map::count_list),
    entry!("forcedbins_filename", forced.bins, map::file, map::file_name),
    entry!("min_data_in_bin", bins.min_data_in_bin, whole, count),
    entry!("bin_construct_sample_cnt", bins.sample, whole, count, "subsample_for_bin"),
    entry!("use_missing", bins.use_missing, truth, map::flag),
    entry!("zero_as_missing", bins.zero_as_missing, truth, map::flag),
    entry!("enable_bundle", tree.enable_bundle, truth, map::flag, "is_enable_bundle", "bundle"),
    entry!("feature_pre_filter", bins.feature_pre_filter, truth, map::flag),
    entry!("num_class", objective.num_class, whole, count, "num_classes"),
    entry!("is_unbalance", objective.is_unbalance, truth, map::flag, "unbalance", "unbalanced_sets"),
    entry!("scale_pos_weight", objective.scale_pos_weight, real, number),
    entry!("sigmoid", objective.sigmoid, real, number),
    entry!("boost_from_average", objective.boost_from_average, truth, map::flag),
    entry!("reg_sqrt", objective.reg_sqrt, truth, map::flag),
    entry!("alpha", objective.alpha, real, number),
    entry!("fair_c", objective.fair_c, real, number),
    entry!("poisson_max_delta_step", objective.poisson_max_delta_step, real, number),
    entry!("tweedie_variance_power", objective.tweedie_variance_power, real, number),
    entry!("lambdarank_truncation_level", objective.lambdarank_truncation_level, whole, count),
    entry!("lambdarank_norm", objective.lambdarank_norm, truth, map::flag),
    entry!("label_gain", objective.label_gain, list, fractions),
    entry!("objective_seed", objective.objective_seed, map::fixed, map::fixed_value),
    Entry {
        name: "metric",
        aliases: &["metrics", "metric_types"],
        get: |p| p.metric.names.join(",").into(),
        set: set_metric,
    },
    entry!("metric_freq", stop.metric_freq, whole, count, "output_freq"),
    entry!("is_provide_training_metric", stop.is_provide_training_metric, truth, map::flag, "training_metric",
        "is_training_metric", "train_metric"),
    entry!("eval_at", metric.eval_at, map::counts, map::count_list, "ndcg_eval_at", "ndcg_at", "map_eval_at",
        "map_at"),
    entry!("multi_error_top_k", metric.multi_error_top_k, whole, count),
    entry!("auc_mu_weights", metric.auc_mu_weights, list, fractions),
];

fn boosting_name(p: &BoostingParams) -> Value {
    match p.boosting {
        Boosting::Gbdt => "gbdt".into(),
        Boosting::Dart => "dart".into(),
        Boosting::Rf => "rf".into(),
    }
}

/// `goss` was a kind of boosting before it became a way to sample.
fn set_boosting(p: &mut BoostingParams, v: &Value) -> Result<()> {
    const GBDT: Boosting = Boosting::Gbdt;
    let names = [
        ("gbdt", (GBDT, false)),
        ("gbrt", (GBDT, false)),
        ("goss", (GBDT, true)),
        ("dart", (Boosting::Dart, false)),
        ("rf", (Boosting::Rf, false)),
        ("random_forest", (Boosting::Rf, false)),
    ];
    let (boosting, goss) = choice(v, &names)?;
    p.boosting = boosting;
    p.sample.goss |= goss;
    Ok(())
}

fn set_metric(p: &mut BoostingParams, v: &Value) -> Result<()> {
    let names = words(v)?;
    let none = |n: &String| matches!(n.as_str(), "none" | "None" | "null" | "na" | "custom");
    for name in names.iter().filter(|n| !none(n)) {
        metric::main_name(name)?;
    }
    p.metric.names = names;
    Ok(())
}

fn grow_policy(v: &Value) -> Result<GrowPolicy> {
    let names = [
        ("lossguide", GrowPolicy::LeafWise),
        ("leafwise", GrowPolicy::LeafWise),
        ("symmetric", GrowPolicy::Symmetric),
        ("oblivious", GrowPolicy::Symmetric),
        ("symmetrictree", GrowPolicy::Symmetric),
    ];
    choice(v, &names)
}

fn monotone_method(v: &Value) -> Result<MonotoneMethod> {
    let names = [
        ("basic", MonotoneMethod::Basic),
        ("intermediate", MonotoneMethod::Intermediate),
        ("advanced", MonotoneMethod::Advanced),
    ];
    choice(v, &names)
}

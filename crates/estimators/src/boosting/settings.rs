//! LightGBM's parameter names and aliases to values and back.

use super::params::BoostingParams;
use lyceum_core::{Error, Params, Result, Value};

/// Names with their aliases: what is understood here.
const KNOWN: &[(&str, &[&str])] = &[
    ("objective", &["objective_type", "app", "application", "loss"]),
    ("boosting", &["boosting_type", "boost"]),
    (
        "num_iterations",
        &[
            "num_iteration",
            "n_iter",
            "num_tree",
            "num_trees",
            "num_round",
            "num_rounds",
            "nrounds",
            "num_boost_round",
            "n_estimators",
            "max_iter",
        ],
    ),
    ("learning_rate", &["shrinkage_rate", "eta"]),
    ("num_leaves", &["num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes"]),
    ("max_depth", &[]),
    ("seed", &["random_seed", "random_state"]),
    ("min_data_in_leaf", &["min_data_per_leaf", "min_data", "min_child_samples", "min_samples_leaf"]),
    (
        "min_sum_hessian_in_leaf",
        &["min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian", "min_child_weight"],
    ),
    ("bagging_fraction", &["sub_row", "subsample", "bagging"]),
    ("bagging_freq", &["subsample_freq"]),
    ("feature_fraction", &["sub_feature", "colsample_bytree"]),
    ("early_stopping_round", &["early_stopping_rounds", "early_stopping", "n_iter_no_change"]),
    ("early_stopping_min_delta", &[]),
    ("lambda_l1", &["reg_alpha", "l1_regularization"]),
    ("lambda_l2", &["reg_lambda", "lambda", "l2_regularization"]),
    ("min_gain_to_split", &["min_split_gain"]),
    ("min_data_per_group", &[]),
    ("max_cat_threshold", &[]),
    ("cat_l2", &[]),
    ("cat_smooth", &[]),
    ("max_cat_to_onehot", &[]),
    ("max_bin", &["max_bins"]),
    ("min_data_in_bin", &[]),
    ("bin_construct_sample_cnt", &["subsample_for_bin"]),
    ("use_missing", &[]),
    ("zero_as_missing", &[]),
    ("feature_pre_filter", &[]),
    ("num_class", &["num_classes"]),
    ("is_unbalance", &["unbalance", "unbalanced_sets"]),
    ("scale_pos_weight", &[]),
    ("sigmoid", &[]),
    ("boost_from_average", &[]),
    ("metric", &["metrics", "metric_types"]),
];

/// Names that change nothing in what is learned here.
const HARMLESS: &[&str] = &[
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
];

/// Names of parameters that LightGBM has and this learner lacks.
const NOT_HERE: &[&str] = &[
    "data_sample_strategy",
    "pos_bagging_fraction",
    "neg_bagging_fraction",
    "feature_fraction_bynode",
    "extra_trees",
    "max_delta_step",
    "linear_tree",
    "linear_lambda",
    "drop_rate",
    "max_drop",
    "skip_drop",
    "uniform_drop",
    "xgboost_dart_mode",
    "top_rate",
    "other_rate",
    "monotone_constraints",
    "monotone_penalty",
    "feature_contri",
    "forcedsplits_filename",
    "path_smooth",
    "interaction_constraints",
    "use_quantized_grad",
    "max_bin_by_feature",
    "reg_sqrt",
    "alpha",
    "fair_c",
    "poisson_max_delta_step",
    "tweedie_variance_power",
    "lambdarank_truncation_level",
    "cegb_tradeoff",
    "cegb_penalty_split",
    "first_metric_only",
];

/// The main name of a parameter that this learner knows.
pub(super) fn main_name(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(main, aliases)| *main == name || aliases.contains(&name)).map(|(main, _)| *main)
}

impl BoostingParams {
    /// Every name that is understood, aliases included.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().flat_map(|(main, aliases)| std::iter::once(*main).chain(aliases.iter().copied()))
    }

    /// The main name of a name or alias, if it is understood.
    pub fn main_name(name: &str) -> Option<&'static str> {
        main_name(name)
    }

    /// Defaults changed by parameters. The main name wins over its aliases, and of several aliases the shortest, then
    /// the alphabetically first.
    ///
    /// # Errors
    /// An unknown name (with the nearest one), one that is LightGBM's but not here, a wrong type, a value outside its
    /// range.
    pub fn from_params(params: &Params) -> Result<Self> {
        let mut given: Vec<(&str, &'static str, &Value)> = Vec::new();
        for (name, value) in params {
            match main_name(name) {
                Some(main) => given.push((name, main, value)),
                None if HARMLESS.contains(&&**name) || value == &Value::Null => {}
                None if NOT_HERE.contains(&&**name) => {
                    let message = "is a parameter of LightGBM that is not supported here yet";
                    return Err(Error::unsupported(message).at_key(&**name));
                }
                None => {
                    let e = Error::invalid("unknown parameter").at_key(&**name);
                    return Err(e.did_you_mean(name, Self::names()));
                }
            }
        }
        // Weakest first, so that the last one set wins.
        given.sort_by(|a, b| {
            (a.0 == a.1).cmp(&(b.0 == b.1)).then(b.0.len().cmp(&a.0.len())).then(b.0.cmp(a.0))
        });
        let mut out = Self::default();
        for (name, main, value) in given {
            if value != &Value::Null {
                out.set(main, value).map_err(|e| e.at_key(name))?;
            }
        }
        out.check()?;
        Ok(out)
    }

    fn set(&mut self, name: &str, v: &Value) -> Result<()> {
        match name {
            "objective" => self.objective.set_kind(text(v)?)?,
            "boosting" if matches!(text(v)?, "gbdt" | "gbrt") => {}
            "boosting" => {
                return Err(Error::unsupported(format!("boosting `{}` is not supported yet", text(v)?)));
            }
            "num_iterations" => self.stop.num_iterations = whole(v)?,
            "learning_rate" => self.stop.learning_rate = real(v)?,
            "early_stopping_round" => self.stop.early_stopping_round = whole(v)?,
            "early_stopping_min_delta" => self.stop.early_stopping_min_delta = real(v)?,
            "metric" if text(v)?.is_empty() => {}
            "metric" => self.stop.metric = super::metric::main_name(text(v)?)?.to_string(),
            "num_leaves" => self.tree.num_leaves = whole(v)?,
            "max_depth" => self.tree.max_depth = v.as_i64().ok_or_else(|| expected("a whole number", v))?,
            "min_data_in_leaf" => self.tree.min_data_in_leaf = whole(v)?,
            "min_sum_hessian_in_leaf" => self.tree.min_sum_hessian_in_leaf = real(v)?,
            "lambda_l1" => self.tree.lambda_l1 = real(v)?,
            "lambda_l2" => self.tree.lambda_l2 = real(v)?,
            "min_gain_to_split" => self.tree.min_gain_to_split = real(v)?,
            "seed" => self.sample.seed = Some(whole(v)? as u64),
            "bagging_fraction" => self.sample.bagging_fraction = real(v)?,
            "bagging_freq" => self.sample.bagging_freq = whole(v)?,
            "feature_fraction" => self.sample.feature_fraction = real(v)?,
            "min_data_per_group" => self.category.min_data_per_group = whole(v)?,
            "max_cat_threshold" => self.category.max_cat_threshold = whole(v)?,
            "cat_l2" => self.category.cat_l2 = real(v)?,
            "cat_smooth" => self.category.cat_smooth = real(v)?,
            "max_cat_to_onehot" => self.category.max_cat_to_onehot = whole(v)?,
            "max_bin" => self.bins.max_bin = whole(v)?,
            "min_data_in_bin" => self.bins.min_data_in_bin = whole(v)?,
            "bin_construct_sample_cnt" => self.bins.sample = whole(v)?,
            "use_missing" => self.bins.use_missing = truth(v)?,
            "zero_as_missing" => self.bins.zero_as_missing = truth(v)?,
            "feature_pre_filter" => self.bins.feature_pre_filter = truth(v)?,
            "num_class" => self.objective.num_class = whole(v)?,
            "is_unbalance" => self.objective.is_unbalance = truth(v)?,
            "scale_pos_weight" => self.objective.scale_pos_weight = real(v)?,
            "sigmoid" => self.objective.sigmoid = real(v)?,
            "boost_from_average" => self.objective.boost_from_average = truth(v)?,
            other => return Err(Error::internal(format!("parameter {other} is known but not set"))),
        }
        Ok(())
    }

    /// Every parameter with its value.
    pub fn to_params(&self) -> Params {
        let int = |n: usize| Value::Int(n as i64);
        let (stop, tree, cat, sample) = (&self.stop, &self.tree, &self.category, &self.sample);
        let entries: Vec<(&str, Value)> = vec![
            ("objective", self.objective.name().into()),
            ("num_iterations", int(stop.num_iterations)),
            ("learning_rate", stop.learning_rate.into()),
            ("early_stopping_round", int(stop.early_stopping_round)),
            ("early_stopping_min_delta", stop.early_stopping_min_delta.into()),
            ("metric", stop.metric.as_str().into()),
            ("num_leaves", int(tree.num_leaves)),
            ("max_depth", Value::Int(tree.max_depth)),
            ("min_data_in_leaf", int(tree.min_data_in_leaf)),
            ("min_sum_hessian_in_leaf", tree.min_sum_hessian_in_leaf.into()),
            ("lambda_l1", tree.lambda_l1.into()),
            ("lambda_l2", tree.lambda_l2.into()),
            ("min_gain_to_split", tree.min_gain_to_split.into()),
            ("bagging_fraction", sample.bagging_fraction.into()),
            ("bagging_freq", int(sample.bagging_freq)),
            ("feature_fraction", sample.feature_fraction.into()),
            ("seed", sample.seed.map_or(Value::Null, |s| Value::Int(s as i64))),
            ("min_data_per_group", int(cat.min_data_per_group)),
            ("max_cat_threshold", int(cat.max_cat_threshold)),
            ("cat_l2", cat.cat_l2.into()),
            ("cat_smooth", cat.cat_smooth.into()),
            ("max_cat_to_onehot", int(cat.max_cat_to_onehot)),
            ("max_bin", int(self.bins.max_bin)),
            ("min_data_in_bin", int(self.bins.min_data_in_bin)),
            ("bin_construct_sample_cnt", int(self.bins.sample)),
            ("use_missing", self.bins.use_missing.into()),
            ("zero_as_missing", self.bins.zero_as_missing.into()),
            ("feature_pre_filter", self.bins.feature_pre_filter.into()),
            ("num_class", int(self.objective.num_class)),
            ("is_unbalance", self.objective.is_unbalance.into()),
            ("scale_pos_weight", self.objective.scale_pos_weight.into()),
            ("sigmoid", self.objective.sigmoid.into()),
            ("boost_from_average", self.objective.boost_from_average.into()),
        ];
        entries.into_iter().map(|(k, v)| (k.into(), v)).collect()
    }
}

fn expected(what: &str, got: &Value) -> Error {
    Error::invalid(format!("expected {what}, got {}", got.to_json()))
}

fn text(v: &Value) -> Result<&str> {
    v.as_str().ok_or_else(|| expected("text", v))
}

fn real(v: &Value) -> Result<f64> {
    v.as_f64().filter(|x| x.is_finite()).ok_or_else(|| expected("a number", v))
}

fn whole(v: &Value) -> Result<usize> {
    v.as_i64().and_then(|i| usize::try_from(i).ok()).ok_or_else(|| expected("a whole number from 0", v))
}

fn truth(v: &Value) -> Result<bool> {
    v.as_bool().ok_or_else(|| expected("true or false", v))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<BoostingParams> {
        let v: Value = serde_json::from_str(json).unwrap();
        BoostingParams::from_params(v.as_map().unwrap())
    }

    #[test]
    fn aliases_lose_against_the_main_name() {
        let p = read(r#"{"n_estimators": 5, "num_iterations": 7, "eta": 0.5, "nthread": 3}"#).unwrap();
        assert_eq!((p.stop.num_iterations, p.stop.learning_rate), (7, 0.5));
        let p = read(r#"{"num_boost_round": 1, "max_iter": 2, "num_trees": 3}"#).unwrap();
        assert_eq!(p.stop.num_iterations, 2);
        assert_eq!(BoostingParams::from_params(&p.to_params()).unwrap(), p);
    }

    #[test]
    fn faults_name_the_parameter() {
        let message = |json: &str| read(json).unwrap_err().to_string();
        assert_eq!(
            message(r#"{"num_leafs": 3}"#),
            "num_leafs: unknown parameter\n  hint: did you mean `num_leaf`?"
        );
        assert_eq!(message(r#"{"num_leaves": 1}"#), "num_leaves: expected 2 to 131072");
        assert_eq!(message(r#"{"eta": "x"}"#), "eta: expected a number, got \"x\"");
        assert_eq!(
            message(r#"{"linear_tree": true}"#),
            "linear_tree: is a parameter of LightGBM that is not supported here yet"
        );
        assert_eq!(message(r#"{"boosting": "dart"}"#), "boosting: boosting `dart` is not supported yet");
    }
}

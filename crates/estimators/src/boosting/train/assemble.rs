//! Trees to a model.

use super::Job;
use crate::boosting::data::{BinMapper, Dataset};
use crate::boosting::model::{Booster, Cache, Tree};
use crate::boosting::params::Boosting;
use lyceum_core::Value;

impl Job<'_> {
    /// The model of some trees; those of the model gone on from come first.
    pub(super) fn assemble(&self, own: &Dataset, trees: Vec<Tree>) -> Booster {
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_json().to_string(), str::to_string);
        let mut parameters: Vec<(String, String)> =
            self.params.to_params().iter().map(|(k, v)| (k.to_string(), text(v))).collect();
        let category = self.features.levels.iter().enumerate().filter(|(_, l)| l.is_some());
        let category: Vec<String> = category.map(|(i, _)| i.to_string()).collect();
        parameters.push(("categorical_feature".into(), category.join(",")));
        let mut all = self.from.map(|m| m.trees.clone()).unwrap_or_default();
        all.extend(trees);
        Booster {
            per_iteration: self.params.objective.trees(),
            transform: self.params.objective.transform(),
            infos: own.layout.infos.iter().map(info).collect(),
            features: self.features.clone(),
            trees: all,
            objective: self.params.objective.to_line(),
            average_output: self.params.boosting == Boosting::Rf,
            parameters,
            compiled: Cache::default(),
        }
    }
}

/// A feature's entry in `feature_infos`.
fn info(mapper: &Option<BinMapper>) -> String {
    match mapper {
        None => "none".into(),
        Some(BinMapper::Number { range: (low, high), .. }) => format!("[{low:?}:{high:?}]"),
        Some(BinMapper::Category { categories }) => std::iter::once("-1".to_string())
            .chain(categories.iter().map(u32::to_string))
            .collect::<Vec<_>>()
            .join(":"),
    }
}

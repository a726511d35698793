//! A model as JSON, with the keys of LightGBM's `dump_model`.
#![allow(clippy::indexing_slicing, reason = "nodes and leaves are numbered by the tree")]

use super::booster::Booster;
use super::tree::{CATEGORICAL, DEFAULT_LEFT, Tree, missing_of};
use crate::boosting::data::MissingKind;
use serde_json::{Value as Json, json};

impl Booster {
    /// The model as JSON.
    pub fn dump(&self) -> Json {
        let k = self.per_iteration;
        let trees: Vec<Json> = self
            .trees
            .iter()
            .enumerate()
            .map(|(i, t)| {
                let root = if t.split_feature.is_empty() { -1 } else { 0 };
                let sets = t.cat_boundaries.len().saturating_sub(1);
                json!({
                    "tree_index": i, "num_leaves": t.leaves(), "num_cat": sets, "shrinkage": t.shrinkage,
                    "tree_structure": node(t, root),
                })
            })
            .collect();
        let names: Vec<&str> = self.features.names.iter().map(|n| &**n).collect();
        let infos: serde_json::Map<String, Json> =
            names.iter().zip(&self.infos).map(|(n, i)| (n.to_string(), info(i))).collect();
        let importance: serde_json::Map<String, Json> = names
            .iter()
            .zip(self.split_counts())
            .filter(|(_, (n, _))| *n > 0)
            .map(|(name, (n, _))| (name.to_string(), n.into()))
            .collect();
        let levels: Vec<Vec<&str>> =
            self.features.levels.iter().flatten().map(|l| l.iter().map(|s| &**s).collect()).collect();
        json!({
            "name": "tree", "version": "v4", "num_class": k, "num_tree_per_iteration": k, "label_index": 0,
            "max_feature_idx": self.features.len().saturating_sub(1), "objective": self.objective,
            "average_output": self.average_output, "feature_names": names, "monotone_constraints": [],
            "feature_infos": infos, "tree_info": trees, "feature_importances": importance,
            "pandas_categorical": levels,
        })
    }
}

fn info(text: &str) -> Json {
    let empty = json!({ "min_value": 0, "max_value": 0, "values": [] });
    if let Some((low, high)) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')?.split_once(':')) {
        let number = |t: &str| t.parse::<f64>().map_or(Json::Null, Json::from);
        return json!({ "min_value": number(low), "max_value": number(high), "values": [] });
    }
    let values: Vec<i64> = text.split(':').filter_map(|v| v.parse().ok()).collect();
    match (values.iter().min(), values.iter().max()) {
        (Some(low), Some(high)) => json!({ "min_value": low, "max_value": high, "values": values }),
        _ => empty,
    }
}

fn node(t: &Tree, at: i32) -> Json {
    let Ok(n) = usize::try_from(at) else {
        let leaf = (!at) as usize;
        let mut out = json!({
            "leaf_index": leaf, "leaf_value": t.leaf_value[leaf],
            "leaf_weight": t.leaf_weight.get(leaf), "leaf_count": t.leaf_count.get(leaf),
        });
        if let (Some(m), Some(out)) = (t.linear.get(leaf), out.as_object_mut()) {
            out.insert("leaf_const".into(), m.constant.into());
            out.insert("leaf_features".into(), json!(m.features));
            out.insert("leaf_coeff".into(), json!(m.coefficients));
        }
        return out;
    };
    let decision = t.decision_type[n];
    let category = decision & CATEGORICAL != 0;
    let threshold = if category {
        let set: Vec<String> = t.set(t.threshold[n] as usize).map(|c| c.to_string()).collect();
        Json::from(set.join("||"))
    } else {
        Json::from(t.threshold[n])
    };
    let missing = match missing_of(decision) {
        MissingKind::None => "None",
        MissingKind::Zero => "Zero",
        MissingKind::Nan => "NaN",
    };
    json!({
        "split_index": n, "split_feature": t.split_feature[n], "split_gain": t.split_gain.get(n),
        "threshold": threshold, "decision_type": if category { "==" } else { "<=" },
        "default_left": decision & DEFAULT_LEFT != 0, "missing_type": missing,
        "internal_value": t.internal_value.get(n), "internal_weight": t.internal_weight.get(n),
        "internal_count": t.internal_count.get(n),
        "left_child": node(t, t.left_child[n]), "right_child": node(t, t.right_child[n]),
    })
}

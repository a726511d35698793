//! One tree of a boosted model, as it is drawn.

use lyceum_estimators::boosting::Booster;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A tree and where it stands in its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DrawnTree {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// Trees of the model.
    pub(crate) of: usize,
    /// The class whose score it adds to, of a category.
    pub(crate) class: Option<String>,
    /// Its root.
    pub(crate) root: Node,
}

/// A node of a drawn tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Node {
    /// Rows are divided.
    #[serde(rename = "split")]
    Split {
        /// What rows on the left satisfy.
        rule: String,
        /// Where rows without a value go: left, right, or (absent) wherever 0 goes.
        missing_left: Option<bool>,
        /// What the split gains of the loss.
        gain: f64,
        /// Training rows.
        count: usize,
        /// Left and right child.
        children: Box<[Node; 2]>,
    },
    /// Rows get a number.
    #[serde(rename = "leaf")]
    Leaf {
        /// What it adds to the raw score.
        value: f64,
        /// Training rows.
        count: usize,
    },
}

/// Most values of a category that a rule names.
const NAMED: usize = 4;

/// A tree by its number; nothing when there are not so many.
pub(crate) fn drawn_tree(booster: &Booster, index: usize, classes: Vec<String>) -> Option<DrawnTree> {
    let tree = booster.trees.get(index)?.clone();
    let mut alone = booster.clone();
    let class = classes.get(index % alone.per_iteration.max(1)).filter(|_| alone.per_iteration > 1).cloned();
    let of = std::mem::replace(&mut alone.trees, vec![tree]).len();
    let dump = alone.dump();
    let root = node(booster, dump.pointer("/tree_info/0/tree_structure")?)?;
    Some(DrawnTree { index, of, class, root })
}

fn node(booster: &Booster, json: &Json) -> Option<Node> {
    let count = |key: &str| json.get(key).and_then(Json::as_u64).unwrap_or(0) as usize;
    let Some(feature) = json.get("split_feature").and_then(Json::as_u64) else {
        return Some(Node::Leaf { value: json.get("leaf_value")?.as_f64()?, count: count("leaf_count") });
    };
    let feature = feature as usize;
    let name = booster.features.names.get(feature)?;
    let rule = match json.get("threshold")? {
        Json::String(set) => {
            let levels = booster.features.levels.get(feature).and_then(Option::as_deref);
            let named = |code: &str| {
                let level = code.parse().ok().and_then(|c: usize| levels?.get(c));
                level.map_or_else(|| code.to_string(), |l| l.to_string())
            };
            let all: Vec<String> = set.split("||").map(named).collect();
            let more =
                if all.len() > NAMED { format!(" + {} more", all.len() - NAMED) } else { String::new() };
            let shown: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
            format!("{name} in {}{more}", shown.join(", "))
        }
        // Trees keep bounds that only 0 satisfies as the smallest numbers that are not 0.
        number => {
            let bound = number.as_f64().filter(|x| x.abs() > 1e-30).unwrap_or(0.0);
            format!("{name} ≤ {}", crate::report::short(bound))
        }
    };
    let is_category = json.get("threshold")?.is_string();
    let missing_left = match json.get("missing_type").and_then(Json::as_str) {
        _ if is_category => Some(false),
        Some("NaN" | "Zero") => json.get("default_left").and_then(Json::as_bool),
        _ => None,
    };
    Some(Node::Split {
        rule,
        missing_left,
        gain: json.get("split_gain").and_then(Json::as_f64).unwrap_or(0.0),
        count: count("internal_count"),
        children: Box::new([
            node(booster, json.get("left_child")?)?,
            node(booster, json.get("right_child")?)?,
        ]),
    })
}

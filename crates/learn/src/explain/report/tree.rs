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
    /// Rows are divided, but that is left out.
    #[serde(rename = "more")]
    More {
        /// Training rows.
        count: usize,
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

/// Most nodes at the right end; of a larger tree the upper levels are kept, as many as have no more.
const ENDS: usize = 31;

impl Node {
    /// Ends of the tree when nodes below a depth are left out.
    fn ends(&self, depth: usize) -> usize {
        match self {
            Self::Split { children, .. } if depth > 0 => children.iter().map(|c| c.ends(depth - 1)).sum(),
            _ => 1,
        }
    }

    /// Levels below the root.
    pub(crate) fn levels(&self) -> usize {
        match self {
            Self::Split { children, .. } => 1 + children.iter().map(Self::levels).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether something of it is left out.
    pub(crate) fn is_cut(&self) -> bool {
        match self {
            Self::Split { children, .. } => children.iter().any(Self::is_cut),
            Self::More { .. } => true,
            Self::Leaf { .. } => false,
        }
    }

    /// The upper levels, the most that fit.
    fn fitting(self) -> Self {
        let deepest = (1..=self.levels()).rev().find(|d| self.ends(*d) <= ENDS).unwrap_or(1);
        self.upper(deepest)
    }

    fn upper(self, depth: usize) -> Self {
        match self {
            Self::Split { count, .. } if depth == 0 => Self::More { count },
            Self::Split { rule, missing_left, gain, count, children } => {
                let children = Box::new(children.map(|c| c.upper(depth - 1)));
                Self::Split { rule, missing_left, gain, count, children }
            }
            end => end,
        }
    }
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
    let root = node(booster, dump.pointer("/tree_info/0/tree_structure")?)?.fitting();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(leaves: usize) -> Node {
        let leaf = Node::Leaf { value: 1.0, count: 3 };
        if leaves == 1 {
            return leaf;
        }
        let children = Box::new([chain(leaves - 1), leaf]);
        Node::Split { rule: "a ≤ 1".into(), missing_left: None, gain: 1.5, count: 3 * leaves, children }
    }

    #[test]
    fn a_large_tree_is_cut_and_can_be_read_back() {
        assert_eq!(chain(31).fitting(), chain(31));
        assert_eq!(chain(1).fitting(), chain(1));
        let upper = chain(400).fitting();
        assert!(upper.is_cut() && !chain(31).is_cut());
        assert_eq!((upper.ends(usize::MAX), upper.levels()), (31, 30));
        let tree = DrawnTree { index: 0, of: 1, class: None, root: upper };
        // As deep as it lies in the file of a report.
        let json = serde_json::json!({ "outputs": [{ "explained": { "trees": [tree] } }] }).to_string();
        let back: Json = serde_json::from_str(&json).unwrap();
        let back: DrawnTree =
            serde_json::from_value(back["outputs"][0]["explained"]["trees"][0].clone()).unwrap();
        assert_eq!(back, tree);
    }
}

//! The files that say what bins and trees must have, in LightGBM's form: splits as nested objects of `feature`,
//! `threshold`, `left` and `right`; bins as a list of objects of `feature` and `bin_upper_bound`.
//!
//! A feature is a column's number, from 0, or its name; the threshold of a category is its code or its value.

use super::{BoostingParams, ForcedFiles};
use crate::boosting::BinRule;
use crate::features::Features;
use lyceum_core::{Error, Result};
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::path::Path;

/// A split that every tree has, with those below it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::boosting) struct ForcedSplit {
    /// The column of the data.
    pub(in crate::boosting) column: usize,
    /// The number up to which rows go left, or the code of the category that does.
    pub(in crate::boosting) threshold: f64,
    pub(in crate::boosting) left: Option<Box<ForcedSplit>>,
    pub(in crate::boosting) right: Option<Box<ForcedSplit>>,
}

impl ForcedSplit {
    /// Splits in all, and levels.
    fn size(&self) -> (usize, usize) {
        let size = |child: &Option<Box<Self>>| child.as_ref().map_or((0, 0), |c| c.size());
        let (left, right) = (size(&self.left), size(&self.right));
        (1 + left.0 + right.0, 1 + left.1.max(right.1))
    }
}

impl BoostingParams {
    /// Fails on a file of forced splits or bins that cannot be read or is no JSON. What it says is looked at when the
    /// columns are known.
    ///
    /// # Errors
    /// The first such file, with the name of the parameter.
    pub fn check_files(&self) -> Result<()> {
        let ForcedFiles { splits, bins } = &self.forced;
        let one =
            |(file, key): &(&String, &str)| if file.is_empty() { Ok(()) } else { json(file, key).map(drop) };
        [(splits, "forcedsplits_filename"), (bins, "forcedbins_filename")].iter().try_for_each(one)
    }

    /// How the values of these columns become bins, with the bounds that a file forces.
    ///
    /// # Errors
    /// A list of another length, a file that cannot be read or asks for what is not there.
    pub(in crate::boosting) fn rule(&self, features: &Features) -> Result<Cow<'_, BinRule>> {
        let (given, width) = (self.bins.max_bin_by_feature.len(), features.len());
        if given != 0 && given != width {
            let message = format!("has {given} numbers for {width} columns");
            return Err(Error::invalid(message).at_key("max_bin_by_feature"));
        }
        let file = &self.forced.bins;
        if file.is_empty() {
            return Ok(Cow::Borrowed(&self.bins));
        }
        let json = json(file, "forcedbins_filename")?;
        let forced_bounds = bounds(&json, features).map_err(|e| e.in_file(file))?;
        Ok(Cow::Owned(BinRule { forced_bounds, ..self.bins.clone() }))
    }

    /// The splits that every tree begins with.
    ///
    /// # Errors
    /// A file that cannot be read, asks for a column that is not there or for more leaves or levels than a tree has.
    pub(in crate::boosting) fn forced_splits(&self, features: &Features) -> Result<Option<ForcedSplit>> {
        let file = &self.forced.splits;
        if file.is_empty() {
            return Ok(None);
        }
        let json = json(file, "forcedsplits_filename")?;
        let read = || {
            let fault = || Error::invalid("expected a split: {\"feature\": …, \"threshold\": …}");
            let root = split(&json, features, "the first split")?.ok_or_else(fault)?;
            let ((splits, levels), tree) = (root.size(), &self.tree);
            if splits + 1 > tree.num_leaves {
                let message = format!("forces {} leaves, num_leaves is {}", splits + 1, tree.num_leaves);
                return Err(Error::invalid(message));
            }
            if tree.max_depth > 0 && levels as i64 > tree.max_depth {
                let message = format!("forces {levels} levels, max_depth is {}", tree.max_depth);
                return Err(Error::invalid(message));
            }
            Ok(root)
        };
        read().map(Some).map_err(|e| e.in_file(file))
    }
}

fn json(file: &str, key: &str) -> Result<Json> {
    let path = Path::new(file);
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e).at_key(key))?;
    serde_json::from_str(&text).map_err(|e| {
        let message = format!("is not JSON: {e}");
        Error::invalid(message).in_file(path).at_key(key)
    })
}

/// A split and those below it; `place` says where it is. Nothing, or an object without both keys, is no split.
fn split(json: &Json, features: &Features, place: &str) -> Result<Option<ForcedSplit>> {
    let Json::Object(object) = json else {
        return match json {
            Json::Null => Ok(None),
            _ => Err(Error::invalid(format!("expected an object, got {json}")).at_key(place)),
        };
    };
    let known = ["feature", "threshold", "left", "right"];
    if let Some(key) = object.keys().find(|k| !known.contains(&k.as_str())) {
        let message = format!("`{key}` is not part of a split");
        return Err(Error::invalid(message).at_key(place).did_you_mean(key, known));
    }
    let (feature, threshold) = match (object.get("feature"), object.get("threshold")) {
        (Some(feature), Some(threshold)) => (feature, threshold),
        (None, None) if !object.contains_key("left") && !object.contains_key("right") => return Ok(None),
        (None, _) => return Err(Error::invalid("a split needs its `feature`").at_key(place)),
        (_, None) => return Err(Error::invalid("a split needs its `threshold`").at_key(place)),
    };
    let column = column(feature, features).map_err(|e| e.at_key(place))?;
    let threshold = value(threshold, column, features).map_err(|e| e.at_key(place))?;
    let child = |key: &str| {
        let place = if place == "the first split" { key.to_string() } else { format!("{place}.{key}") };
        object.get(key).map_or(Ok(None), |c| split(c, features, &place)).map(|c| c.map(Box::new))
    };
    Ok(Some(ForcedSplit { column, threshold, left: child("left")?, right: child("right")? }))
}

/// A column by its number or name.
fn column(json: &Json, features: &Features) -> Result<usize> {
    let names = || features.names.iter().map(|n| &**n);
    match json {
        Json::String(name) => names().position(|n| n == name).ok_or_else(|| {
            Error::invalid(format!("there is no column `{name}`")).did_you_mean(name, names())
        }),
        _ => match json.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) if n < features.len() => Ok(n),
            Some(n) => {
                let last = features.len().saturating_sub(1);
                Err(Error::invalid(format!("names column {n}; the last one is {last}")))
            }
            None => Err(Error::invalid(format!("expected a column's number or name, got {json}"))),
        },
    }
}

/// A threshold: a number, or the code of a category's value.
fn value(json: &Json, column: usize, features: &Features) -> Result<f64> {
    let levels = features.levels.get(column).and_then(Option::as_ref);
    match (json, levels) {
        (Json::String(value), Some(levels)) => {
            let at = levels.iter().position(|l| **l == **value);
            let e = || Error::invalid(format!("the column has no value `{value}`"));
            at.map(|at| at as f64).ok_or_else(|| e().did_you_mean(value, levels.iter().map(|l| &**l)))
        }
        _ => match json.as_f64().filter(|x| x.is_finite()) {
            Some(x) if levels.is_none() || (x >= 0.0 && x.fract() == 0.0) => Ok(x),
            Some(x) => Err(Error::invalid(format!("expected a category's code from 0, got {x}"))),
            None => Err(Error::invalid(format!("expected a number as threshold, got {json}"))),
        },
    }
}

/// The bounds of each column.
fn bounds(json: &Json, features: &Features) -> Result<Vec<Vec<f64>>> {
    let form = "expected a list of {\"feature\": …, \"bin_upper_bound\": […]}";
    let entries = json.as_array().ok_or_else(|| Error::invalid(form))?;
    let mut out: Vec<Option<Vec<f64>>> = vec![None; features.len()];
    for (i, entry) in entries.iter().enumerate() {
        let place = format!("entry {}", i + 1);
        let own = |e: Error| e.at_key(&*place);
        let get = |object: &Map<String, Json>, key: &str| object.get(key).cloned();
        let pair = entry.as_object().and_then(|o| get(o, "feature").zip(get(o, "bin_upper_bound")));
        let (feature, list) = pair.ok_or_else(|| own(Error::invalid(form)))?;
        let column = column(&feature, features).map_err(own)?;
        if features.levels.get(column).is_some_and(Option::is_some) {
            let name = features.names.get(column).map_or("", |n| n);
            return Err(own(Error::invalid(format!(
                "column `{name}` is a category, its bins have no bounds"
            ))));
        }
        let numbers = list.as_array().and_then(|l| l.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>());
        let mut numbers =
            numbers.ok_or_else(|| own(Error::invalid(format!("expected numbers, got {list}"))))?;
        numbers.dedup();
        match out.get_mut(column) {
            Some(slot) if slot.is_none() => *slot = Some(numbers),
            _ => return Err(own(Error::invalid("the column has bounds already"))),
        }
    }
    Ok(out.into_iter().map(Option::unwrap_or_default).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn features() -> Features {
        let levels = ["red", "green"].map(Into::into).to_vec();
        Features { names: ["age", "hue"].map(Into::into).to_vec(), levels: vec![None, Some(levels.into())] }
    }

    fn params(json: &str) -> (tempfile::TempDir, BoostingParams) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("forced.json");
        std::fs::write(&file, json).unwrap();
        let file = file.display().to_string();
        let forced = ForcedFiles { splits: file.clone(), bins: file };
        (dir, BoostingParams { forced, ..BoostingParams::default() })
    }

    #[test]
    fn splits_by_number_and_by_name() {
        let (_dir, p) = params(
            r#"{"feature": 0, "threshold": 2.5, "left": {}, "right": {"feature": "hue", "threshold": "green", "left": null}}"#,
        );
        let root = p.forced_splits(&features()).unwrap().unwrap();
        let right = ForcedSplit { column: 1, threshold: 1.0, left: None, right: None };
        assert_eq!(root, ForcedSplit { column: 0, threshold: 2.5, left: None, right: Some(Box::new(right)) });
        assert_eq!(root.size(), (2, 2));
    }

    #[test]
    fn faults_say_where() {
        let fault = |json: &str| {
            let (_dir, p) = params(json);
            let text = p.forced_splits(&features()).unwrap_err().to_string();
            text.split("forced.json: ").last().unwrap().to_string()
        };
        assert!(fault("{").contains("is not JSON"));
        assert_eq!(fault("{}"), "expected a split: {\"feature\": …, \"threshold\": …}");
        assert!(fault(r#"{"feature": 7, "threshold": 1}"#).contains("names column 7; the last one is 1"));
        let nested = fault(r#"{"feature": 0, "threshold": 1, "right": {"feature": "aeg", "threshold": 1}}"#);
        assert!(nested.contains("right: there is no column `aeg`") && nested.contains("`age`"), "{nested}");
        assert!(fault(r#"{"feature": 0}"#).contains("needs its `threshold`"));
        assert!(fault(r#"{"feature": 0, "threshold": 1, "lefd": {}}"#).contains("did you mean `left`"));
        assert!(fault(r#"{"feature": 1, "threshold": 0.5}"#).contains("a category's code"));
    }

    #[test]
    fn a_tree_has_room_for_all_splits() {
        let (_dir, mut p) =
            params(r#"{"feature": 0, "threshold": 1, "left": {"feature": 0, "threshold": 0}}"#);
        p.tree.num_leaves = 2;
        let e = p.forced_splits(&features()).unwrap_err().to_string();
        assert!(e.contains("forces 3 leaves, num_leaves is 2"), "{e}");
        (p.tree.num_leaves, p.tree.max_depth) = (8, 1);
        let e = p.forced_splits(&features()).unwrap_err().to_string();
        assert!(e.contains("forces 2 levels, max_depth is 1"), "{e}");
    }

    #[test]
    fn bounds_of_columns() {
        let (_dir, p) = params(r#"[{"feature": "age", "bin_upper_bound": [1, 1, 4.5]}]"#);
        assert_eq!(p.rule(&features()).unwrap().forced_bounds, [vec![1.0, 4.5], vec![]]);
        let (_dir, p) = params(r#"[{"feature": 1, "bin_upper_bound": [1]}]"#);
        assert!(p.rule(&features()).unwrap_err().to_string().contains("`hue` is a category"));
        let (_dir, p) = params(r#"[{"feature": 0, "bin_upper_bound": ["a"]}]"#);
        assert!(p.rule(&features()).unwrap_err().to_string().contains("entry 1: expected numbers"));
        let mut p = BoostingParams::default();
        p.bins.max_bin_by_feature = vec![3];
        assert!(p.rule(&features()).unwrap_err().to_string().contains("has 1 numbers for 2 columns"));
    }
}

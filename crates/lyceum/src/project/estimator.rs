//! An item of `learn` with the key `estimator`: what `lyceum fit` would be told, read and checked where it stands.

use super::file::{LearnItem, LearnKind, TableModel};
use crate::cmd::fit::{Fit, Rows};
use lyceum_core::{Error, Params, Result, Value};
use lyceum_data::yaml::{Node, Section};
use lyceum_estimators::registry;
use std::sync::Arc;

/// The key that says so.
pub(super) const KEY: &str = "estimator";

const KEYS: [&str; 11] = [
    "data",
    KEY,
    "target",
    "params",
    "test_fraction",
    "cv",
    "group",
    "time",
    "calibrate",
    "threshold",
    "seed",
];

/// Reads and checks an item.
pub(super) fn item(name: &str, node: &Node) -> Result<LearnItem> {
    let s = Section::new(node, &format!("learn.{name}"), &KEYS)?;
    let data = s.need_text("data")?;
    let at = |key: &str, e: Error| {
        let node = s.get(key).unwrap_or(node);
        let inner = e.at().key.clone().filter(|inner| key == "params" && inner != "params");
        let key = inner.map_or_else(|| s.key(key), |inner| s.key(&format!("params.{inner}")));
        e.on_line_column(node.line, node.column).at_key(key)
    };
    let entry = registry::entry(&s.need_text(KEY)?).map_err(|e| at(KEY, e))?;
    let params: Params = s
        .entries("params")?
        .iter()
        .map(|e| (e.key.as_str().into(), Value::from_json(e.node.to_json())))
        .collect();
    entry.make(&params).map_err(|e| at("params", e))?;
    let share = s.number("test_fraction")?;
    let cv = s.count_from("cv", 2)?.map(|n| n as usize);
    let fit = Fit {
        of: Rows {
            estimator: entry.name.into(),
            data: data.clone().into(),
            target: s.need_text("target")?,
            params: params.iter().map(|(k, v)| format!("{k}={}", v.to_json())).collect(),
            group: s.text("group")?,
            time: s.text("time")?,
            seed: s.count_from("seed", 0)?.unwrap_or(42),
        },
        test_fraction: share.unwrap_or(0.2),
        cv,
        calibrate: s.text("calibrate")?,
        threshold: s.text("threshold")?,
        output: None,
    };
    let alone = |a: &str, b: &str| {
        let both = s.get(a).is_some() && s.get(b).is_some();
        if both { Err(at(b, Error::invalid(format!("does not go with `{a}`")))) } else { Ok(()) }
    };
    alone("cv", "test_fraction")?;
    alone("group", "time")?;
    for key in ["group", "time"] {
        if s.get(key).is_some() && cv.is_none() {
            return Err(at(key, Error::invalid("is for cross-validation").hint("add `cv: 5`")));
        }
    }
    for key in ["test_fraction", "calibrate", "threshold"] {
        fit.check_word(key).map_err(|e| at(key, e))?;
    }
    let kind = LearnKind::Table(TableModel::Estimator(Arc::new(fit)));
    Ok(LearnItem { name: name.into(), data: data.into(), kind, config: node.to_json() })
}

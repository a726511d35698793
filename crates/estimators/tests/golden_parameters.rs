//! Trees that LightGBM grows, split by split, for the parameters that shape bins and splits: bins by column, forced
//! bins and splits, costs of features, monotone constraints. `golden/lightgbm_parameters.py` made them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::floats;
use lyceum_core::{FitContext, Params, Value};
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{Booster, BoostingParams, Examples, Job, Matrix};
use serde_json::Value as Json;

fn golden() -> Json {
    serde_json::from_str(include_str!("golden/lightgbm_parameters.json")).unwrap()
}

fn train(golden: &Json, case: &Json, threads: usize) -> Booster {
    let mut columns: Vec<Vec<f64>> = golden["x"].as_array().unwrap().iter().map(floats).collect();
    if case["filled"] == true {
        columns.iter_mut().flatten().filter(|x| x.is_nan()).for_each(|x| *x = -1.0);
    }
    let mut p: Params = Params::new();
    p.insert("num_iterations".into(), Value::Int(case["trees"].as_array().unwrap().len() as i64));
    for (key, value) in case["params"].as_object().unwrap() {
        p.insert(key.as_str().into(), Value::from_json(value.clone()));
    }
    let dir = tempfile::tempdir().unwrap();
    for (key, name) in [("splits", "forcedsplits_filename"), ("bins", "forcedbins_filename")] {
        if !case[key].is_null() {
            let file = dir.path().join(key);
            std::fs::write(&file, case[key].to_string()).unwrap();
            p.insert(name.into(), file.display().to_string().into());
        }
    }
    let codes: Vec<std::sync::Arc<str>> = (0..6).map(|c| c.to_string().into()).collect();
    let mut levels = vec![None; columns.len()];
    levels[4] = Some(codes.into());
    let job = Job {
        params: BoostingParams::from_params(&p).unwrap(),
        features: Features { names: ["a", "b", "c", "d", "e"].map(Into::into).to_vec(), levels },
        train: Examples::new(
            Matrix::Columns(columns.into_iter().map(Into::into).collect()),
            floats(&golden["y"]),
        ),
        valid: Vec::new(),
        from: None,
        loss: None,
        watch: None,
    };
    job.run(&FitContext { threads, ..FitContext::default() }).unwrap().model
}

/// The lists of each tree in a model's text.
fn trees(model: &Booster) -> Vec<std::collections::HashMap<String, Vec<f64>>> {
    let text = model.to_text();
    let list = |line: &str| -> Option<(String, Vec<f64>)> {
        let (key, values) = line.split_once('=')?;
        Some((key.into(), values.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?))
    };
    let blocks = text.split("end of trees").next().unwrap().split("Tree=").skip(1);
    blocks.map(|block| block.lines().filter_map(list).collect()).collect()
}

/// Where the trees differ, if they do.
fn difference(model: &Booster, want: &Json, forced: bool) -> Option<String> {
    let (got, want) = (trees(model), want.as_array().unwrap());
    if got.len() != want.len() {
        return Some(format!("{} trees, expected {}", got.len(), want.len()));
    }
    for (t, (tree, want)) in got.iter().zip(want).enumerate() {
        for (key, tolerance) in [
            ("split_feature", 0.0),
            ("threshold", 1e-12),
            ("decision_type", 0.0),
            ("left_child", 0.0),
            ("right_child", 0.0),
            ("leaf_count", 0.0),
            ("cat_threshold", 0.0),
            ("leaf_value", 1e-6),
            ("split_gain", 1e-4),
        ] {
            // A threshold among bins without rows of the leaf, and a side for missing values where none is missing, are
            // matters of the last bit.
            let deep = want["leaf_count"].as_array().unwrap().len() > 31;
            if want[key].is_null() || (deep && matches!(key, "threshold" | "decision_type")) {
                continue;
            }
            let (a, b) = (tree.get(key).cloned().unwrap_or_default(), floats(&want[key]));
            let far = |(a, b): (&f64, &f64)| (a - b).abs() > tolerance * (1.0 + b.abs());
            // The peer judges a forced first split by the last output of the tree before.
            let skipped = usize::from(key == "split_gain" && forced);
            let at = a.iter().zip(&b).skip(skipped).position(far).map(|at| at + skipped);
            if at.is_some() || a.len() != b.len() {
                let near = |v: &[f64]| {
                    v.iter().skip(at.unwrap_or(0).saturating_sub(3)).take(6).copied().collect::<Vec<_>>()
                };
                return Some(format!("tree {t}: {key} {at:?}: {:?} for {:?}", near(&a), near(&b)));
            }
        }
    }
    None
}

#[test]
fn trees_are_the_reference_s() {
    let golden = golden();
    let mut faults = Vec::new();
    for (name, case) in golden["cases"].as_object().unwrap() {
        let forced = !case["splits"].is_null();
        let found = difference(&train(&golden, case, 2), &case["trees"], forced);
        faults.extend(found.map(|d| format!("{name}: {d}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

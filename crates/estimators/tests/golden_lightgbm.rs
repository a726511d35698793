//! Models made by LightGBM predict here what they predict there, and values have the bins that they have there
//! (shared/golden/lightgbm).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{floats, json, numbers, shared};
use lyceum_core::{Column, Table};
use lyceum_estimators::boosting::{BinMapper, BinRule, Booster};
use serde_json::Value as Json;

const CASES: &[&str] = &[
    "binary",
    "binary_sigmoid2_unbalance",
    "categorical",
    "custom_objective",
    "dart",
    "goss_monotone",
    "lambdarank",
    "missing_none",
    "missing_zero",
    "multiclass",
    "multiclassova",
    "obj_cross_entropy",
    "obj_cross_entropy_lambda",
    "obj_fair",
    "obj_gamma",
    "obj_huber",
    "obj_mape",
    "obj_poisson",
    "obj_quantile",
    "obj_regression_l1",
    "obj_tweedie",
    "rank_xendcg",
    "regression_l2",
    "regression_sqrt",
    "rf",
    "rf_regression",
    "stump_constant",
];

/// Per-row lists or plain numbers, flattened.
fn flat(j: &Json) -> Vec<f64> {
    let rows = j.as_array().unwrap();
    if rows.iter().all(Json::is_array) { rows.iter().flat_map(floats).collect() } else { floats(j) }
}

fn raw(model: &Booster, rows: &[Vec<f64>], iterations: std::ops::Range<usize>) -> Vec<f64> {
    let mut out = vec![0.0; model.per_iteration];
    rows.iter()
        .flat_map(|row| {
            model.raw(row, iterations.clone(), &mut out);
            out.clone()
        })
        .collect()
}

#[test]
fn models_of_others_predict_the_same() {
    for case in CASES {
        let Some(rows) = numbers(&format!("golden/lightgbm/{case}.csv"), true) else { return };
        let golden = json(&format!("golden/lightgbm/{case}.json")).unwrap();
        let model = Booster::read(shared(&format!("golden/lightgbm/{case}.model.txt")).unwrap()).unwrap();
        let all = 0..model.iterations();
        assert_eq!(raw(&model, &rows, all.clone()), flat(&golden["raw"]), "{case}: raw");
        assert_eq!(
            raw(&model, &rows[..rows.len().min(10)], 0..3),
            flat(&golden["raw_first3"]),
            "{case}: first three"
        );
        assert_eq!(
            raw(&model, &rows[..rows.len().min(10)], 2..5),
            flat(&golden["raw_2to5"]),
            "{case}: two to five"
        );
        let leaves = golden["leaf"].as_array().unwrap();
        for (row, want) in rows.iter().zip(leaves) {
            let got: Vec<f64> = model.trees.iter().map(|t| t.leaf(row) as f64).collect();
            assert_eq!(got, floats(want), "{case}: leaves");
        }
        predictions(case, &model, &rows, &flat(&golden["predict"]));
        importance(case, &model, &golden);
        let again = Booster::parse(&model.to_text()).unwrap();
        assert_eq!(raw(&again, &rows, all), flat(&golden["raw"]), "{case}: written and read again");
    }
}

fn predictions(case: &str, model: &Booster, rows: &[Vec<f64>], want: &[f64]) {
    let columns = (0..rows[0].len()).map(|i| Column::Number(rows.iter().map(|r| r[i]).collect()));
    let table = Table::new(model.features.names.iter().cloned().zip(columns)).unwrap();
    let got = model.transformed(&table).unwrap();
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 4e-15 * want.abs(), "{case}: {got} for {want}");
    }
}

fn importance(case: &str, model: &Booster, golden: &Json) {
    let (splits, gains): (Vec<f64>, Vec<f64>) =
        model.split_counts().into_iter().map(|(n, g)| (n as f64, g)).unzip();
    assert_eq!(splits, floats(&golden["importance_split"]), "{case}");
    for (got, want) in gains.iter().zip(floats(&golden["importance_gain"])) {
        assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{case}: gain {got} for {want}");
    }
}

#[test]
fn linear_trees_are_refused() {
    let Some(file) = shared("golden/lightgbm/linear_tree.model.txt") else { return };
    let e = Booster::read(file).unwrap_err().to_string();
    assert!(
        e.ends_with("tree 0: linear trees are not supported yet")
            || e.contains("linear trees are not supported"),
        "{e}"
    );
}

#[test]
fn a_cut_file_is_an_error_at_any_place() {
    let Some(file) = shared("golden/lightgbm/categorical.model.txt") else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let end = text.find("end of trees").unwrap();
    for at in (0..end).step_by(97) {
        assert!(Booster::parse(&text[..at]).is_err(), "cut at {at}");
    }
    assert!(Booster::parse(&text.replacen("left_child=1", "left_child=0", 1)).is_err());
}

#[test]
fn bins_are_the_reference_s() {
    let Some(golden) = json("golden/lightgbm/binning.json") else { return };
    let Some(rows) = numbers("data/lightgbm/binary/binary.train", false) else { return };
    let column = |i: usize| -> Vec<f64> { rows.iter().map(|r| r[i]).collect() };
    for (case, feature) in [("normal_255", 2), ("many_zero_255", 9), ("normal_15", 2)] {
        let want = &golden[case];
        let rule = BinRule { max_bin: want["max_bin"].as_u64().unwrap() as usize, ..BinRule::default() };
        let found = [feature, 1, 8].iter().any(|f| {
            let mapper = BinMapper::numbers(&column(*f), &rule);
            let BinMapper::Number { bounds, .. } = &mapper else { return false };
            let seen = floats(&want["thresholds_seen"]);
            mapper.bins() as u64 == want["num_bin"].as_u64().unwrap()
                && seen.iter().all(|t| bounds.contains(t))
        });
        assert!(found, "{case}");
    }
}

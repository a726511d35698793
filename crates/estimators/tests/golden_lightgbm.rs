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
use lyceum_core::Model;
use lyceum_core::{Column, Table};
use lyceum_estimators::boosting::{BinMapper, BinRule, Booster, EarlyStop, Matrix, Predict};
use serde_json::Value as Json;

const CASES: &[&str] = &[
    "binary",
    "binary_sigmoid2_unbalance",
    "categorical",
    "custom_objective",
    "dart",
    "goss_monotone",
    "lambdarank",
    "linear_tree",
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
        if !golden["raw_2to5"].is_null() {
            let some = raw(&model, &rows[..rows.len().min(10)], 2..5);
            assert_eq!(some, flat(&golden["raw_2to5"]), "{case}: two to five");
        }
        let leaves = golden["leaf"].as_array().unwrap();
        for (row, want) in rows.iter().zip(leaves) {
            let got: Vec<f64> = model.trees.iter().map(|t| t.leaf(row) as f64).collect();
            assert_eq!(got, floats(want), "{case}: leaves");
        }
        predictions(case, &model, &rows, &flat(&golden["predict"]));
        if !golden["importance_split"].is_null() {
            importance(case, &model, &golden);
        }
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

/// Every layout and every kind of matrix gives the bits of the reference.
#[test]
fn many_rows_at_once_give_the_same_bits() {
    for case in CASES {
        let Some(rows) = numbers(&format!("golden/lightgbm/{case}.csv"), true) else { return };
        let golden = json(&format!("golden/lightgbm/{case}.json")).unwrap();
        let model = Booster::read(shared(&format!("golden/lightgbm/{case}.model.txt")).unwrap()).unwrap();
        let width = rows[0].len();
        let flat_rows: Vec<f64> = rows.concat();
        let columns: Vec<Vec<f64>> = (0..width).map(|c| rows.iter().map(|r| r[c]).collect()).collect();
        let single: Vec<f32> = flat_rows.iter().map(|x| *x as f32).collect();
        let back: Vec<f64> = single.iter().map(|x| f64::from(*x)).collect();
        let how = Predict::of(&model);
        let wide = Matrix::Rows64 { values: &flat_rows, width };
        assert_eq!(model.raw_rows(&wide, &how).unwrap(), flat(&golden["raw"]), "{case}");
        let by_column = Matrix::Columns(columns.iter().map(|c| c.as_slice().into()).collect());
        assert_eq!(model.raw_rows(&by_column, &how).unwrap(), flat(&golden["raw"]), "{case}");
        // Single precision against the same numbers widened, tree by tree.
        let narrow = Matrix::Rows32 { values: &single, width };
        let want: Vec<Vec<f64>> = back.chunks_exact(width).map(<[f64]>::to_vec).collect();
        let got = model.raw_rows(&narrow, &Predict { threads: 2, ..how.clone() }).unwrap();
        assert_eq!(got, raw(&model, &want, 0..model.iterations()), "{case}: single precision");
        let leaves = golden["leaf"].as_array().unwrap();
        let got = model.leaf_rows(&wide, &how).unwrap();
        for (got, want) in got.chunks_exact(model.trees.len()).zip(leaves) {
            assert_eq!(got.iter().map(|l| f64::from(*l)).collect::<Vec<_>>(), floats(want), "{case}: leaves");
        }
        let mut alone = model.row().unwrap();
        let all = model.predict_rows(&wide, &how).unwrap();
        let mut out = vec![0.0; model.per_iteration];
        for (row, want) in rows.iter().zip(all.chunks_exact(model.per_iteration)) {
            alone.predict(row, &mut out);
            assert_eq!(out, want, "{case}: one row");
        }
    }
}

#[test]
fn contributions_are_the_reference_s() {
    for case in CASES {
        let Some(rows) = numbers(&format!("golden/lightgbm/{case}.csv"), true) else { return };
        let golden = json(&format!("golden/lightgbm/{case}.json")).unwrap();
        let model = Booster::read(shared(&format!("golden/lightgbm/{case}.model.txt")).unwrap()).unwrap();
        let flat_rows: Vec<f64> = rows.concat();
        let x = Matrix::Rows64 { values: &flat_rows, width: rows[0].len() };
        let how = Predict::of(&model);
        if golden["contrib"].is_null() {
            assert!(model.trees.iter().any(|t| t.is_linear()), "{case}");
            assert!(model.contribution_rows(&x, &how).is_err());
            continue;
        }
        let got = model.contribution_rows(&x, &how).unwrap();
        let want = flat(&golden["contrib"]);
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{case} {i}: {got} for {want}");
        }
        let width = model.features.len() + 1;
        let raw = model.raw_rows(&x, &how).unwrap();
        for (shares, raw) in got.chunks_exact(width).zip(raw) {
            assert!((shares.iter().sum::<f64>() - raw).abs() < 1e-9 * raw.abs().max(1.0), "{case}");
        }
    }
}

#[test]
fn rows_may_stop_early() {
    let Some(rows) = numbers("golden/lightgbm/binary.csv", true) else { return };
    let golden = json("golden/lightgbm/binary.json").unwrap();
    let model = Booster::read(shared("golden/lightgbm/binary.model.txt").unwrap()).unwrap();
    let want = floats(&golden["raw_early_stop_freq5_margin1"]);
    let flat_rows: Vec<f64> = rows[..want.len()].concat();
    let x = Matrix::Rows64 { values: &flat_rows, width: rows[0].len() };
    let early = EarlyStop { freq: 5, margin: 1.0 };
    let how = Predict { early_stop: Some(early), ..Predict::of(&model) };
    assert_eq!(model.raw_rows(&x, &how).unwrap(), want);
}

/// The source of a model compiles and says what the model says.
#[test]
fn source_says_the_same() {
    for case in ["binary", "categorical", "missing_zero", "linear_tree", "multiclass"] {
        let Some(rows) = numbers(&format!("golden/lightgbm/{case}.csv"), true) else { return };
        let model = Booster::read(shared(&format!("golden/lightgbm/{case}.model.txt")).unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let rows = &rows[..rows.len().min(40)];
        let cells: Vec<String> = rows
            .iter()
            .map(|r| format!("[{}]", r.iter().map(|x| bits(*x)).collect::<Vec<_>>().join(",")))
            .collect();
        let main = format!(
            "mod model {{ {} }}\nfn main() {{ let rows: [[u64; model::FEATURES]; {}] = [{}];\n\
             for r in rows {{ for x in model::raw(&r.map(f64::from_bits)) {{ println!(\"{{}}\", x.to_bits()); }} }} }}",
            model.to_rust().replace("//!", "//"),
            rows.len(),
            cells.join(",\n")
        );
        let file = dir.path().join("m.rs");
        std::fs::write(&file, main).unwrap();
        let exe = dir.path().join("m");
        let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
        let built =
            std::process::Command::new(rustc).args(["--edition", "2021", "-o"]).arg(&exe).arg(&file).output();
        let Ok(built) = built else {
            println!("SKIPPED: no rustc to compile with");
            return;
        };
        assert!(built.status.success(), "{case}: {}", String::from_utf8_lossy(&built.stderr));
        let out = std::process::Command::new(&exe).output().unwrap();
        let got: Vec<f64> = String::from_utf8(out.stdout)
            .unwrap()
            .lines()
            .map(|l| f64::from_bits(l.parse().unwrap()))
            .collect();
        assert_eq!(got, raw(&model, rows, 0..model.iterations()), "{case}");
    }
}

fn bits(x: f64) -> String {
    format!("{}", x.to_bits())
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

//! Linear models against scikit-learn (shared/golden/classical): coefficients to 1e-6 relative.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{floats, json, numbers};
use lyceum_core::{Column, FitContext, Model, Table, Target, TrainingSet};
use lyceum_estimators::linear::{LeastSquares, LinearModel, Logistic, Ridge};

/// Features centred and divided by the population standard deviation, and the target.
fn standardised(name: &str) -> Option<(Table, Vec<f64>)> {
    let rows = numbers(&format!("golden/classical/{name}.csv"), true)?;
    let width = rows[0].len() - 1;
    let column = |i: usize| {
        let v: Vec<f64> = rows.iter().map(|r| r[i]).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let std = (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
        Column::Number(v.iter().map(|x| (x - mean) / std).collect())
    };
    let table = Table::new((0..width).map(|i| (format!("c{i}"), column(i)))).unwrap();
    Some((table, rows.iter().map(|r| r[width]).collect()))
}

fn fit(e: &dyn lyceum_core::Estimator, x: &Table, y: Target) -> LinearModel {
    let dir = tempfile::tempdir().unwrap();
    let model = e.fit(&TrainingSet::new(x.clone().into(), y).unwrap(), &FitContext::default()).unwrap();
    model.save(dir.path()).unwrap();
    LinearModel::load(dir.path()).unwrap()
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * scale, "{got} for {want}");
    }
}

#[test]
fn least_squares_and_ridge() {
    let (Some(golden), Some((x, y))) = (json("golden/classical/linear.json"), standardised("diabetes"))
    else {
        return;
    };
    let model = fit(&LeastSquares, &x, Target::Regression(y.clone()));
    close(&model.coef, &floats(&golden["ols"]["coef"]), 1e-6);
    close(&model.intercept, &[golden["ols"]["intercept"].as_f64().unwrap()], 1e-6);
    for case in golden["ridge"].as_array().unwrap() {
        let model = fit(&Ridge { alpha: case["alpha"].as_f64().unwrap() }, &x, Target::Regression(y.clone()));
        close(&model.coef, &floats(&case["coef"]), 1e-6);
    }
}

#[test]
fn logistic_of_two_classes() {
    let (Some(golden), Some((x, y))) =
        (json("golden/classical/logistic.json"), standardised("breast_cancer"))
    else {
        return;
    };
    let y = Target::Binary(y.iter().map(|y| *y as u8).collect());
    for case in golden["binary"].as_array().unwrap().iter().filter(|c| c["penalty"] == "l2") {
        let model = fit(&Logistic { c: case["C"].as_f64().unwrap(), ..Logistic::default() }, &x, y.clone());
        assert!(model.converged);
        close(&model.coef, &floats(&case["coef"]), 1e-6);
        close(&model.intercept, &[case["intercept"].as_f64().unwrap()], 1e-5);
    }
}

#[test]
fn logistic_of_several_classes() {
    let Some(golden) = json("golden/classical/logistic.json") else { return };
    for case in golden["multinomial"].as_array().unwrap() {
        let name = case["data"].as_str().unwrap();
        if !["wine", "iris"].contains(&name) {
            continue;
        }
        let (x, y) = standardised(name).unwrap();
        let y = Target::Multiclass { codes: y.iter().map(|y| *y as u32).collect(), classes: 3 };
        let model = fit(&Logistic { c: case["C"].as_f64().unwrap(), ..Logistic::default() }, &x, y);
        let want: Vec<f64> = case["coef"].as_array().unwrap().iter().flat_map(floats).collect();
        close(&model.coef, &want, 1e-5);
        let lyceum_core::Prediction::Probabilities { p, .. } = model.predict(&x.take(&[0])).unwrap() else {
            panic!()
        };
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

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
use lyceum_estimators::linear::{
    ElasticNet, Lasso, LassoCv, LeastSquares, LinearModel, Logistic, Penalty, Ridge, RidgeCv, lasso_path,
};

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
fn lasso_and_elastic_net() {
    let (Some(golden), Some((x, y))) = (json("golden/classical/linear.json"), standardised("diabetes"))
    else {
        return;
    };
    let y = Target::Regression(y);
    for case in golden["lasso"].as_array().unwrap() {
        let model = fit(&Lasso { alpha: case["alpha"].as_f64().unwrap(), ..Lasso::default() }, &x, y.clone());
        close(&model.coef, &floats(&case["coef"]), 1e-6);
        close(&model.intercept, &[case["intercept"].as_f64().unwrap()], 1e-6);
        assert!(model.converged && model.fitted["dual_gap"].as_f64().unwrap() < 1e-8 * 6000.0);
    }
    for case in golden["elastic_net"].as_array().unwrap() {
        let (alpha, l1_ratio) = (case["alpha"].as_f64().unwrap(), case["l1_ratio"].as_f64().unwrap());
        let model = fit(&ElasticNet { alpha, l1_ratio, ..ElasticNet::default() }, &x, y.clone());
        close(&model.coef, &floats(&case["coef"]), 1e-6);
    }
}

#[test]
fn the_path_of_the_lasso_and_its_choice() {
    let (Some(golden), Some((x, y))) = (json("golden/classical/linear.json"), standardised("diabetes"))
    else {
        return;
    };
    let data = TrainingSet::new(x.clone().into(), Target::Regression(y.clone())).unwrap();
    let want = &golden["lasso_path"];
    let path = lasso_path(&data, &floats(&want["alphas"]), &FitContext::default()).unwrap();
    for (j, coefs) in want["coefs"].as_array().unwrap().iter().enumerate() {
        let got: Vec<f64> = path.coefs.iter().map(|c| c[j]).collect();
        close(&got, &floats(coefs), 1e-5);
    }
    let whole = lasso_path(&data, &[], &FitContext::default()).unwrap();
    close(&whole.alphas[..1], &[want["alpha_max"].as_f64().unwrap()], 1e-8);
    assert_eq!(whole.alphas.len(), 100);
    assert!(whole.dual_gaps.iter().all(|g| *g < 1e-8 * 6000.0), "{:?}", whole.dual_gaps);

    let want = &golden["lasso_cv5_contiguous_folds"];
    let model = fit(&LassoCv::default(), &x, Target::Regression(y));
    close(&[model.fitted["alpha"].as_f64().unwrap()], &[want["alpha"].as_f64().unwrap()], 1e-8);
    close(&model.coef, &floats(&want["coef"]), 1e-5);
    let errors = floats(&model.fitted["mse_path_mean"]);
    close(&errors[..10], &floats(&want["mse_path_mean"]), 1e-6);
}

#[test]
fn leave_one_out_of_ridge() {
    let (Some(golden), Some((x, y))) = (json("golden/classical/linear.json"), standardised("diabetes"))
    else {
        return;
    };
    let want = &golden["ridgecv_gcv"];
    let ridge = RidgeCv { alphas: vec![0.1, 1.0, 10.0, 100.0], ..RidgeCv::default() };
    let model = fit(&ridge, &x, Target::Regression(y.clone()));
    assert_eq!(model.fitted["alpha"], want["alpha"]);
    close(&floats(&model.fitted["cv_mean"]), &floats(&want["cv_mean"]), 1e-8);
    let plain = fit(&Ridge { alpha: 1.0 }, &x, Target::Regression(y));
    close(&model.coef, &plain.coef, 1e-9);
}

#[test]
fn logistic_of_two_classes() {
    let (Some(golden), Some((x, y))) =
        (json("golden/classical/logistic.json"), standardised("breast_cancer"))
    else {
        return;
    };
    let y = Target::Binary(y.iter().map(|y| *y as u8).collect());
    for case in golden["binary"].as_array().unwrap() {
        let penalty = match case["penalty"].as_str().unwrap() {
            "l1" => Penalty::L1,
            "elasticnet" => Penalty::ElasticNet,
            _ => Penalty::L2,
        };
        let l1_ratio = case["l1_ratio"].as_f64().unwrap_or(0.5);
        let c = case["C"].as_f64().unwrap();
        let model = fit(&Logistic { c, penalty, l1_ratio, ..Logistic::default() }, &x, y.clone());
        assert!(model.converged, "{case}");
        if let Some(objective) = case["objective"].as_f64() {
            // The reference may stop a little above the minimum, never below it.
            let got = model.fitted["objective"].as_f64().unwrap();
            assert!(
                (got - objective).abs() <= 1e-6 * objective && got <= objective * (1.0 + 1e-9),
                "{got} {objective}"
            );
            assert_eq!(model.coef.iter().filter(|w| **w != 0.0).count() as u64, case["nonzero"]);
        } else {
            let tolerance = if penalty == Penalty::L2 { 1e-6 } else { 1e-5 };
            close(&model.coef, &floats(&case["coef"]), tolerance);
            close(&model.intercept, &[case["intercept"].as_f64().unwrap()], 1e-5);
        }
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

//! Least angle regression and the lasso's path by it: against scikit-learn 1.9 on rows made here, against the shared
//! numbers, and against the house's other solvers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{floats, json, numbers};
use lyceum_core::{Column, Estimator, FitContext, Table, Target, TrainingSet};
use lyceum_estimators::linear::{Lars, Lasso, LassoLars, LeastSquares, LinearModel, lars_path};

/// 83 rows of six columns that say nearly the same.
fn rows() -> TrainingSet {
    let i = || (0..83u32).map(f64::from);
    let a = |i: f64| (i * 37.0) % 101.0 / 50.0 - 1.0;
    let b = |i: f64| (i * 53.0) % 97.0 / 40.0 - 1.2;
    let c = |i: f64| (i * 29.0) % 61.0 * 3.0 + 100.0;
    let column = |f: &dyn Fn(f64) -> f64| Column::Number(i().map(f).collect());
    let x = Table::new([
        ("a", column(&a)),
        ("b", column(&b)),
        ("c", column(&c)),
        ("d", column(&|i| a(i) + 0.3 * b(i) + (i * 11.0) % 13.0 / 20.0)),
        ("e", column(&|i| (i * 41.0) % 89.0 / 10.0)),
        ("f", column(&|i| b(i) - a(i) + (i * 7.0) % 19.0 / 30.0)),
    ]);
    let y = i().map(|i| 2.0 * a(i) - 3.0 * b(i) + 0.05 * c(i) + (i * 17.0) % 23.0 / 10.0 - 1.1);
    TrainingSet::new(x.unwrap().into(), Target::Regression(y.collect())).unwrap()
}

fn fit(e: &dyn Estimator, set: &TrainingSet) -> LinearModel {
    let dir = tempfile::tempdir().unwrap();
    e.fit(set, &FitContext::default()).unwrap().save(dir.path()).unwrap();
    LinearModel::load(dir.path()).unwrap()
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{got:?} for {want:?}");
    let scale = want.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= tolerance * scale, "{got:?} for {want:?}");
    }
}

#[test]
fn the_lassos_corners_are_the_peers() {
    let path = lars_path(&rows(), true, 0.0, &FitContext::default()).unwrap();
    let alphas = [
        137.05879518072294,
        1.8776405162378278,
        0.4803134279808788,
        0.09962517791338417,
        0.043997420200209754,
        0.01344670168770813,
        0.007368811499499762,
        0.001437336005076472,
        0.0,
    ];
    close(&path.alphas, &alphas, 1e-11);
    // The sixth column leaves once and comes back.
    assert_eq!(path.active, [2, 1, 0, 5, 4, 3]);
    let end = fit(&LeastSquares, &rows());
    close(path.coefs.last().unwrap(), &end.coef, 1e-8);
    let own = fit(&LassoLars { alpha: 0.05, ..LassoLars::default() }, &rows());
    let want = [1.6815544497665664, -2.6506835737002916, 0.05255748521390069, 0.0, 0.0, -0.21501838889553948];
    close(&own.coef, &want, 1e-9);
    close(&own.intercept, &[-0.4050747204489191], 1e-8);
}

#[test]
fn every_corner_is_the_lassos_answer() {
    let path = lars_path(&rows(), true, 0.0, &FitContext::default()).unwrap();
    assert!(path.converged);
    for (alpha, coef) in path.alphas.iter().zip(&path.coefs).skip(1).take(6) {
        let other = fit(&Lasso { alpha: *alpha, positive: false, max_iter: 100_000 }, &rows());
        close(coef, &other.coef, 2e-3);
    }
}

#[test]
fn least_angles_end_at_least_squares() {
    let path = lars_path(&rows(), false, 0.0, &FitContext::default()).unwrap();
    assert!(path.converged && path.alphas.windows(2).all(|w| w[0] >= w[1]), "{:?}", path.alphas);
    assert_eq!(path.alphas.len(), 7);
    close(path.coefs.last().unwrap(), &fit(&LeastSquares, &rows()).coef, 1e-8);
    let two = fit(&Lars { n_nonzero_coefs: 2 }, &rows());
    close(&two.coef, &[0.0, 0.0, 0.0527599453098009, 0.0, 0.0, -1.9311544605014046], 1e-10);
    close(&two.intercept, &[0.08323367462256925], 1e-9);
    assert_eq!(two.fitted["active"], serde_json::json!(["c", "f"]));
}

#[test]
fn shared_golden() {
    let Some(golden) = json("golden/classical/linear.json") else { return };
    let rows = numbers("golden/classical/diabetes.csv", true).unwrap();
    let column = |i: usize| {
        let v: Vec<f64> = rows.iter().map(|r| r[i]).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let std = (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
        Column::Number(v.iter().map(|x| (x - mean) / std).collect())
    };
    let x = Table::new((0..10).map(|i| (format!("c{i}"), column(i)))).unwrap();
    let y = Target::Regression(rows.iter().map(|r| r[10]).collect());
    let set = TrainingSet::new(x.into(), y).unwrap();
    let path = lars_path(&set, false, 0.0, &FitContext::default()).unwrap();
    close(&path.alphas, &floats(&golden["lars"]["alphas"]), 1e-8);
    close(path.coefs.last().unwrap(), &floats(&golden["lars"]["coef"]), 1e-6);
    for case in golden["lasso"].as_array().unwrap() {
        let how = LassoLars { alpha: case["alpha"].as_f64().unwrap(), ..LassoLars::default() };
        close(&fit(&how, &set).coef, &floats(&case["coef"]), 1e-5);
    }
}

#[test]
fn twins_and_constants_never_join() {
    let set = rows();
    let a = set.x.column("a").unwrap().clone();
    let flat = Column::Number(vec![7.0; 83]);
    let columns = set.x.columns().map(|(n, c)| (n.to_string(), c.clone()));
    let x = Table::new(columns.chain([("a2".to_string(), a), ("flat".to_string(), flat)])).unwrap();
    let more = TrainingSet { x: x.into(), ..set.clone() };
    let (own, with) = (fit(&LassoLars::default(), &set), fit(&LassoLars::default(), &more));
    close(&with.coef[..6], &own.coef, 1e-9);
    let lars = fit(&Lars::default(), &more);
    assert!(lars.coef[7] == 0.0 && (lars.coef[0] == 0.0 || lars.coef[6] == 0.0), "{:?}", lars.coef);
}

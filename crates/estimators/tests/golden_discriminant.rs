//! Discriminant analysis against scikit-learn (shared/golden/classical).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::{floats, json, numbers};
use lyceum_core::{Column, Estimator, FitContext, Prediction, Table, Target, TrainingSet};
use lyceum_estimators::discriminant::LinearDiscriminant;
use lyceum_estimators::linear::LinearModel;
use serde_json::Value as Json;

fn raw(name: &str) -> Option<TrainingSet> {
    let rows = numbers(&format!("golden/classical/{name}.csv"), true)?;
    let width = rows[0].len() - 1;
    let column = |i: usize| Column::Number(rows.iter().map(|r| r[i]).collect());
    let table = Table::new((0..width).map(|i| (format!("c{i}"), column(i)))).unwrap();
    let codes = rows.iter().map(|r| r[width] as u32).collect();
    Some(TrainingSet::new(table.into(), Target::Multiclass { codes, classes: 3 }).unwrap())
}

fn fit(data: &TrainingSet, shrinkage: f64) -> LinearModel {
    let dir = tempfile::tempdir().unwrap();
    let model = LinearDiscriminant { shrinkage }.fit(data, &FitContext::default()).unwrap();
    model.save(dir.path()).unwrap();
    LinearModel::load(dir.path()).unwrap()
}

#[track_caller]
fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-6 * scale, "{got} for {want}");
    }
}

fn flat(rows: &Json) -> Vec<f64> {
    rows.as_array().unwrap().iter().flat_map(floats).collect()
}

#[test]
fn coefficients_and_accuracy() {
    let Some(golden) = json("golden/classical/lda_discriminant.json") else { return };
    for (case, name, shrinkage) in
        [("iris_svd", "iris", 0.0), ("wine_svd", "wine", 0.0), ("wine_eigen_0.3", "wine", 0.3)]
    {
        let data = raw(name).unwrap();
        let model = fit(&data, shrinkage);
        close(&model.coef, &flat(&golden[case]["coef"]));
        close(&model.intercept, &floats(&golden[case]["intercept"]));
        let Some(accuracy) = golden[case]["acc"].as_f64() else { continue };
        let (Prediction::Probabilities { p, .. }, Target::Multiclass { codes, .. }) =
            (lyceum_core::Model::predict(&model, &data.x).unwrap(), &data.y)
        else {
            panic!()
        };
        let right = |(p, c): (&[f64], &u32)| p.iter().all(|other| *other <= p[*c as usize]);
        let hits = p.chunks_exact(3).zip(codes).filter(|(p, c)| right((p, c))).count();
        close(&[hits as f64 / codes.len() as f64], &[accuracy]);
    }
}

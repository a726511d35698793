//! Metrics against scikit-learn's numbers (shared/golden/evaluate/metrics/tabular.json).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use lyceum_estimators::metrics as m;
use serde_json::Value as Json;

mod common;
use common::floats;

#[track_caller]
fn same(got: f64, want: &Json) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= 1e-9, "{got} for {want}");
}

#[test]
fn agree_with_the_reference() {
    let Some(g) = common::json("golden/evaluate/metrics/tabular.json") else { return };
    binary(&g["binary"]);
    multiclass(&g["multiclass"]);
    regression(&g["regression"]);
}

fn binary(b: &Json) {
    let y: Vec<u8> = floats(&b["y"]).iter().map(|x| *x as u8).collect();
    let score = floats(&b["score"]);
    let c = m::BinaryCounts::at(&y, &score, 0.5);
    same(c.accuracy(), &b["accuracy"]);
    same(c.precision(), &b["precision"]);
    same(c.recall(), &b["recall"]);
    same(c.f_beta(1.0), &b["f1"]);
    same(c.f_beta(2.0), &b["fbeta2"]);
    same(c.matthews(), &b["mcc"]);
    same(c.balanced_accuracy(), &b["balanced"]);
    same(c.kappa(), &b["kappa"]);
    same(m::roc_auc(&y, &score), &b["roc_auc"]);
    same(m::average_precision(&y, &score), &b["average_precision"]);
    same(m::log_loss(&y, &score), &b["log_loss"]);
    same(m::brier(&y, &score), &b["brier"]);
    same(m::expected_calibration_error(&y, &score, 10), &b["ece_positive_10_equal_width"]);
    let sure: Vec<f64> = score.iter().map(|p| p.max(1.0 - p)).collect();
    let right: Vec<u8> = y.iter().zip(&score).map(|(y, p)| u8::from((*p >= 0.5) == (*y > 0))).collect();
    same(m::expected_calibration_error(&right, &sure, 15), &b["ece_top_label_15_equal_width"]);
}

fn multiclass(b: &Json) {
    let y: Vec<u32> = floats(&b["y"]).iter().map(|x| *x as u32).collect();
    let p: Vec<f64> = b["proba"].as_array().unwrap().iter().flat_map(floats).collect();
    let best: Vec<u32> =
        p.chunks(4).map(|r| (0..4).rev().max_by(|a, b| r[*a].total_cmp(&r[*b])).unwrap() as u32).collect();
    let c = m::Confusion::new(&y, &best, 4);
    same(c.accuracy(), &b["accuracy"]);
    let [precision, recall, f1] = c.macro_average();
    same(precision, &b["precision_macro"]);
    same(recall, &b["recall_macro"]);
    same(f1, &b["f1_macro"]);
    same(m::multi_log_loss(&y, &p, 4), &b["log_loss"]);
    same(m::top_k_accuracy(&y, &p, 4, 2), &b["top2"]);
    same(m::roc_auc_one_vs_rest(&y, &p, 4), &b["auc_ovr_macro"]);
}

fn regression(b: &Json) {
    let (y, p) = (floats(&b["y"]), floats(&b["pred"]));
    same(m::mean_absolute_error(&y, &p), &b["mae"]);
    same(m::mean_squared_error(&y, &p), &b["mse"]);
    same(m::root_mean_squared_error(&y, &p), &b["rmse"]);
    same(m::r2(&y, &p), &b["r2"]);
    same(m::mean_absolute_percentage_error(&y, &p), &b["mape"]);
    same(m::median_absolute_error(&y, &p), &b["medae"]);
    same(m::explained_variance(&y, &p), &b["explained_variance"]);
    same(m::max_error(&y, &p), &b["max_error"]);
}

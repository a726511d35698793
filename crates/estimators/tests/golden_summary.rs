//! Standard errors, tests and measures of fit against statsmodels (shared/golden/classical).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use common::{floats, json, numbers};
use lyceum_core::{Column, FitContext, Table, Target, TrainingSet};
use lyceum_estimators::linear::{Coefficient, Summary};

fn standardised(name: &str, columns: &[usize]) -> Option<(Table, Vec<f64>)> {
    let rows = numbers(&format!("golden/classical/{name}.csv"), true)?;
    let column = |i: usize| {
        let v: Vec<f64> = rows.iter().map(|r| r[i]).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let std = (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
        Column::Number(v.iter().map(|x| (x - mean) / std).collect())
    };
    let table = Table::new(columns.iter().map(|i| (format!("c{i}"), column(*i)))).unwrap();
    Some((table, rows.iter().map(|r| *r.last().unwrap()).collect()))
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * want.abs(), "{got} for {want}");
    }
}

fn each(s: &Summary, f: impl Fn(&Coefficient) -> f64) -> Vec<f64> {
    s.coefficients.iter().map(f).collect()
}

#[test]
fn least_squares() {
    let (Some(golden), Some((x, y))) =
        (json("golden/classical/linear.json"), standardised("diabetes", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    else {
        return;
    };
    let want = &golden["ols"];
    let data = TrainingSet::new(x.into(), Target::Regression(y)).unwrap();
    let got = Summary::of_least_squares(&data, &FitContext::default()).unwrap();
    close(&each(&got, |c| c.standard_error), &floats(&want["std_err"]), 1e-6);
    close(&each(&got, |c| c.statistic), &floats(&want["t"]), 1e-6);
    close(&each(&got, |c| c.p), &floats(&want["p"]), 1e-5);
    for (c, want) in got.coefficients.iter().zip(want["conf_int"].as_array().unwrap()) {
        close(&c.interval, &floats(want), 1e-6);
    }
    let number = |name: &str| want[name].as_f64().unwrap();
    let [f, p] = got.f.unwrap();
    let ours = [got.log_likelihood, got.aic, got.bic, got.r2, got.adjusted_r2.unwrap(), f, p];
    let names = ["llf", "aic", "bic", "r2", "adj_r2", "f", "f_p"];
    close(&ours, &names.map(number), 1e-6);
    close(&[got.durbin_watson.unwrap()], &[number("durbin_watson")], 1e-6);
    // Leverages sum to the number of coefficients.
    close(&[got.leverage.iter().sum()], &[11.0], 1e-9);
    assert!(got.cooks_distance.iter().all(|c| *c >= 0.0 && *c < 1.0));
    assert!(got.coefficients[5].vif.unwrap() > 50.0, "total cholesterol is told by its parts");
    let text = got.to_string();
    assert!(text.starts_with("name") && text.contains("std. error") && text.lines().count() == 13, "{text}");
}

#[test]
fn logistic() {
    let (Some(golden), Some((x, y))) =
        (json("golden/classical/logistic.json"), standardised("breast_cancer", &[0, 1, 4]))
    else {
        return;
    };
    let want = &golden["unpenalised_inference_cols_0_1_4"];
    let data = TrainingSet::new(x.into(), Target::Binary(y.iter().map(|y| *y as u8).collect())).unwrap();
    let got = Summary::of_logistic(&data, &FitContext::default()).unwrap();
    close(&each(&got, |c| c.estimate), &floats(&want["params"]), 1e-6);
    close(&each(&got, |c| c.standard_error), &floats(&want["std_err"]), 1e-6);
    close(&each(&got, |c| c.statistic), &floats(&want["z"]), 1e-6);
    close(&each(&got, |c| c.p), &floats(&want["p"]), 1e-5);
    close(&each(&got, |c| c.estimate.exp()), &floats(&want["odds_ratio"]), 1e-6);
    let number = |name: &str| want[name].as_f64().unwrap();
    close(&[got.log_likelihood, got.aic, got.r2], &["llf", "aic", "pseudo_r2"].map(number), 1e-6);
}

#[test]
fn features_that_explain_one_another_are_refused() {
    let a: Vec<f64> = (0..50).map(|i| f64::from(i * 7 % 11)).collect();
    let twice = a.iter().map(|a| 2.0 * a).collect();
    let y: Vec<f64> = a.iter().enumerate().map(|(i, a)| a + (i % 5) as f64).collect();
    let x = Table::new([("a", Column::Number(a.clone())), ("b", Column::Number(twice))]).unwrap();
    let data = TrainingSet::new(x.into(), Target::Regression(y)).unwrap();
    let e = Summary::of_least_squares(&data, &FitContext::default()).err().unwrap();
    assert!(e.to_string().contains("explain one another"), "{e}");
    let x = Table::new([("a", Column::Number(a.clone()))]).unwrap();
    let y = Target::Binary(a.iter().map(|a| u8::from(*a > 5.0)).collect());
    let e =
        Summary::of_logistic(&TrainingSet::new(x.into(), y).unwrap(), &FitContext::default()).err().unwrap();
    assert!(e.to_string().contains("infinite"), "{e}");
}

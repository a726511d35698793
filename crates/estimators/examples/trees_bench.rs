//! Times binning and training of boosted trees on made tables; one JSON line a run.
//!
//! `trees_bench TABLE ROWS TEST_ROWS [key=value…]` with TABLE one of binary, cat, reg, multi, sparse; `threads=N`,
//! `reps=N`, `save=FILE` for the model, any parameter of the learner.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program run by hand"
)]

use lyceum_core::{FitContext, Params};
use lyceum_estimators::boosting::data::Dataset;
use lyceum_estimators::boosting::{BoostingParams, Examples, Job, Matrix, Predict};
use lyceum_estimators::{Features, metrics, tables};
use lyceum_tensor::Pool;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (table, rows, test): (&str, usize, usize) =
        (&args[0], args[1].parse().unwrap(), args[2].parse().unwrap());
    let (mut threads, mut reps, mut save, mut params) = (2, 3, None, Params::new());
    for word in &args[3..] {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "threads" => threads = value.parse().unwrap(),
            "reps" => reps = value.parse().unwrap(),
            "save" => save = Some(value),
            _ => {
                params.insert(key.into(), value.into());
            }
        }
    }
    let (made, objective) = match table {
        "cat" => (tables::categories(rows + test), "binary"),
        "reg" => (tables::regression(rows + test), "regression"),
        "multi" => (tables::multi(rows + test), "multiclass"),
        "sparse" => (tables::sparse(rows + test), "binary"),
        _ => (tables::binary(rows + test), "binary"),
    };
    params.entry("objective".into()).or_insert(objective.into());
    if table == "multi" {
        params.insert("num_class".into(), 5i64.into());
    }
    let params = BoostingParams::from_params(&params).unwrap();
    let width = made.width;
    let names = (0..width).map(|i| format!("c{i}").into()).collect();
    let mut features = Features { names, levels: vec![None; width] };
    if table == "cat" {
        for c in 20..28 {
            let most = made.x.iter().skip(c).step_by(width).fold(0.0f32, |m, x| m.max(*x)) as usize;
            features.levels[c] = Some((0..=most).map(|v| v.to_string().into()).collect());
        }
    }
    let y: Vec<f64> = made.y.iter().map(|y| f64::from(*y)).collect();
    let x = Matrix::Rows32 { values: &made.x[..rows * width], width };
    let held_out = Matrix::Rows32 { values: &made.x[rows * width..], width };
    let pool = Pool::new(threads);
    let (mut bin_s, mut train_s, mut auc) = (f64::INFINITY, f64::INFINITY, f64::NAN);
    let mut rmse = f64::NAN;
    for _ in 0..reps {
        let start = Instant::now();
        let leaf = params.tree.min_data_in_leaf;
        let binned = Dataset::fit(&x, &features, &params.bins, leaf, &pool).unwrap();
        let bins = start.elapsed().as_secs_f64();
        drop(binned);
        let job = Job {
            params: params.clone(),
            features: features.clone(),
            train: Examples::new(x.clone(), &y[..rows]),
            valid: Vec::new(),
            from: None,
            loss: None,
            watch: None,
        };
        let start = Instant::now();
        let trained = job.run(&FitContext { threads, ..FitContext::default() }).unwrap();
        let all = start.elapsed().as_secs_f64();
        bin_s = bin_s.min(bins);
        train_s = train_s.min(all - bins);
        if let Some(file) = save.take() {
            lyceum_core::write_atomic(file, trained.model.to_text().as_bytes()).unwrap();
        }
        if rmse.is_nan() && test > 0 && objective == "regression" {
            let how = Predict::of(&trained.model);
            let got = trained.model.predict_rows(&held_out, &how).unwrap();
            let square: f64 = got.iter().zip(&y[rows..]).map(|(a, b)| (a - b).powi(2)).sum();
            rmse = (square / test as f64).sqrt();
        }
        if auc.is_nan() && test > 0 && objective == "binary" {
            let (mut row, mut raw) = (vec![0.0; width], vec![0.0]);
            let score: Vec<f64> = (0..test)
                .map(|r| {
                    held_out.row(r, &mut row);
                    trained.model.raw(&row, 0..trained.model.iterations(), &mut raw);
                    raw[0]
                })
                .collect();
            let labels: Vec<u8> = y[rows..].iter().map(|y| u8::from(*y > 0.0)).collect();
            auc = metrics::roc_auc(&labels, &score);
        }
    }
    println!(
        "{}",
        serde_json::json!({ "table": table, "rows": rows, "threads": threads, "bin_s": bin_s, "train_s": train_s, "auc": auc, "rmse": rmse })
    );
}

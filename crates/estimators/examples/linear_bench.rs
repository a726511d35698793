//! Times the linear family; one JSON line each with the least seconds of three runs. Run with
//! `cargo run --release -p lyceum-estimators --example linear_bench`; set `LYCEUM_THREADS` to choose the threads (2).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program to measure with"
)]

use lyceum_core::{Column, Estimator, FitContext, Table, Target, TrainingSet};
use lyceum_estimators::linear::{Logistic, Penalty, RidgeCv, lasso_path};
use lyceum_estimators::tables::{self, Made};
use std::time::Instant;

/// A table whose columns are standardised.
fn standardised(made: &Made) -> Table {
    let column = |c: usize| {
        let v: Vec<f64> = made.x.iter().skip(c).step_by(made.width).map(|x| f64::from(*x)).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let std = (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
        Column::Number(v.iter().map(|x| (x - mean) / std).collect())
    };
    Table::new((0..made.width).map(|c| (format!("c{c}"), column(c)))).unwrap()
}

fn time<T>(name: &str, mut task: impl FnMut() -> T, tell: impl Fn(&T) -> serde_json::Value) {
    let mut best = f64::INFINITY;
    let mut last = None;
    for _ in 0..3 {
        let start = Instant::now();
        last = Some(task());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{}", serde_json::json!({ "bench": name, "seconds": best, "result": last.as_ref().map(tell) }));
}

fn main() {
    let threads = std::env::var("LYCEUM_THREADS").ok().and_then(|t| t.parse().ok()).unwrap_or(2);
    lyceum_tensor::Pool::init_global(threads);
    let cx = FitContext { threads, ..FitContext::default() };
    let made = tables::binary(100_000);
    let x = standardised(&made);
    let y = Target::Binary(made.y.iter().map(|y| u8::from(*y > 0.5)).collect());
    let data = TrainingSet::new(x.into(), y).unwrap();
    #[allow(clippy::borrowed_box, reason = "it is told of what a fit gives")]
    let none = |_: &Box<dyn lyceum_core::Model>| serde_json::Value::Null;
    time("logistic l2 C=1 100k x 28", || Logistic::default().fit(&data, &cx).unwrap(), none);
    let l1 = Logistic { penalty: Penalty::L1, c: 0.01, ..Logistic::default() };
    time("logistic l1 C=0.01 100k x 28", || l1.fit(&data, &cx).unwrap(), none);

    let model = Logistic::default().fit(&data, &cx).unwrap();
    let mut one = model.row().unwrap();
    let rows: Vec<f64> = made.x.iter().map(|x| f64::from(*x)).collect();
    let mut out = [0.0];
    let walk = || {
        rows.chunks_exact(28).fold(0.0, |sum, row| {
            one.predict(row, &mut out);
            sum + out[0]
        })
    };
    time("one-row predict of 100k rows, one by one", walk, |s| (*s).into());

    let made = tables::linear(20_000, 500);
    let x = standardised(&made);
    let y = Target::Regression(made.y.iter().map(|y| f64::from(*y)).collect());
    let data = TrainingSet::new(x.into(), y).unwrap();
    time(
        "lasso_path 100 penalties 20k x 500",
        || lasso_path(&data, &[], &cx).unwrap(),
        |p| p.dual_gaps.iter().copied().fold(0.0, f64::max).into(),
    );
    let ridge = RidgeCv { alphas: (-3..7).map(|e| 10f64.powi(e)).collect(), ..RidgeCv::default() };
    time("ridge leave-one-out 10 penalties 20k x 500", || ridge.fit(&data, &cx).unwrap(), none);
}

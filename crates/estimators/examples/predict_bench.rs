//! Times prediction with a model file on the made table of numbers; one JSON line a way.
//!
//! `predict_bench MODEL ROWS [threads]`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program run by hand"
)]

use lyceum_core::Model;
use lyceum_estimators::boosting::{Booster, Matrix, Predict};
use lyceum_estimators::tables;
use std::time::Instant;

fn least(mut task: impl FnMut()) -> f64 {
    let once = |task: &mut dyn FnMut()| {
        let start = Instant::now();
        task();
        start.elapsed().as_secs_f64()
    };
    (0..7).map(|_| once(&mut task)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rows: usize = args[1].parse().unwrap();
    let threads = args.get(2).map_or(2, |t| t.parse().unwrap());
    let text = std::fs::read_to_string(&args[0]).unwrap();
    let load_s =
        (0..20).map(|_| least(|| drop(Booster::parse(&text).unwrap()))).fold(f64::INFINITY, f64::min);
    let model = Booster::parse(&text).unwrap();
    let made = tables::binary(rows);
    let how = Predict { threads, ..Predict::of(&model) };
    let x = Matrix::Rows32 { values: &made.x, width: made.width };
    let wide: Vec<f64> = made.x.iter().map(|x| f64::from(*x)).collect();
    let y = Matrix::Rows64 { values: &wide, width: made.width };
    let single = least(|| drop(model.raw_rows(&x, &how).unwrap()));
    let double = least(|| drop(model.raw_rows(&y, &how).unwrap()));
    let few = rows.min(500);
    let z = Matrix::Rows32 { values: &made.x[..few * made.width], width: made.width };
    let contributions = least(|| drop(model.contribution_rows(&z, &how).unwrap()));
    let mut one = Model::row(&model).unwrap();
    let mut out = vec![0.0; model.per_iteration];
    let row_s =
        least(|| wide.chunks_exact(made.width).take(10_000).for_each(|row| one.predict(row, &mut out)));
    println!(
        "{}",
        serde_json::json!({
            "threads": threads, "load_ms": load_s * 1e3,
            "f32_rows_per_s": rows as f64 / single, "f64_rows_per_s": rows as f64 / double,
            "contribution_rows_per_s": few as f64 / contributions, "row_us": row_s / rows.min(10_000) as f64 * 1e6,
        })
    );
}

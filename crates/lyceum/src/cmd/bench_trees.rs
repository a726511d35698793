//! `lyceum bench-trees`: speed of boosted trees on a made table that is the same bits everywhere.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Context, FitContext, Model, Params, Result};
use lyceum_estimators::boosting::data::Dataset;
use lyceum_estimators::boosting::{BoostingParams, Examples, Job, Matrix, Predict};
use lyceum_estimators::{Features, metrics, tables};
use lyceum_tensor::Pool;
use serde::Serialize;
use std::time::Instant;

/// Measure training and prediction of boosted trees
#[derive(Args)]
pub(crate) struct BenchTrees {
    /// Rows to train on
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// Columns: the first so many of the table's 28
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u64).range(1..=28))]
    features: u64,
    /// Trees
    #[arg(long, default_value_t = 100)]
    iterations: usize,
    /// Leaves of a tree
    #[arg(long, default_value_t = 31)]
    leaves: usize,
    /// Threads to use; all processors unless said
    #[arg(long)]
    threads: Option<usize>,
    /// Repetitions, of which the best counts
    #[arg(long, default_value_t = 3)]
    reps: usize,
}

#[derive(Serialize)]
struct Report {
    rows: usize,
    features: usize,
    threads: usize,
    bin_s: f64,
    train_s: f64,
    auc: f64,
    predict_rows_per_s: f64,
    row_us: f64,
}

impl BenchTrees {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let report = ui.cancellable(|cx| self.measure(cx))?;
        ui.result(&report, |r| {
            format!(
                "{} rows, {} columns, {} threads\nbinning          {:.3} s\ntraining         {:.3} s\n\
                 AUC on new rows  {:.6}\nprediction       {:.0} rows/s\none row          {:.2} µs\n",
                r.rows, r.features, r.threads, r.bin_s, r.train_s, r.auc, r.predict_rows_per_s, r.row_us
            )
        })
    }

    fn measure(&self, cx: &Context) -> Result<Report> {
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.threads.unwrap_or(cpus).clamp(1, 256);
        let (rows, width) = (self.rows.max(2), self.features as usize);
        let test = (rows / 5).max(1);
        let made = tables::binary(rows + test);
        let x: Vec<f32> =
            made.x.chunks_exact(made.width).flat_map(|r| r.iter().take(width).copied()).collect();
        let y: Vec<f64> = made.y.iter().map(|y| f64::from(*y)).collect();
        let (train, held_out) = x.split_at(rows * width);
        let (y, y_test) = y.split_at(rows);
        let params: Params = [
            ("objective", "binary".into()),
            ("num_iterations", (self.iterations as i64).into()),
            ("num_leaves", (self.leaves as i64).into()),
        ]
        .into_iter()
        .map(|(k, v): (&str, lyceum_core::Value)| (k.into(), v))
        .collect();
        let params = BoostingParams::from_params(&params)?;
        let x = Matrix::Rows32 { values: train, width };
        let names = (0..width).map(|i| format!("Column_{i}").into()).collect();
        let job = Job {
            params,
            features: Features { names, levels: vec![None; width] },
            train: Examples::new(x.clone(), y),
            valid: Vec::new(),
            from: None,
            loss: None,
            watch: None,
        };
        let fit = FitContext { cx: cx.clone(), threads, ..FitContext::default() };
        let pool = Pool::new(threads);
        let (mut bin_s, mut train_s, mut model) = (f64::INFINITY, f64::INFINITY, None);
        for _ in 0..self.reps.max(1) {
            let start = Instant::now();
            let leaf = job.params.tree.min_data_in_leaf;
            drop(Dataset::fit(&x, &job.features, &job.params.bins, leaf, &pool)?);
            let binning = start.elapsed().as_secs_f64();
            let start = Instant::now();
            model = Some(job.run(&fit)?.model);
            // A run bins its rows too.
            train_s = train_s.min(start.elapsed().as_secs_f64() - binning);
            bin_s = bin_s.min(binning);
        }
        let model = model.ok_or_else(|| lyceum_core::Error::internal("nothing was trained"))?;
        let how = Predict { threads, ..Predict::of(&model) };
        let new = Matrix::Rows32 { values: held_out, width };
        let score = model.raw_rows(&new, &how)?;
        let labels: Vec<u8> = y_test.iter().map(|y| u8::from(*y > 0.0)).collect();
        let mut predict_s = f64::INFINITY;
        for _ in 0..self.reps.max(1) {
            let start = Instant::now();
            std::hint::black_box(model.raw_rows(&x, &how)?);
            predict_s = predict_s.min(start.elapsed().as_secs_f64());
        }
        Ok(Report {
            rows,
            features: width,
            threads,
            bin_s,
            train_s,
            auc: metrics::roc_auc(&labels, &score),
            predict_rows_per_s: rows as f64 / predict_s,
            row_us: one_row(&model, &new),
        })
    }
}

/// Microseconds of one prediction of one row, the best of some rounds.
fn one_row(model: &dyn Model, x: &Matrix<'_>) -> f64 {
    let count = x.rows().min(1000);
    let mut rows = vec![0.0; count * x.width()];
    rows.chunks_exact_mut(x.width()).enumerate().for_each(|(r, out)| x.row(r, out));
    let Some(mut row) = model.row() else { return f64::NAN };
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let mut out = [0.0];
        let start = Instant::now();
        for row_of in rows.chunks_exact(x.width()) {
            row.predict(row_of, &mut out);
            std::hint::black_box(out);
        }
        best = best.min(start.elapsed().as_secs_f64() / count as f64);
    }
    best * 1e6
}

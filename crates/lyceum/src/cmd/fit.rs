//! `lyceum fit`: any estimator of the house on a table, with a part of the rows held out to judge it, or judged fold
//! after fold.

mod cross;
mod decide;
mod rows;

use crate::ui::Ui;
use clap::Args;
use decide::{Decide, Scores};
use lyceum_core::{Error, FitContext, Model, Prediction, Result, Target, TrainingSet, Value};
use lyceum_data::Random;
use lyceum_estimators::calibration::{CalibratedModel, Decision};
use lyceum_estimators::metrics as m;
use lyceum_estimators::registry;
pub(super) use rows::{Labels, Rows};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Fit an estimator to a table (`lyceum estimators` lists them)
#[derive(Args)]
pub(crate) struct Fit {
    #[command(flatten)]
    of: Rows,
    /// Share of the rows that are held out to measure on
    #[arg(long, default_value_t = 0.2, conflicts_with = "cv")]
    test_fraction: f64,
    /// Judge it by cross-validation on so many folds, then fit it to all rows
    #[arg(long, value_name = "FOLDS")]
    cv: Option<usize>,
    /// Calibrate probabilities (sigmoid, isotonic, temperature) on out-of-fold rows with --cv, else on a quarter of the
    /// rows that are not held out
    #[arg(long, value_name = "METHOD")]
    calibrate: Option<String>,
    /// Choose the threshold of two classes on the same rows: f1, youden or cost=FP:FN
    #[arg(long, value_name = "RULE")]
    threshold: Option<String>,
    /// A folder to save the model in, with its calibration and threshold
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Metric to value.
pub(super) type Measures = BTreeMap<&'static str, f64>;

#[derive(Serialize)]
struct Report {
    estimator: &'static str,
    params: serde_json::Value,
    rows: usize,
    features: usize,
    /// Values of the target in the order of their codes, where it has classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<String>,
    training: Measures,
    #[serde(skip_serializing_if = "Measures::is_empty")]
    test: Measures,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_validation: Option<cross::Crossed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<decide::CalibrationReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<decide::ThresholdReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    importance: Option<BTreeMap<String, f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    fit_s: f64,
}

impl Fit {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        if self.cv.is_none() {
            self.of.check_alone()?;
        }
        let entry = registry::entry(&self.of.estimator)?;
        let estimator = entry.make(&self.of.params()?)?;
        if !(0.0..1.0).contains(&self.test_fraction) {
            return Err(Error::invalid("expected 0 to below 1").at_key("--test-fraction"));
        }
        let decide = Decide::of(self.calibrate.as_deref(), self.threshold.as_deref())?;
        let (x, y, rule) = self.of.read(entry)?;
        decide.check(&y.target, entry.name)?;
        let mut order: Vec<usize> = (0..x.rows()).collect();
        Random::new(self.of.seed, 0xf17).shuffle(&mut order);
        let fraction = if self.cv.is_some() { 0.0 } else { self.test_fraction };
        let held_out = (x.rows() as f64 * fraction) as usize;
        let (test, train) = order.split_at(held_out);
        // Without folds, calibration and threshold want rows that neither the model nor the test has.
        let (train, kept) = if decide.is_none() || self.cv.is_some() {
            (train.to_vec(), Vec::new())
        } else {
            decide.part(train, &y.take(train), self.of.seed)?
        };
        let data = TrainingSet::new(x.take(&train).into(), y.take(&train))?;
        let report = ui.cancellable(|cx| {
            let fit = FitContext {
                cx: cx.clone(),
                seed: self.of.seed,
                progress: ui.progress(),
                ..FitContext::default()
            };
            let crossed = self
                .cv
                .map(|folds| rule.run(folds, 1.0, &*estimator, (&x, &y), &fit, &*fit.progress))
                .transpose()?;
            let start = Instant::now();
            let model = estimator.fit(&data, &fit)?;
            let fit_s = start.elapsed().as_secs_f64();
            let scores = |rows: &[usize]| -> Result<Scores> {
                let mut out = Scores::default();
                out.push(&model.predict(&x.take(rows))?, &y.take(rows), None);
                Ok(out)
            };
            let decided = if decide.is_none() {
                None
            } else {
                let judged = if test.is_empty() { None } else { Some(scores(test)?) };
                Some(match &crossed {
                    Some(c) => decide.learn(&c.scores, judged.as_ref())?,
                    None => decide.learn(&scores(&kept)?, judged.as_ref())?,
                })
            };
            let (model, calibration, threshold): (Box<dyn Model>, _, _) = match decided {
                None => (model, None, None),
                Some(d) => (Box::new(CalibratedModel::new(model, d.decision)), d.calibration, d.threshold),
            };
            if let Some(folder) = &self.output {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", e))?;
                Decision::clear(folder)?;
                model.save(folder)?;
            }
            let on = |rows: &[usize]| measures(&model.predict(&x.take(rows))?, &y.take(rows));
            Ok(Report {
                estimator: entry.name,
                params: Value::Map(Arc::new(estimator.params())).to_json(),
                rows: train.len(),
                features: x.width(),
                classes: y.classes.clone(),
                training: on(&train)?,
                test: if test.is_empty() { Measures::new() } else { on(test)? },
                cross_validation: crossed,
                calibration,
                threshold,
                importance: model.importance(),
                output: self.output.clone(),
                fit_s,
            })
        })?;
        ui.result(&report, shown)
    }
}

fn measures(prediction: &Prediction, y: &Target) -> Result<Measures> {
    Ok(match (prediction, y) {
        (Prediction::Numbers(p), Target::Regression(y)) => [
            ("r2", m::r2(y, p)),
            ("mean_absolute_error", m::mean_absolute_error(y, p)),
            ("root_mean_squared_error", m::root_mean_squared_error(y, p)),
        ]
        .into(),
        (Prediction::Probabilities { p, .. }, Target::Binary(y)) => {
            let positive: Vec<f64> = p.iter().skip(1).step_by(2).copied().collect();
            [
                ("roc_auc", m::roc_auc(y, &positive)),
                ("log_loss", m::log_loss(y, &positive)),
                ("accuracy", m::BinaryCounts::at(y, &positive, 0.5).accuracy()),
            ]
            .into()
        }
        (Prediction::Probabilities { p, classes }, Target::Multiclass { codes, .. }) => [
            ("accuracy", m::top_k_accuracy(codes, p, *classes, 1)),
            ("log_loss", m::multi_log_loss(codes, p, *classes)),
        ]
        .into(),
        _ => return Err(Error::internal("the model predicts another kind of target")),
    })
}

fn shown(r: &Report) -> String {
    let mut out =
        format!("{} on {} rows and {} columns in {:.2} s\n", r.estimator, r.rows, r.features, r.fit_s);
    for (part, measures) in [("training", &r.training), ("held out", &r.test)] {
        measures.iter().for_each(|(name, value)| out += &format!("{part:9} {name:24} {value:.5}\n"));
    }
    r.cross_validation.iter().for_each(|c| out += &cross::shown(c));
    out += &decide::shown(r.calibration.as_ref(), r.threshold.as_ref());
    let mut features: Vec<(&String, &f64)> = r.importance.iter().flatten().collect();
    features.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    for (name, value) in features.iter().take(10) {
        out += &format!("{name:34} {value:.5}\n");
    }
    if let Some(folder) = &r.output {
        out += &format!("model: {}\n", folder.display());
    }
    out
}

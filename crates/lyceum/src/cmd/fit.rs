//! `lyceum fit`: any estimator of the house on a table, with a part of the rows held out to judge it, or judged fold
//! after fold.

mod cross;
mod decide;
mod rows;

use crate::ui::Ui;
use clap::Args;
use decide::{Decide, Scores};
use lyceum_core::{
    Context, Error, FitContext, Model, Prediction, Progress, Result, Target, TrainingSet, Value,
};
use lyceum_data::{Splits, file_hash};
use lyceum_estimators::calibration::CalibratedModel;
use lyceum_estimators::metrics as m;
use lyceum_estimators::registry;
use lyceum_learn::fitted::{Division, Fitted, Story, about, check_folder, note_means};
use lyceum_learn::model::TabularModel;
pub(super) use rows::Examples;
pub(crate) use rows::Rows;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Fit an estimator to a table (`lyceum estimators` lists them)
#[derive(Args, Clone)]
pub(crate) struct Fit {
    #[command(flatten)]
    pub(crate) of: Rows,
    /// Share of the rows that are held out to measure on
    #[arg(long, default_value_t = 0.2, conflicts_with = "cv")]
    pub(crate) test_fraction: f64,
    /// Judge it by cross-validation on so many folds, then fit it to all rows
    #[arg(long, value_name = "FOLDS")]
    pub(crate) cv: Option<usize>,
    /// Calibrate probabilities (sigmoid, isotonic, temperature) on out-of-fold rows with --cv, else on a quarter of the
    /// rows that are not held out
    #[arg(long, value_name = "METHOD")]
    pub(crate) calibrate: Option<String>,
    /// Choose the threshold of two classes on the same rows: f1, youden or cost=FP:FN
    #[arg(long, value_name = "RULE")]
    pub(crate) threshold: Option<String>,
    /// A folder to save the model in, with its calibration and threshold: `predict`, `evaluate`, `visualize` and `serve`
    /// take it as --model_path
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

/// Metric to value.
pub(crate) type Measures = BTreeMap<&'static str, f64>;

/// What `fit` tells.
#[derive(Serialize)]
pub(crate) struct Report {
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
        let report = ui.cancellable(|cx| self.work(cx, ui.progress()))?;
        ui.result(&report, shown)
    }

    /// Judges by cross-validation, fits to all rows and saves.
    pub(super) fn crossed(of: Rows, folds: usize, output: PathBuf) -> Self {
        let output = Some(output);
        Self { of, test_fraction: 0.0, cv: Some(folds), calibrate: None, threshold: None, output }
    }

    /// The same on the rows of a file, saved in a folder.
    pub(crate) fn of_file(&self, data: PathBuf, output: PathBuf) -> Self {
        Self { of: Rows { data, ..self.of.clone() }, output: Some(output), ..self.clone() }
    }

    /// The column that is predicted.
    pub(crate) fn target(&self) -> &str {
        &self.of.target
    }

    /// Fails where a word cannot be, whatever the rows are: `test_fraction`, `calibrate` or `threshold`.
    pub(crate) fn check_word(&self, key: &str) -> Result<()> {
        match key {
            "calibrate" => Decide::of(self.calibrate.as_deref(), None).map(drop),
            "threshold" => Decide::of(None, self.threshold.as_deref()).map(drop),
            _ if (0.0..1.0).contains(&self.test_fraction) => Ok(()),
            _ => Err(Error::invalid("expected 0 to below 1").at_key("--test-fraction")),
        }
    }

    /// Fits, judges and saves.
    pub(crate) fn work(&self, cx: &Context, progress: Arc<dyn Progress>) -> Result<Report> {
        if self.cv.is_none() {
            self.of.check_alone()?;
        }
        let entry = registry::entry(&self.of.estimator)?;
        let estimator = entry.make(&self.of.params()?)?;
        self.check_word("test_fraction")?;
        let decide = Decide::of(self.calibrate.as_deref(), self.threshold.as_deref())?;
        if let Some(folder) = &self.output {
            check_folder(folder).map_err(|e| e.at_key("--output"))?;
        }
        let Examples { columns, x, y, rule } = self.of.read(entry)?;
        decide.check(&y.target, entry.name)?;
        // Without folds, calibration and threshold want rows that neither the model nor the test has.
        let division = Division {
            test_fraction: if self.cv.is_some() { 0.0 } else { self.test_fraction },
            keeps_a_part: self.cv.is_none() && !decide.is_none(),
        };
        let Splits { training: train, validation: kept, test } = division.divide(&y.target, self.of.seed)?;
        let data = TrainingSet::new(x.take(&train).into(), y.take(&train))?;
        let fit = FitContext { cx: cx.clone(), seed: self.of.seed, progress, ..FitContext::default() };
        let crossed = self
            .cv
            .map(|folds| rule.run(folds, 1.0, &*estimator, (&x, &y), &fit, &*fit.progress))
            .transpose()?;
        let start = Instant::now();
        let model = note_means(estimator.fit(&data, &fit)?, &data.x);
        let fit_s = start.elapsed().as_secs_f64();
        let scores = |rows: &[usize]| -> Result<Scores> {
            let mut out = Scores::default();
            out.push(&model.predict(&x.take(rows))?, &y.take(rows), None);
            Ok(out)
        };
        let decided = if decide.is_none() {
            None
        } else {
            let judged = if test.is_empty() { None } else { Some(scores(&test)?) };
            Some(match &crossed {
                Some(c) => decide.learn(&c.scores, judged.as_ref())?,
                None => decide.learn(&scores(&kept)?, judged.as_ref())?,
            })
        };
        let (model, calibration, threshold): (Box<dyn Model>, _, _) = match decided {
            None => (model, None, None),
            Some(d) => (Box::new(CalibratedModel::new(model, d.decision)), d.calibration, d.threshold),
        };
        let on = |rows: &[usize]| measures(&model.predict(&x.take(rows))?, &y.take(rows));
        let report = Report {
            estimator: entry.name,
            params: Value::Map(Arc::new(estimator.params())).to_json(),
            rows: train.len(),
            features: x.width(),
            classes: y.classes.clone(),
            training: on(&train)?,
            test: if test.is_empty() { Measures::new() } else { on(&test)? },
            cross_validation: crossed,
            calibration,
            threshold,
            importance: model.importance(),
            output: self.output.clone(),
            fit_s,
        };
        if let Some(folder) = &self.output {
            cx.check()?;
            let rows = [train.len(), kept.len(), test.len()];
            self.save(folder, Fitted { entry, columns, division, story: report.story(), model }, rows)?;
        }
        Ok(report)
    }

    /// Saves the model with what it needs to be asked.
    fn save(&self, folder: &Path, fitted: Fitted, rows: [usize; 3]) -> Result<()> {
        let name = self.of.data.file_name().map(|n| n.to_string_lossy().into_owned());
        let data = vec![(name.unwrap_or_default(), file_hash(&self.of.data)?)];
        let about = about(&fitted, data, rows, self.of.seed);
        TabularModel::of_fitted(fitted, about).save(folder)
    }
}

impl Report {
    /// The measures that tell most, and which rows they are of.
    pub(crate) fn measured(&self) -> (&Measures, &'static str) {
        match (&self.cross_validation, self.test.is_empty()) {
            (Some(crossed), _) => (&crossed.mean, "cross_validation"),
            (None, false) => (&self.test, "test"),
            (None, true) => (&self.training, "training"),
        }
    }

    /// What is kept with the model; a measure that these rows do not have is left out.
    fn story(&self) -> Story {
        let crossed = self.cross_validation.as_ref();
        let all = [
            ("training", Some(&self.training)),
            ("test", Some(&self.test).filter(|m| !m.is_empty())),
            ("cross_validation", crossed.map(|c| &c.mean)),
            ("cross_validation_standard_error", crossed.map(|c| &c.standard_error)),
        ];
        let known = |m: &Measures| -> BTreeMap<String, f64> {
            m.iter().filter(|(_, v)| v.is_finite()).map(|(k, v)| (k.to_string(), *v)).collect()
        };
        let scores = all.iter().filter_map(|(part, m)| m.map(|m| (part.to_string(), known(m)))).collect();
        Story { params: self.params.clone(), scores }
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

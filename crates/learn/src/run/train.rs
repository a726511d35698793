//! `train` and `experiment`: configuration and data to a results folder.

use super::data::{DataFiles, Loaded};
use super::files::{Keep, results_folder, whole_folder, write_json, write_predictions, write_report};
use super::summary::{Summary, outputs};
use crate::config::{Config, LinearTrainer, ModelConfig};
use crate::explain::report::explained;
use crate::fit::{Material, Outcome};
use crate::llm::LanguageModels;
use crate::metrics::Measures;
use crate::model::{About, FORMAT, Learned, TabularModel};
use lyceum_core::{FitContext, Result};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigSource {
    /// A YAML file.
    File(PathBuf),
    /// YAML text.
    Text(String),
}

impl ConfigSource {
    /// Reads and checks it.
    pub fn read(&self) -> Result<Config> {
        match self {
            Self::File(path) => Config::read(path),
            Self::Text(text) => Config::parse(text, None),
        }
    }
}

/// What to train, on what, and where to.
#[derive(Clone)]
pub struct TrainOptions<'a> {
    /// The configuration.
    pub config: ConfigSource,
    /// The data.
    pub data: DataFiles,
    /// The folder that results folders are made in.
    pub output_directory: PathBuf,
    /// First part of the results folder's name.
    pub experiment_name: String,
    /// Second part of the results folder's name.
    pub model_name: String,
    /// Which files are written.
    pub keep: Keep,
    /// Teaches and asks language models, where the caller can.
    pub llm: Option<&'a dyn LanguageModels>,
}

impl TrainOptions<'_> {
    /// Ludwig's defaults: `results/experiment_run`.
    pub fn new(config: ConfigSource, data: DataFiles) -> Self {
        Self {
            config,
            data,
            output_directory: "results".into(),
            experiment_name: "experiment".into(),
            model_name: "run".into(),
            keep: Keep::default(),
            llm: None,
        }
    }
}

impl TrainOptions<'_> {
    /// The given data, or those that the configuration names.
    pub(super) fn files(&self, config: &Config) -> DataFiles {
        match (&self.data, &config.data) {
            (given, Some(own)) if *given == DataFiles::default() => DataFiles::one(beside(&self.config, own)),
            (given, _) => given.clone(),
        }
    }
}

/// What came out of a training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trained {
    /// The model's folder.
    pub model_path: PathBuf,
    /// The folder of the run.
    pub results_path: PathBuf,
    /// Metrics of the test rows (of the validation, else training rows where there are none).
    pub metrics: Measures,
    /// The baseline's metrics of the same rows; empty where it could not be fitted.
    pub baseline: Measures,
    /// Which rows were measured.
    pub measured_on: String,
    /// How many of them: a language model that is not told to answer all is measured on some.
    pub measured_rows: usize,
    /// Seconds.
    pub seconds: f64,
    /// The report, where one was written.
    pub report: Option<PathBuf>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Trains a model and writes its results folder.
///
/// # Errors
/// Anything wrong with the configuration, the data or the output folder. A failed or interrupted run leaves no model
/// folder, and no results folder if nothing was written to it; the same command goes on with a language model whose
/// training was stopped.
pub fn train(options: &TrainOptions<'_>, cx: &FitContext) -> Result<Trained> {
    run(options, cx, false)
}

/// Trains, then writes the predictions of the test rows too.
pub fn experiment(options: &TrainOptions<'_>, cx: &FitContext) -> Result<Trained> {
    run(options, cx, true)
}

fn run(options: &TrainOptions<'_>, cx: &FitContext, with_predictions: bool) -> Result<Trained> {
    let start = Instant::now();
    let config = options.config.read()?;
    let data = options.files(&config);
    if let ModelConfig::Llm(llm) = &config.model {
        return super::language::train(options, &config, llm, &data, cx, with_predictions);
    }
    let mut config = config;
    if config.hyperopt.is_some() {
        config.warnings.push("`hyperopt` is left out: `lyceum hyperopt` reads it".into());
    }
    let loaded = data.load(&config, cx.seed)?;
    let folder = results_folder(&options.output_directory, &options.experiment_name, &options.model_name)?;
    let done = fit(options, &config, loaded, &folder, cx, with_predictions, start);
    if done.is_err() {
        // Only an empty folder goes.
        let _ = std::fs::remove_dir(&folder);
    }
    done
}

/// A data path of a configuration file is relative to that file.
fn beside(config: &ConfigSource, path: &str) -> PathBuf {
    match config {
        ConfigSource::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
        ConfigSource::Text(_) => path.into(),
    }
}

pub(super) fn fit(
    options: &TrainOptions<'_>,
    config: &Config,
    loaded: Loaded,
    folder: &Path,
    cx: &FitContext,
    with_predictions: bool,
    start: Instant,
) -> Result<Trained> {
    let Loaded { raw, splits, files } = loaded;
    let material = Material::new(config, &raw, splits)?;
    drop(raw);
    let outcome = material.fit(config, cx)?;
    let (measured_on, rows) = measured(&material);
    let mut warnings = config.warnings.clone();
    let baseline = baseline(&material, config, cx, &mut warnings)?;
    let Outcome { learned, training, validation, best } = outcome;
    let about = about(config, &material, &files, cx);
    let mut model =
        TabularModel { config: Some(config.clone()), prepared: material.prepared.clone(), learned, about };
    let scores = model.scores_of(&material.encoded, &rows)?;
    let metrics = material.measure(&scores, &rows);
    model.about.metrics = metrics.clone();
    let base_scores = baseline.as_ref().map(|m| m.scores_of(&material.encoded, &rows)).transpose()?;
    let base_metrics = base_scores.as_ref().map(|s| material.measure(s, &rows)).unwrap_or_default();
    let both = base_scores.as_deref().zip(baseline.as_ref());
    let mut outputs = outputs(&material, &model, &scores, both, &rows);
    if options.keep.statistics {
        let why = explained(&material, &model, &rows, cx.seed)?;
        outputs.iter_mut().zip(why).for_each(|(o, why)| o.explained = why);
    }
    let summary = Summary {
        title: format!("{} of {}", model_title(config), names(config)),
        model_type: config.model.name().into(),
        facts: facts(&model, &files, cx),
        warnings: warnings.clone(),
        training,
        validation,
        best,
        measured_on: measured_on.into(),
        outputs,
    };
    cx.cx.check()?;
    let model_path = folder.join("model");
    if options.keep.model {
        whole_folder(&model_path, |part| model.save(part))?;
    }
    if options.keep.description {
        write_json(&folder.join("description.json"), &description(options, &model, &files, &warnings))?;
    }
    let mut report = None;
    if options.keep.statistics {
        write_json(&folder.join("training_statistics.json"), &statistics(&summary, measured_on, &metrics))?;
        write_json(&folder.join(format!("{measured_on}_statistics.json")), &metrics)?;
        write_json(&folder.join("baseline_statistics.json"), &base_metrics)?;
        report = Some(write_report(folder, &summary)?);
    }
    if with_predictions && options.keep.predictions {
        write_predictions(folder, &model.prepared.prediction_table(&scores)?)?;
    }
    Ok(Trained {
        model_path,
        results_path: folder.to_path_buf(),
        metrics,
        baseline: base_metrics,
        measured_on: measured_on.into(),
        measured_rows: rows.len(),
        seconds: start.elapsed().as_secs_f64(),
        report,
        warnings,
    })
}

/// The rows whose metrics are reported.
fn measured(material: &Material) -> (&'static str, Vec<usize>) {
    let s = &material.splits;
    match (s.test.is_empty(), s.validation.is_empty()) {
        (false, _) => ("test", s.test.clone()),
        (true, false) => ("validation", s.validation.clone()),
        (true, true) => ("training", s.training.clone()),
    }
}

/// Linear models on the same rows; absent for a linear model, which is its own, and where they cannot be fitted.
fn baseline(
    material: &Material,
    config: &Config,
    cx: &FitContext,
    warnings: &mut Vec<String>,
) -> Result<Option<TabularModel>> {
    if matches!(config.model, ModelConfig::Linear(_)) {
        return Ok(None);
    }
    match material.linear(LinearTrainer::default(), cx) {
        Ok(models) => Ok(Some(TabularModel {
            config: Some(config.clone()),
            prepared: material.prepared.clone(),
            learned: Learned::Linear(models),
            about: about(config, material, &[], cx),
        })),
        Err(e) if e.kind() == lyceum_core::ErrorKind::Cancelled => Err(e),
        Err(e) => {
            warnings.push(format!("no baseline: {e}"));
            Ok(None)
        }
    }
}

pub(super) fn about(
    config: &Config,
    material: &Material,
    files: &[(PathBuf, String)],
    cx: &FitContext,
) -> About {
    let s = &material.splits;
    let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    About {
        kind: "tabular".into(),
        model_type: config.model.name().into(),
        format: FORMAT,
        made_by: env!("CARGO_PKG_VERSION").into(),
        data: files.iter().map(|(p, _)| name(p)).collect(),
        data_sha256: files.iter().map(|(_, h)| h.clone()).collect(),
        rows: [s.training.len(), s.validation.len(), s.test.len()],
        seed: cx.seed,
        metrics: Measures::new(),
    }
}

fn names(config: &Config) -> String {
    config.outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn model_title(config: &Config) -> &'static str {
    match config.model {
        ModelConfig::Ecd { .. } => "Network",
        ModelConfig::Gbm(_) => "Boosted trees",
        ModelConfig::Linear(_) => "Linear model",
        ModelConfig::Llm(_) => "Language model",
    }
}

fn facts(model: &TabularModel, files: &[(PathBuf, String)], cx: &FitContext) -> Vec<(String, String)> {
    let [train, valid, test] = model.about.rows;
    let data: Vec<String> = files
        .iter()
        .map(|(p, h)| format!("{} (sha256 {}…)", p.display(), h.get(..12).unwrap_or(h)))
        .collect();
    let size = match &model.learned {
        Learned::Ecd(network) => format!("{} parameters", network.size()),
        Learned::Gbm(models) => format!("{} ensemble(s)", models.len()),
        Learned::Linear(models) => format!("{} linear model(s)", models.len()),
        Learned::Fitted(fitted) => fitted.entry.doc.to_string(),
    };
    let fact = |k: &str, v: String| (k.to_string(), v);
    vec![
        fact("Data", data.join(", ")),
        fact("Rows", format!("{train} training, {valid} validation, {test} test")),
        fact("Model", size),
        fact("Seed", cx.seed.to_string()),
        fact("Made by", format!("lyceum {}", env!("CARGO_PKG_VERSION"))),
    ]
}

/// Output to metric to a list, for each part; the measured part has one entry.
fn statistics(summary: &Summary, measured_on: &str, metrics: &Measures) -> serde_json::Value {
    let last: crate::fit::Curves = metrics
        .iter()
        .map(|(k, m)| (k.clone(), m.iter().map(|(n, v)| (n.clone(), vec![*v])).collect()))
        .collect();
    let test = if measured_on == "test" { last } else { crate::fit::Curves::new() };
    json!({ "training": summary.training, "validation": summary.validation, "test": test })
}

fn description(
    options: &TrainOptions<'_>,
    model: &TabularModel,
    files: &[(PathBuf, String)],
    warnings: &[String],
) -> serde_json::Value {
    let data: Vec<_> = files.iter().map(|(p, h)| json!({ "path": p, "sha256": h })).collect();
    json!({
        "command": std::env::args().collect::<Vec<_>>().join(" "),
        "lyceum_version": env!("CARGO_PKG_VERSION"),
        "random_seed": model.about.seed,
        "experiment_name": options.experiment_name,
        "model_name": options.model_name,
        "dataset": data,
        "rows": model.about.rows,
        "config": model.config.as_ref().map(|c| &c.rendered),
        "warnings": warnings,
    })
}

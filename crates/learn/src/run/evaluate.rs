//! `evaluate` and `predict`: a trained model on a table.

use super::data::Part;
use super::files::{write_json, write_predictions};
use crate::llm::{LanguageModels, is_language_model};
use crate::metrics::{Measures, measure_all};
use crate::model::{Learned, TabularModel};
use crate::predictor::load;
use lyceum_core::{Error, FitContext, Result};
use lyceum_data::{Raw, Splits, read};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Which model, on what.
#[derive(Clone)]
pub struct EvaluateOptions<'a> {
    /// The model's folder.
    pub model_path: PathBuf,
    /// The table.
    pub dataset: PathBuf,
    /// Which rows, divided as in training.
    pub part: Part,
    /// Where files go; absent writes none.
    pub output_directory: Option<PathBuf>,
    /// What predictions come with.
    pub why: Why,
    /// A file with settings of how a language model answers, over its own.
    pub generation: Option<PathBuf>,
    /// Asks language models, where the caller can.
    pub llm: Option<&'a dyn LanguageModels>,
}

/// What is told of why predictions are what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Why {
    /// The shares of the features.
    pub contributions: bool,
    /// What pairs of features share.
    pub interactions: bool,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    /// Metrics, where the wanted outputs are in the table.
    pub metrics: Measures,
    /// Rows.
    pub rows: usize,
    /// Seconds.
    pub seconds: f64,
    /// The predictions' file, where one was written.
    pub predictions_path: Option<PathBuf>,
}

/// Measures a model on a table that has the wanted outputs.
pub fn evaluate(options: &EvaluateOptions<'_>, cx: &FitContext) -> Result<Evaluated> {
    run(options, cx, true)
}

/// Predicts every row; metrics are there when the table has the wanted outputs.
pub fn predict(options: &EvaluateOptions<'_>, cx: &FitContext) -> Result<Evaluated> {
    run(options, cx, false)
}

fn run(options: &EvaluateOptions<'_>, cx: &FitContext, must_measure: bool) -> Result<Evaluated> {
    if is_language_model(&options.model_path) {
        if options.why != Why::default() {
            let e = Error::unsupported("a language model does not tell the shares of its features");
            return Err(e.in_file(&options.model_path));
        }
        return super::language::evaluate(options, cx, must_measure);
    }
    if let Some(file) = &options.generation {
        let e = Error::invalid("only a language model takes a generation configuration");
        return Err(e.at_key("generation_config").in_file(file));
    }
    let start = Instant::now();
    let predictor = load(&options.model_path)?;
    let raw = read(&options.dataset)?;
    let rows = rows(predictor.model(), &raw, options.part)?;
    cx.cx.check()?;
    let missing = predictor.model().prepared.missing_inputs(&raw);
    if let Some(first) = missing.first() {
        raw.column(first)?;
    }
    let model = predictor.model();
    let encoded = model.encode(&raw)?;
    let scores = model.scores_of(&encoded, &rows)?;
    let why = options.why;
    let shares = if why.contributions { model.contributions_of(&encoded, &rows)? } else { Vec::new() };
    let pairs = if why.interactions { model.interactions_of(&encoded, &rows)? } else { Vec::new() };
    let has_outputs = model.prepared.outputs.iter().all(|o| raw.get(&o.column).is_some());
    let metrics = if must_measure || has_outputs {
        measure_all(&model.prepared, &scores, &model.wanted(&raw)?, &rows)
    } else {
        Measures::new()
    };
    let mut predictions_path = None;
    if let Some(folder) = &options.output_directory {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
        if !must_measure {
            let mut table = model.prepared.prediction_table(&scores)?;
            for shares in &shares {
                shares.add_to(&mut table)?;
            }
            for pairs in &pairs {
                pairs.add_to(&mut table)?;
            }
            predictions_path = Some(write_predictions(folder, &table)?);
        }
        if !metrics.is_empty() {
            write_json(&folder.join("test_statistics.json"), &metrics)?;
        }
    }
    Ok(Evaluated { metrics, rows: rows.len(), seconds: start.elapsed().as_secs_f64(), predictions_path })
}

/// The rows of a part, divided by the model's own rule and seed.
pub(super) fn rows(model: &TabularModel, raw: &Raw, part: Part) -> Result<Vec<usize>> {
    if part == Part::Full {
        return Ok((0..raw.rows()).collect());
    }
    let seed = model.about.seed;
    let (usable, within) = match (&model.learned, &model.config) {
        (Learned::Fitted(fitted), _) => {
            let (usable, labels) = fitted.columns.target.labels(raw)?;
            (usable, fitted.division.divide(&labels.target, seed)?)
        }
        (_, Some(config)) => {
            let usable = crate::prepared::usable_rows(config, raw)?;
            let within = Splits::new(&config.split, &raw.take(&usable), seed)?;
            (usable, within)
        }
        (_, None) => return Err(Error::internal("a model without a configuration")),
    };
    let places = match part {
        Part::Training => within.training,
        Part::Validation => within.validation,
        _ => within.test,
    };
    let mut rows: Vec<usize> = places.into_iter().filter_map(|p| usable.get(p).copied()).collect();
    rows.sort_unstable();
    if rows.is_empty() {
        return Err(raw.place(Error::invalid("this part of the table has no rows")));
    }
    Ok(rows)
}

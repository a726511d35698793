//! `evaluate` and `predict` for a language model.

use super::train::measures;
use super::{extractor, models, open, prompts};
use crate::llm::{LlmModel, Rows, Sample, With, measure, prediction_table};
use crate::metrics::Measures;
use crate::run::data::Part;
use crate::run::evaluate::{EvaluateOptions, Evaluated};
use crate::run::files::{write_json, write_predictions};
use lyceum_core::{Error, FitContext, Result};
use lyceum_data::{Splits, read};
use std::time::Instant;

/// Asks the rows; metrics are there when they must be, or when every row has an answer.
pub(in crate::run) fn run(
    options: &EvaluateOptions<'_>,
    cx: &FitContext,
    must_measure: bool,
) -> Result<Evaluated> {
    let start = Instant::now();
    let models = models(options.llm)?;
    let model = LlmModel::load(&options.model_path)?;
    let model = match &options.generation {
        Some(file) => model.with_generation(file)?,
        None => model,
    };
    let llm = model.llm()?;
    let raw = read(&options.dataset)?;
    let rows = Rows::new(llm, &raw, model.about.rendering)?;
    if must_measure {
        rows.need_answers(llm)?;
    }
    let chosen = chosen(options.part, &model, &rows, &raw, must_measure)?;
    let speaker = open(models, llm, model.adapter.as_deref(), cx)?;
    let prompts = prompts(&rows, &chosen, &*speaker)?;
    let said = speaker.answer(&prompts, &model.about.speech(llm), cx)?;
    let extractor = extractor(llm, &model.about.labels)?;
    let samples: Vec<Sample> = rows.samples(&chosen)?;
    let metrics = if samples.len() == chosen.len() && !samples.is_empty() {
        let likelihood = speaker.likelihood(&samples, With::Adapter, cx)?;
        let wanted: Vec<String> = samples.into_iter().map(|s| s.answer).collect();
        measures(&llm.output.name, measure(models, &said, &wanted, &likelihood, extractor.as_ref()))
    } else {
        Measures::new()
    };
    let mut predictions_path = None;
    if let Some(folder) = &options.output_directory {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
        if !must_measure {
            let table = prediction_table(&llm.output.name, &said, extractor.as_ref())?;
            predictions_path = Some(write_predictions(folder, &table)?);
        }
        if !metrics.is_empty() {
            write_json(&folder.join("test_statistics.json"), &metrics)?;
        }
    }
    Ok(Evaluated { metrics, rows: said.len(), seconds: start.elapsed().as_secs_f64(), predictions_path })
}

/// The rows of a part, divided by the model's own rule and seed; those with an answer where they are measured.
fn chosen(
    part: Part,
    model: &LlmModel,
    rows: &Rows<'_>,
    raw: &lyceum_data::Raw,
    must_measure: bool,
) -> Result<Vec<usize>> {
    let usable = rows.answered();
    let chosen = match part {
        Part::Full if must_measure => usable?,
        Part::Full => (0..raw.rows()).collect(),
        _ => {
            let usable = usable?;
            let within = Splits::divide(&model.config.split, &raw.take(&usable), model.about.seed)?;
            let places = match part {
                Part::Training => within.training,
                Part::Validation => within.validation,
                _ => within.test,
            };
            places.into_iter().filter_map(|p| usable.get(p).copied()).collect()
        }
    };
    if chosen.is_empty() {
        let what =
            if part == Part::Full { "no row has an answer" } else { "this part of the table has no rows" };
        return Err(raw.place(Error::invalid(what)));
    }
    Ok(chosen)
}

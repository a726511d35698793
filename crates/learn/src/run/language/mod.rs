//! The verbs for `model_type: llm`: rows become prompts, whoever the caller handed in teaches and answers, answers
//! become metrics and predictions.

mod evaluate;
mod facts;
mod train;
mod work;

pub(super) use evaluate::run as evaluate;
pub(super) use train::run as train;

use crate::config::{Answer, LlmConfig};
use crate::llm::{Extractor, LanguageModels, Rows, Speaker};
use crate::run::train::ConfigSource;
use lyceum_core::{Error, ErrorKind, FitContext, Prompt, Result};
use std::path::Path;

/// Whoever the caller handed in.
fn models(given: Option<&dyn LanguageModels>) -> Result<&dyn LanguageModels> {
    given.ok_or_else(|| {
        Error::unsupported("language models are neither taught nor asked here").at_key("model_type")
    })
}

/// Opens the base; an unknown one is named at its place in the configuration.
fn open(
    models: &dyn LanguageModels,
    config: &LlmConfig,
    adapter: Option<&Path>,
    cx: &FitContext,
) -> Result<Box<dyn Speaker>> {
    models.open(&config.base_model, adapter, cx).map_err(|e| at_base(e, config))
}

/// Names the base model's place in an error about a model that is not there.
fn at_base(e: Error, config: &LlmConfig) -> Error {
    let (line, column) = config.base_model_at;
    if e.kind() != ErrorKind::NotFound || e.at().file.is_some() || e.at().key.is_some() {
        return e;
    }
    let e = e.at_key("base_model");
    if line > 0 { e.on_line_column(line, column) } else { e }
}

/// Names the configuration's file in an error that knows a line of it.
fn in_config(e: Error, source: &ConfigSource) -> Error {
    let of_config = matches!(e.at().key.as_deref(), Some("base_model" | "prompt.template"));
    match source {
        ConfigSource::File(file) if of_config && e.at().file.is_none() => e.in_file(file),
        _ => e,
    }
}

/// The prompts of some rows, each short enough to be answered.
fn prompts(rows: &Rows<'_>, chosen: &[usize], speaker: &dyn Speaker) -> Result<Vec<Prompt>> {
    let one = |row: &usize| {
        let prompt = rows.prompt(*row)?;
        speaker.fits(&prompt).map_err(|e| rows.place(e, *row))?;
        Ok(prompt)
    };
    chosen.iter().map(one).collect()
}

/// What makes labels of answers, for an output of type category.
fn extractor(config: &LlmConfig, labels: &[String]) -> Result<Option<Extractor>> {
    match &config.answer {
        Answer::Text => Ok(None),
        Answer::Category(extraction) => extraction.extractor(labels).map(Some),
    }
}

//! Learning an adapter within a project, from JSON Lines.

use crate::language::{MAX_LENGTH, no_adapter, rounded, settings, training};
use lyceum_core::{Context, Error, Progress, Result};
use lyceum_learn::config::LlmConfig;
use lyceum_models::Loaded;
use lyceum_tensor::Pool;
use lyceum_train::lm::{Example, Finetune, FinetuneReport, finetune, read_examples};
use std::path::Path;
use std::sync::Arc;

/// What an adapter is learnt from.
pub(crate) struct Source<'a> {
    /// Examples, JSON Lines.
    pub(crate) data: &'a Path,
    /// Examples on which it is evaluated while training.
    pub(crate) valid: Option<&'a Path>,
    /// Fixes every random choice.
    pub(crate) seed: u64,
}

/// Teaches the adapter of an `llm` section over a base model; writes a PEFT folder to `output`.
pub(crate) fn adapter_from_llm(
    config: &LlmConfig,
    base: &Loaded,
    source: &Source<'_>,
    output: &Path,
    progress: &Arc<dyn Progress>,
    cx: &Context,
) -> Result<FinetuneReport> {
    let adapter = config.adapter.as_ref().ok_or_else(no_adapter)?;
    if config.prompt.template.is_some() {
        let message =
            "a project's adapter learns from conversations in JSON Lines, without a prompt of its own";
        return Err(Error::unsupported(message)
            .at_key("prompt")
            .hint("`lyceum train` takes a prompt and a table"));
    }
    let rounded = rounded(config, base)?;
    let base = rounded.as_ref().unwrap_or(base);
    let length = config.max_length.unwrap_or(MAX_LENGTH).min(base.spec.context);
    let read = |path: &Path| -> Result<Vec<Example>> { read_examples(path, &base.text, length, false) };
    let examples = read(source.data)?;
    let valid = source.valid.map(read).transpose()?.unwrap_or_default();
    let training = training(&config.trainer, source.seed)?;
    let job = Finetune {
        spec: &base.spec,
        weights: &base.weights,
        base_name: &config.base_model,
        base_fingerprint: &base.info.fingerprint,
        examples: &examples,
        valid: &valid,
        adapter: &settings(adapter),
        training: &training,
    };
    finetune(&job, output, Pool::global(), progress, cx)
}

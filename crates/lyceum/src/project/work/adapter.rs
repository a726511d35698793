//! Learning an adapter: from the `llm` section of a configuration to a training run.

use lyceum_core::{Context, Error, Progress, Result};
use lyceum_learn::config::{Adapter, LlmConfig, LlmTrainer};
use lyceum_models::Loaded;
use lyceum_tensor::Pool;
use lyceum_train::lm::{
    AdapterSettings, Example, Finetune, FinetuneReport, Targets, Training, finetune, read_examples,
};
use lyceum_train::{Decay, Optimizer, OptimizerKind};
use std::path::Path;
use std::sync::Arc;

/// Tokens of an example where the configuration says nothing.
const MAX_LENGTH: usize = 512;

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
    let adapter = config.adapter.as_ref().ok_or_else(|| {
        Error::unsupported("a language model is taught through an adapter")
            .at_key("adapter")
            .hint("add `adapter: {type: lora}`")
    })?;
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

fn settings(adapter: &Adapter) -> AdapterSettings {
    AdapterSettings {
        r: adapter.r,
        alpha: adapter.alpha as f32,
        dropout: adapter.dropout as f32,
        use_rslora: adapter.use_rslora,
        target_modules: adapter.target_modules.clone().map_or(Targets::AllLinear, Targets::Suffixes),
    }
}

fn training(trainer: &LlmTrainer, seed: u64) -> Result<Training> {
    let decay = trainer.decay.as_deref().map_or(Ok(Decay::Constant), Decay::from_name)?;
    Ok(Training {
        steps: trainer.train_steps.unwrap_or(0) as u64,
        epochs: trainer.epochs as u64,
        batch_size: trainer.batch_size * trainer.gradient_accumulation_steps.max(1),
        learning_rate: trainer.learning_rate,
        decay,
        warmup_fraction: trainer.warmup_fraction,
        optimizer: Optimizer {
            weight_decay: trainer.weight_decay as f32,
            ..Optimizer::new(OptimizerKind::Adamw)
        },
        max_grad_norm: trainer.clip_global_norm.unwrap_or(0.0) as f32,
        eval_every: 0,
        early_stop: trainer.early_stop.unwrap_or(0) as u64,
        seed,
    })
}

//! From samples and the `llm` section of a configuration to a training run.

use lyceum_core::{Error, ErrorKind, FitContext, Message, Prompt, Result};
use lyceum_learn::config::{Adapter, LlmConfig, LlmTrainer};
use lyceum_learn::llm::{Lesson, Sample, Taught};
use lyceum_models::{Loaded, Text};
use lyceum_tensor::{Format, Pool};
use lyceum_train::lm::{AdapterSettings, Example, Finetune, Targets, Training, finetune};
use lyceum_train::{Decay, Optimizer, OptimizerKind};
use std::path::Path;

/// Tokens of an example where the configuration says nothing.
pub(crate) const MAX_LENGTH: usize = 512;

/// Teaches the adapter of an `llm` section over a base model; writes a PEFT folder to `output`.
pub(super) fn teach(
    config: &LlmConfig,
    base: &Loaded,
    lesson: &Lesson,
    output: &Path,
    cx: &FitContext,
) -> Result<Taught> {
    let adapter = config.adapter.as_ref().ok_or_else(no_adapter)?;
    let length = config.max_length.unwrap_or(MAX_LENGTH).min(base.spec.context);
    let (lessons, left_out) = examples(&base.text, &lesson.training, length, cx)?;
    let (valid, valid_left_out) = examples(&base.text, &lesson.validation, length, cx)?;
    if lessons.is_empty() {
        let message = format!("no answer of the {left_out} training rows lies within {length} tokens");
        return Err(Error::invalid(message)
            .at_key("input_features[0].preprocessing.max_sequence_length")
            .hint("raise it, or shorten the prompts"));
    }
    let longest_answer = lessons.iter().map(Example::counted).max().unwrap_or(0);
    let training = training(&config.trainer, cx.seed)?;
    training.check()?;
    let rounded = rounded(config, base)?;
    let base = rounded.as_ref().unwrap_or(base);
    let job = Finetune {
        spec: &base.spec,
        weights: &base.weights,
        base_name: &config.base_model,
        base_fingerprint: &base.info.fingerprint,
        examples: &lessons,
        valid: &valid,
        adapter: &settings(adapter),
        training: &training,
    };
    let report = finetune(&job, output, Pool::global(), &cx.progress, &cx.cx)?;
    Ok(Taught {
        loss: report.loss,
        validation_loss: report.validation_loss,
        left_out: left_out + valid_left_out,
        longest_answer,
        parameters: report.trainable_parameters,
        seconds: report.seconds,
        tokens_per_second: report.tokens_per_second,
        peak_rss_mb: report.peak_rss_mb,
    })
}

/// The base as `quantization.bits` wants it while it is trained over: NF4, or Q8_0 from 5 bits on. Nothing when it
/// stays as it is stored: without that setting, or quantised already.
pub(crate) fn rounded(config: &LlmConfig, base: &Loaded) -> Result<Option<Loaded>> {
    let bits = config.quantization_bits.filter(|_| base.weights.main_format().is_float());
    let Some(bits) = bits else { return Ok(None) };
    let format = if bits <= 4 { Format::NF4 } else { Format::Q8_0 };
    let e = |e: Error| e.at_key("quantization.bits");
    base.clone().quantized(format, Pool::global()).map(Some).map_err(e)
}

/// What a configuration without an adapter is told.
pub(crate) fn no_adapter() -> Error {
    Error::unsupported("a language model is taught through an adapter")
        .at_key("adapter")
        .hint("add `adapter: {type: lora}`")
}

/// Samples as tokens, and how many are left out since their answer lies beyond `length`.
fn examples(
    text: &Text,
    samples: &[Sample],
    length: usize,
    cx: &FitContext,
) -> Result<(Vec<Example>, usize)> {
    let mut out = Vec::with_capacity(samples.len());
    for sample in samples {
        cx.cx.check()?;
        match example(text, sample)?.cut(length) {
            Ok(example) => out.push(example),
            Err(e) if e.kind() == ErrorKind::Invalid => {}
            Err(e) => return Err(e),
        }
    }
    let left_out = samples.len() - out.len();
    Ok((out, left_out))
}

/// A sample as tokens, uncut.
pub(super) fn example(text: &Text, sample: &Sample) -> Result<Example> {
    match &sample.prompt {
        Prompt::Text(prompt) => Example::of_text(text, prompt, &sample.answer),
        Prompt::Chat(messages, _) => {
            let mut whole = messages.clone();
            whole.push(Message::assistant(sample.answer.as_str()));
            Example::of_conversation(text, &whole, false)
        }
        Prompt::Tokens(_) => Err(Error::internal("a sample of bare tokens")),
    }
}

/// An adapter's settings.
pub(crate) fn settings(adapter: &Adapter) -> AdapterSettings {
    AdapterSettings {
        r: adapter.r,
        alpha: adapter.alpha as f32,
        dropout: adapter.dropout as f32,
        use_rslora: adapter.use_rslora,
        use_dora: adapter.use_dora,
        target_modules: adapter.target_modules.clone().map_or(Targets::AllLinear, Targets::Suffixes),
    }
}

/// The loop's settings.
pub(crate) fn training(trainer: &LlmTrainer, seed: u64) -> Result<Training> {
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

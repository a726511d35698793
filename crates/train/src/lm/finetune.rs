//! LoRA and QLoRA: an adapter learnt over a base that stays as it is stored, quantised or not.

use super::training::{History, Run};
use super::{AdapterSettings, Example, Network, Training, adapter};
use crate::peak_rss_mb;
use lyceum_core::{Context, Progress, Result, write_atomic};
use lyceum_data::content_hash;
use lyceum_models::{DecoderSpec, DecoderWeights};
use lyceum_tensor::Pool;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// An adapter to be learnt.
pub struct Finetune<'a> {
    /// Architecture of the base.
    pub spec: &'a DecoderSpec,
    /// Weights of the base.
    pub weights: &'a DecoderWeights,
    /// Name of the base, for `adapter_config.json`.
    pub base_name: &'a str,
    /// Hash of the base: a checkpoint over another is not taken up.
    pub base_fingerprint: &'a str,
    /// What is learnt from.
    pub examples: &'a [Example],
    /// On what it is evaluated while training; may be empty.
    pub valid: &'a [Example],
    /// The adapter.
    pub adapter: &'a AdapterSettings,
    /// The loop.
    pub training: &'a Training,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct FinetuneReport {
    /// Mean loss of each step, nats per token.
    pub loss: Vec<f32>,
    /// (step, loss) on the validation examples.
    pub validation_loss: Vec<(u64, f32)>,
    /// Tokens read by the second, over all steps.
    pub tokens_per_second: f64,
    /// Seconds of the fastest step.
    pub seconds_per_step: f64,
    /// Seconds of all steps.
    pub seconds: f64,
    /// Trained numbers.
    pub trainable_parameters: usize,
    /// Largest resident size of the process, MiB.
    pub peak_rss_mb: u64,
}

impl FinetuneReport {
    pub(super) fn new(history: History, trainable_parameters: usize) -> Self {
        Self {
            tokens_per_second: history.tokens as f64 / history.seconds.max(1e-9),
            seconds_per_step: history.best_step_seconds,
            seconds: history.seconds,
            loss: history.loss,
            validation_loss: history.valid,
            trainable_parameters,
            peak_rss_mb: peak_rss_mb(),
        }
    }
}

/// Learns an adapter and writes it to `output` as a PEFT folder, with `training_report.json` beside. While it runs,
/// checkpoints live in `output/checkpoints`; a run that was killed goes on from there.
pub fn finetune(
    job: &Finetune<'_>,
    output: &Path,
    pool: &Pool,
    progress: &Arc<dyn Progress>,
    cx: &Context,
) -> Result<FinetuneReport> {
    job.training.check()?;
    let seed = job.training.seed;
    let (network, mut parameters) = Network::with_adapter(job.spec, job.weights, job.adapter, seed)?;
    let run = Run {
        pool,
        network: &network,
        training: job.training,
        examples: job.examples,
        valid: job.valid,
        folder: Some(output.join("checkpoints")),
        fingerprint: fingerprint(job)?,
        progress,
        cx,
        show: &|_| {},
    };
    let history = run.run(&mut parameters)?;
    adapter::write(output, job.base_name, job.adapter, network.low(), &parameters)?;
    let report = FinetuneReport::new(history, parameters.count());
    let text = serde_json::to_vec_pretty(&report)
        .map_err(|e| lyceum_core::Error::internal(format!("training report: {e}")))?;
    write_atomic(output.join("training_report.json"), &text)?;
    run.forget()?;
    Ok(report)
}

/// Hash of all that decides the result.
fn fingerprint(job: &Finetune<'_>) -> Result<String> {
    let settings = serde_json::to_vec(&(job.adapter, job.training, job.base_fingerprint))
        .map_err(|e| lyceum_core::Error::internal(format!("settings: {e}")))?;
    let mut bytes = settings;
    for e in job.examples.iter().chain(job.valid) {
        bytes.extend(e.ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend(e.weights.iter().flat_map(|w| w.to_le_bytes()));
    }
    Ok(content_hash(&bytes))
}

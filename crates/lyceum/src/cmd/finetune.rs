//! `lyceum finetune`: learns an adapter over a base model.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result};
use lyceum_tensor::{Format, Pool};
use lyceum_train::lm::{AdapterSettings, Finetune as Job, Targets, Training, finetune, read_examples};
use lyceum_train::{Decay, Optimizer, OptimizerKind};
use std::path::PathBuf;

/// Learn a LoRA adapter over a base model that stays as it is stored
///
/// The data is JSON Lines of {"prompt", "completion"} or {"messages"}; the output a PEFT folder.
#[derive(Args)]
pub(crate) struct Finetune {
    /// Base model: a pulled name, a GGUF file or a safetensors folder
    #[arg(long)]
    model: String,
    /// Training examples, JSON Lines
    #[arg(long)]
    data: PathBuf,
    /// Examples on which it is evaluated after each epoch
    #[arg(long)]
    valid: Option<PathBuf>,
    /// Folder for the adapter
    #[arg(long)]
    output: PathBuf,
    /// Rank of the adapter
    #[arg(long, default_value_t = 8)]
    rank: usize,
    /// Numerator of the adapter's scale [default: twice the rank]
    #[arg(long)]
    alpha: Option<f32>,
    /// Drop-out of the adapter's input
    #[arg(long, default_value_t = 0.0)]
    dropout: f32,
    /// Scale by alpha / sqrt(rank)
    #[arg(long)]
    use_rslora: bool,
    /// Learn the length of each row of the changed matrices apart from its direction (DoRA)
    #[arg(long)]
    use_dora: bool,
    /// Round the frozen matrices of a base in floating point to save memory: nf4, q8_0, q4_1 or q4_0
    #[arg(long, value_name = "FORMAT")]
    quantize: Option<String>,
    /// Layers that get an adapter: all-linear, or suffixes such as q_proj,v_proj
    #[arg(long, default_value = "all-linear")]
    target_modules: String,
    /// Examples a step
    #[arg(long, default_value_t = 4)]
    batch_size: usize,
    /// Longest sequence in tokens; longer ones are cut
    #[arg(long, default_value_t = 256)]
    max_length: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 1e-4)]
    learning_rate: f64,
    /// constant, linear, cosine, inverse_sqrt or wsd
    #[arg(long, default_value = "linear")]
    schedule: String,
    /// Share of the steps that warm up
    #[arg(long, default_value_t = 0.03)]
    warmup_fraction: f64,
    /// sgd, adam, adamw, lion, …
    #[arg(long, default_value = "adamw")]
    optimizer: String,
    /// Weight decay
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f32,
    /// Largest global norm of the gradients; 0 clips nothing
    #[arg(long, default_value_t = 1.0)]
    max_grad_norm: f32,
    /// Steps [default: as --epochs says]
    #[arg(long)]
    steps: Option<u64>,
    /// Passes over the data
    #[arg(long, default_value_t = 3)]
    epochs: u64,
    /// Stop after this many evaluations without a better loss; 0 never
    #[arg(long, default_value_t = 0)]
    early_stop: u64,
    /// Fixes every random choice
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads [default: one a processor]
    #[arg(long)]
    threads: Option<usize>,
    /// Count the prompt's tokens in the loss too
    #[arg(long)]
    train_on_prompt: bool,
}

/// Formats that a frozen base may be rounded to.
const FROZEN: [(&str, Format); 4] =
    [("nf4", Format::NF4), ("q8_0", Format::Q8_0), ("q4_1", Format::Q4_1), ("q4_0", Format::Q4_0)];

fn frozen_format(name: &str) -> Result<Format> {
    let lower = name.to_lowercase();
    FROZEN.iter().find(|(n, _)| *n == lower).map(|(_, f)| *f).ok_or_else(|| {
        let known = FROZEN.map(|(n, _)| n);
        Error::invalid(format!("a base cannot be rounded to `{name}`; known are {}", known.join(", ")))
            .at_key("--quantize")
            .did_you_mean(&lower, known)
    })
}

impl Finetune {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        if let Some(threads) = self.threads {
            Pool::init_global(threads);
        }
        let training = self.training()?;
        training.check()?;
        let adapter = self.adapter();
        adapter.check()?;
        let rounded = self.quantize.as_deref().map(frozen_format).transpose()?;
        let path = lyceum_store::Home::open()?.resolve(&self.model)?;
        let mut base = lyceum_models::load(&path)?;
        if let Some(format) = rounded {
            base = base.quantized(format, Pool::global()).map_err(|e| e.at_key("--quantize"))?;
        }
        let read = |file: &PathBuf| read_examples(file, &base.text, self.max_length, self.train_on_prompt);
        let examples = read(&self.data)?;
        let valid = self.valid.as_ref().map(read).transpose()?.unwrap_or_default();
        let job = Job {
            spec: &base.spec,
            weights: &base.weights,
            base_name: &self.model,
            base_fingerprint: &base.info.fingerprint,
            examples: &examples,
            valid: &valid,
            adapter: &adapter,
            training: &training,
        };
        let report = ui.cancellable(|cx| finetune(&job, &self.output, Pool::global(), &ui.progress(), cx))?;
        ui.result(&report, |r| {
            format!(
                "adapter in {}: loss {:.4} after {} steps, {:.1} s, {:.0} tokens/s, peak memory {} MB",
                self.output.display(),
                r.loss.last().copied().unwrap_or(f32::NAN),
                r.loss.len(),
                r.seconds,
                r.tokens_per_second,
                r.peak_rss_mb
            )
        })
    }

    fn adapter(&self) -> AdapterSettings {
        AdapterSettings {
            r: self.rank,
            alpha: self.alpha.unwrap_or(2.0 * self.rank as f32),
            dropout: self.dropout,
            use_rslora: self.use_rslora,
            use_dora: self.use_dora,
            target_modules: Targets::parse(&self.target_modules),
        }
    }

    fn training(&self) -> Result<Training> {
        let kind = OptimizerKind::from_name(&self.optimizer)?;
        Ok(Training {
            steps: self.steps.unwrap_or(0),
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            decay: Decay::from_name(&self.schedule)?,
            warmup_fraction: self.warmup_fraction,
            optimizer: Optimizer { weight_decay: self.weight_decay, ..Optimizer::new(kind) },
            max_grad_norm: self.max_grad_norm,
            eval_every: 0,
            early_stop: self.early_stop,
            seed: self.seed,
        })
    }
}

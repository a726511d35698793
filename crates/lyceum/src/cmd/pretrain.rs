//! `lyceum pretrain`: a small language model from nothing.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use lyceum_train::lm::{Pretrain as Job, Shape, Training, pretrain};
use lyceum_train::{Decay, Optimizer, OptimizerKind};
use std::path::PathBuf;

/// Learn a vocabulary and a small Llama from text files, with samples shown as it learns
#[derive(Args)]
pub(crate) struct Pretrain {
    /// Text files, or folders of them
    #[arg(long, required = true, num_args = 1..)]
    text: Vec<PathBuf>,
    /// Folder for the model
    #[arg(long)]
    output: PathBuf,
    /// Size of the vocabulary
    #[arg(long, default_value_t = Shape::default().vocab_size)]
    vocab_size: usize,
    /// Width of the hidden state
    #[arg(long, default_value_t = Shape::default().hidden_size)]
    hidden_size: usize,
    /// Width inside the MLP
    #[arg(long, default_value_t = Shape::default().intermediate_size)]
    intermediate_size: usize,
    /// Blocks
    #[arg(long, default_value_t = Shape::default().num_hidden_layers)]
    layers: usize,
    /// Heads
    #[arg(long, default_value_t = Shape::default().num_attention_heads)]
    heads: usize,
    /// Longest sequence in tokens
    #[arg(long, default_value_t = Shape::default().context)]
    context: usize,
    /// Sequences a step
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Steps
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Steps between evaluations, each with a sample
    #[arg(long, default_value_t = 50)]
    eval_every: u64,
    /// Highest learning rate
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// What the samples begin with
    #[arg(long, default_value = "The ")]
    sample: String,
    /// Fixes every random choice
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads [default: one a processor]
    #[arg(long)]
    threads: Option<usize>,
}

impl Pretrain {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        if let Some(threads) = self.threads {
            Pool::init_global(threads);
        }
        let shape = self.shape()?;
        let training = Training {
            steps: self.steps,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            decay: Decay::Cosine,
            warmup_fraction: 0.05,
            optimizer: Optimizer { weight_decay: 0.1, beta2: 0.95, ..Optimizer::new(OptimizerKind::Adamw) },
            eval_every: self.eval_every,
            seed: self.seed,
            ..Training::default()
        };
        let job = Job { texts: &self.text, shape, training: &training, sample: &self.sample };
        let report = ui.cancellable(|cx| pretrain(&job, &self.output, Pool::global(), &ui.progress(), cx))?;
        ui.result(&report, |r| {
            format!(
                "model in {}: {} parameters, loss {:.3}, {:.0} tokens/s\n{:?}",
                self.output.display(),
                r.training.trainable_parameters,
                r.training.loss.last().copied().unwrap_or(f32::NAN),
                r.training.tokens_per_second,
                r.sample
            )
        })
    }

    fn shape(&self) -> Result<Shape> {
        let wrong = |key: &str, what: String| Err(Error::invalid(what).at_key(key));
        if self.heads == 0 || !self.hidden_size.is_multiple_of(2 * self.heads) {
            let (h, n) = (self.hidden_size, self.heads);
            return wrong("--hidden-size", format!("{h} must be a multiple of twice the {n} heads"));
        }
        if self.vocab_size < 257 {
            return wrong(
                "--vocab-size",
                format!("{} is less than the 256 bytes and the end token", self.vocab_size),
            );
        }
        if self.layers == 0 || self.context < 8 || self.intermediate_size == 0 {
            return wrong("--layers", "a model wants at least one layer and a context of 8".into());
        }
        Ok(Shape {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            context: self.context,
        })
    }
}

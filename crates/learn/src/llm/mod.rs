//! Language models as the verbs see them: rows of a table become prompts and wanted answers, answers become
//! predictions and metrics. Nothing here runs or trains a model: the caller hands in a [`LanguageModels`].

mod extract;
mod folder;
mod measure;
mod predictions;
mod rows;
mod template;

pub use extract::{Extraction, Extractor, Pattern, UNKNOWN, compile};
pub(crate) use folder::WEIGHTS;
pub use folder::{LlmAbout, LlmModel, is_language_model};
pub(crate) use measure::losses;
pub use measure::{Measured, measure};
pub use predictions::prediction_table;
pub use rows::{Rendering, Rows};
pub use template::{Fill, Template};

use crate::config::LlmConfig;
use lyceum_core::{FitContext, Prompt, Result, Sampling};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is asked, and the answer that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What the model reads: plain text, or a conversation that its chat template renders.
    pub prompt: Prompt,
    /// What it is to say; an end token follows it.
    pub answer: String,
}

/// What an adapter is learnt from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lesson {
    /// Samples to learn from.
    pub training: Vec<Sample>,
    /// Samples that decide when to stop and which state is kept; may be empty.
    pub validation: Vec<Sample>,
}

/// What came of teaching.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// Mean loss of each step, nats a token of the answers.
    pub loss: Vec<f32>,
    /// Step and loss of each look at the validation samples.
    pub validation_loss: Vec<(u64, f32)>,
    /// Samples whose answer lies beyond the longest sequence, which were left out.
    pub left_out: usize,
    /// Tokens of the longest answer, its end token included.
    pub longest_answer: usize,
    /// Numbers that were trained.
    pub parameters: usize,
    /// Seconds of all steps.
    pub seconds: f64,
    /// Tokens read by the second.
    pub tokens_per_second: f64,
    /// Largest resident size of the process, MiB.
    pub peak_rss_mb: u64,
}

/// How an answer is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// Most tokens.
    pub max_new_tokens: usize,
    /// How tokens are chosen; each prompt's seed is this one's plus its place.
    pub sampling: Sampling,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Its text.
    pub text: String,
    /// Its tokens, the end token included.
    pub tokens: usize,
    /// Its log-probability: the sum over its tokens, natural logarithm.
    pub logprob: f64,
}

/// How likely a wanted answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likelihood {
    /// Negative log-probability of the answer with its end token, nats.
    pub nll: f64,
    /// Tokens that count.
    pub tokens: f64,
}

/// Which of an opened model's two selves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// The base alone.
    Base,
    /// The base with its adapter, where there is one.
    Adapter,
}

/// Whoever can teach language models and open them.
pub trait LanguageModels: Send + Sync {
    /// Learns an adapter over the configuration's base model and writes it to `folder`, which exists, as a PEFT folder.
    /// Checkpoints lie within the folder, so that a stopped run goes on when this is called again with the same.
    fn teach(&self, config: &LlmConfig, lesson: &Lesson, folder: &Path, cx: &FitContext) -> Result<Taught>;

    /// Opens a base model, perhaps with an adapter's folder.
    fn open(&self, base: &str, adapter: Option<&Path>, cx: &FitContext) -> Result<Box<dyn Speaker>>;

    /// What an answer is worth beside the wanted one: names of metrics with values from 0 to 1.
    fn compare(&self, answer: &str, wanted: &str) -> Vec<(&'static str, f64)>;
}

/// An opened language model.
pub trait Speaker {
    /// Fails when a prompt leaves no room for an answer.
    fn fits(&self, prompt: &Prompt) -> Result<()>;

    /// Answers each prompt with what was opened, in their order.
    fn answer(&self, prompts: &[Prompt], how: &Speech, cx: &FitContext) -> Result<Vec<Said>>;

    /// How likely each sample's answer is, in their order.
    fn likelihood(&self, samples: &[Sample], with: With, cx: &FitContext) -> Result<Vec<Likelihood>>;
}

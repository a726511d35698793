//! What a LoRAX server answers.

use serde::{Deserialize, Serialize};

/// The answer of `/generate`; `/` wraps it into a list of one.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct Generated {
    pub generated_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// How the text came about.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct Details {
    pub finish_reason: &'static str,
    pub prompt_tokens: usize,
    pub generated_tokens: usize,
    pub skipped_tokens: usize,
    pub seed: Option<u64>,
    pub prefill: Vec<PrefillToken>,
    pub tokens: Vec<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_of_sequences: Option<Vec<BestOf>>,
}

/// A sequence that was not the best.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct BestOf {
    pub generated_text: String,
    pub finish_reason: &'static str,
    pub generated_tokens: usize,
    pub seed: Option<u64>,
    pub prefill: Vec<PrefillToken>,
    pub tokens: Vec<Token>,
}

/// A token of the prompt; the first has no log-probability.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct PrefillToken {
    pub id: u32,
    pub text: String,
    pub logprob: Option<f32>,
}

/// A generated token.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct Token {
    pub id: u32,
    pub text: String,
    pub logprob: Option<f32>,
    pub special: bool,
    pub skipped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative_tokens: Option<Vec<PrefillToken>>,
}

/// One event of a stream; the last carries the whole text and the details.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct StreamEvent {
    pub token: Token,
    pub generated_text: Option<String>,
    pub details: Option<StreamDetails>,
}

/// The end of a stream.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct StreamDetails {
    pub finish_reason: &'static str,
    pub prompt_tokens: usize,
    pub generated_tokens: usize,
    pub seed: Option<u64>,
}

/// The error body, also as a stream event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoraxError {
    /// For people.
    pub error: String,
    /// For programs.
    pub error_type: String,
}

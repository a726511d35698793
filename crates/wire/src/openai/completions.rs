//! `POST /v1/completions`: plain continuation of a prompt. Stream chunks have the shape of the answer.

use super::sampling::{AnswerKeys, SamplingKeys, named};
use super::usage::Usage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A completion request.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct CompletionRequest {
    pub model: String,
    pub prompt: PromptInput,
    pub suffix: Option<String>,
    #[serde(flatten, deserialize_with = "named")]
    pub answer: AnswerKeys,
    #[serde(flatten, deserialize_with = "named")]
    pub sampling: SamplingKeys,
    pub best_of: Option<i64>,
    pub logprobs: Option<i64>,
    pub echo: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The four forms of a prompt (and of the input of embeddings).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a string, a list of strings, a list of token ids, or a list of such lists"
)]
pub enum PromptInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One list of token ids.
    Tokens(Vec<u32>),
    /// Several lists of token ids.
    TokenLists(Vec<Vec<u32>>),
}

/// The answer, or a chunk of it.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct Completion {
    pub id: String,
    pub object: &'static str,
    pub created: i64,
    pub model: String,
    pub system_fingerprint: String,
    pub choices: Vec<CompletionChoice>,
    /// Always in a whole answer; in chunks only when the request asks for usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

impl Completion {
    /// The value of `object`.
    pub const OBJECT: &'static str = "text_completion";
}

/// One continuation.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct CompletionChoice {
    pub index: usize,
    pub text: String,
    pub logprobs: Option<CompletionLogProbs>,
    pub finish_reason: Option<&'static str>,
}

/// Log-probabilities, one entry a token; the first prompt token of an echo has none.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct CompletionLogProbs {
    pub tokens: Vec<String>,
    pub token_logprobs: Vec<Option<f32>>,
    pub top_logprobs: Vec<Option<Map<String, Value>>>,
    pub text_offset: Vec<usize>,
}

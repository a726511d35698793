//! `POST /v1/chat/completions`: the answer, whole or in chunks. Keys that a client's type requires are always
//! written, as `null` where there is nothing.

use super::usage::Usage;
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ChatAnswer {
    pub id: String,
    pub object: &'static str,
    pub created: i64,
    pub model: String,
    pub system_fingerprint: String,
    pub choices: Vec<ChatChoice>,
    pub usage: Usage,
}

impl ChatAnswer {
    /// The value of `object`.
    pub const OBJECT: &'static str = "chat.completion";
}

/// One of `n` answers.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ChatChoice {
    pub index: usize,
    pub message: AnswerMessage,
    pub logprobs: Option<ChatLogProbs>,
    pub finish_reason: &'static str,
}

/// What the model says.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct AnswerMessage {
    pub role: &'static str,
    pub content: Option<String>,
    pub refusal: Option<String>,
    pub annotations: Vec<serde_json::Value>,
}

impl AnswerMessage {
    /// Plain text of the assistant.
    pub fn text(content: String) -> Self {
        Self { role: "assistant", content: Some(content), refusal: None, annotations: Vec::new() }
    }
}

/// Log-probabilities of an answer's tokens.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ChatLogProbs {
    pub content: Vec<TokenLogProb>,
    pub refusal: Option<Vec<TokenLogProb>>,
}

/// A token and its likeliest alternatives.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct TokenLogProb {
    pub token: String,
    pub logprob: f32,
    pub bytes: Vec<u8>,
    pub top_logprobs: Vec<TopLogProb>,
}

/// An alternative.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct TopLogProb {
    pub token: String,
    pub logprob: f32,
    pub bytes: Vec<u8>,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ChatChunk {
    pub id: String,
    pub object: &'static str,
    pub created: i64,
    pub model: String,
    pub system_fingerprint: String,
    pub choices: Vec<ChunkChoice>,
    /// Written only when the request asks for usage: then `null` in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

impl ChatChunk {
    /// The value of `object`.
    pub const OBJECT: &'static str = "chat.completion.chunk";
}

/// A piece of one of `n` answers.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ChunkChoice {
    pub index: usize,
    pub delta: Delta,
    pub logprobs: Option<ChatLogProbs>,
    pub finish_reason: Option<&'static str>,
}

/// What is new.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

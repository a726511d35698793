//! `POST /v1/embeddings`.

use super::completions::PromptInput;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An embedding request.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's; those of others are marked")]
pub struct EmbeddingRequest {
    pub model: String,
    pub input: PromptInput,
    pub encoding_format: Option<String>,
    pub dimensions: Option<i64>,
    /// vLLM: cut inputs to this many tokens instead of refusing them.
    pub truncate_prompt_tokens: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct EmbeddingList {
    pub object: &'static str,
    pub data: Vec<EmbeddingData>,
    pub model: String,
    pub usage: EmbeddingUsage,
}

impl EmbeddingList {
    /// The value of `object`.
    pub const OBJECT: &'static str = "list";

    /// An answer of vectors in the order of the inputs.
    pub fn new(model: String, vectors: Vec<Embedding>, prompt_tokens: usize) -> Self {
        let data = vectors.into_iter().enumerate();
        let data = data.map(|(index, embedding)| EmbeddingData { object: "embedding", index, embedding });
        let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
        Self { object: Self::OBJECT, data: data.collect(), model, usage }
    }
}

/// Tokens read.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct EmbeddingUsage {
    pub prompt_tokens: usize,
    pub total_tokens: usize,
}

/// One vector with its place.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct EmbeddingData {
    pub object: &'static str,
    pub index: usize,
    pub embedding: Embedding,
}

/// A vector in one of its two encodings.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Embedding {
    /// JSON numbers.
    Floats(Vec<f32>),
    /// Little-endian f32 in standard base64.
    Base64(String),
}

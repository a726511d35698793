//! `GET /v1/models`.

use serde::Serialize;

/// All models.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ModelList {
    pub object: &'static str,
    pub data: Vec<ModelCard>,
}

/// A base model, or an adapter of one.
#[derive(Debug, Clone, Serialize)]
pub struct ModelCard {
    /// The name that requests use.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// When the server took it up, in seconds since 1970.
    pub created: i64,
    /// Always `lyceum`.
    pub owned_by: &'static str,
    /// Of an adapter, what it is made from.
    pub root: String,
    /// Of an adapter, its base.
    pub parent: Option<String>,
    /// Longest sequence in tokens.
    pub max_model_len: usize,
    /// `llm` or `embeddings`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `loaded`.
    pub state: &'static str,
}

//! What a LoRAX client asks. It writes every key, with `null` for what is not set.

use serde::Deserialize;
use serde_json::Value;

/// The body of `/`, `/generate` and `/generate_stream`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct GenerateRequest {
    pub inputs: String,
    pub parameters: Option<Parameters>,
    /// Only `/` looks at it.
    pub stream: Option<bool>,
}

/// How to generate; nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct Parameters {
    pub adapter_id: Option<String>,
    pub adapter_source: Option<String>,
    pub merged_adapters: Option<MergedAdapters>,
    pub api_token: Option<String>,
    pub best_of: Option<i64>,
    pub temperature: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub top_k: Option<i64>,
    pub top_p: Option<f64>,
    pub typical_p: Option<f64>,
    pub do_sample: Option<bool>,
    pub max_new_tokens: Option<i64>,
    pub ignore_eos_token: Option<bool>,
    pub return_full_text: Option<bool>,
    pub stop: Option<Vec<String>>,
    pub truncate: Option<i64>,
    pub watermark: Option<bool>,
    pub details: Option<bool>,
    pub decoder_input_details: Option<bool>,
    pub return_k_alternatives: Option<i64>,
    pub apply_chat_template: Option<bool>,
    pub seed: Option<u64>,
    pub response_format: Option<Value>,
}

/// Several adapters mixed into one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct MergedAdapters {
    pub ids: Vec<String>,
    pub weights: Option<Vec<f64>>,
    pub merge_strategy: Option<String>,
    pub density: Option<f64>,
    pub majority_sign_method: Option<String>,
}

/// The body of `/embed`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct EmbedRequest {
    pub inputs: String,
    pub parameters: Option<Parameters>,
}

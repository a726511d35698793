//! `GET /info`.

use serde::Serialize;

/// What the server is and where its limits are.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the keys are LoRAX's")]
pub struct Info {
    pub model_id: String,
    pub model_sha: Option<String>,
    pub model_dtype: String,
    pub model_device_type: &'static str,
    pub model_pipeline_tag: Option<&'static str>,
    pub max_concurrent_requests: usize,
    pub max_best_of: usize,
    pub max_stop_sequences: usize,
    pub max_input_length: usize,
    pub max_total_tokens: usize,
    pub waiting_served_ratio: f32,
    pub max_batch_total_tokens: usize,
    pub max_waiting_tokens: usize,
    pub validation_workers: usize,
    pub eager_prefill: bool,
    pub version: &'static str,
    pub sha: Option<String>,
    pub docker_label: Option<String>,
    pub request_logger_url: Option<String>,
}

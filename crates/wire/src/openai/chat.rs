//! `POST /v1/chat/completions`: the request.

use super::sampling::{SamplingKeys, Stop, StreamOptions};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A chat request. Keys of no effect on the answer are known by name, so that they are not reported as ignored.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's; those of others are marked")]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<ChatMessage>,
    pub max_completion_tokens: Option<i64>,
    pub max_tokens: Option<i64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub n: Option<i64>,
    pub seed: Option<i64>,
    pub stop: Option<Stop>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub logit_bias: Option<BTreeMap<String, f64>>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<i64>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub response_format: Option<Value>,
    pub tools: Option<Vec<Value>>,
    pub tool_choice: Option<Value>,
    pub functions: Option<Vec<Value>>,
    pub function_call: Option<Value>,
    pub modalities: Option<Vec<String>>,
    /// vLLM, LoRAX, llama.cpp.
    pub top_k: Option<i64>,
    /// vLLM, llama.cpp.
    pub min_p: Option<f64>,
    /// LoRAX, llama.cpp.
    pub typical_p: Option<f64>,
    /// vLLM, LoRAX.
    pub repetition_penalty: Option<f64>,
    /// vLLM.
    pub ignore_eos: Option<bool>,
    /// vLLM.
    pub add_generation_prompt: Option<bool>,
    /// LoRAX: wins over `model`.
    pub adapter_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ChatRequest {
    /// The keys that choose tokens.
    pub fn sampling(&self) -> SamplingKeys {
        SamplingKeys {
            temperature: self.temperature,
            top_p: self.top_p,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias: self.logit_bias.clone(),
            seed: self.seed,
            top_k: self.top_k,
            min_p: self.min_p,
            typical_p: self.typical_p,
            repetition_penalty: self.repetition_penalty,
        }
    }
}

/// A message of the conversation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's")]
pub struct ChatMessage {
    pub role: String,
    pub content: Option<MessageContent>,
    pub name: Option<String>,
    pub tool_calls: Option<Vec<Value>>,
    pub tool_call_id: Option<String>,
}

/// Text, or parts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of parts")]
pub enum MessageContent {
    /// Plain text.
    Text(String),
    /// Text and other media.
    Parts(Vec<ContentPart>),
}

/// One part of a message. Media that we do not read keep their type, so that the refusal can name it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ContentPart {
    /// `text`, `image_url`, `input_audio`, `file`, `refusal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a text part.
    pub text: Option<String>,
    /// Of a refusal part.
    pub refusal: Option<String>,
    /// Of an image part.
    pub image_url: Option<ImageUrl>,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImageUrl {
    /// A `data:` or `https:` URL.
    pub url: String,
}

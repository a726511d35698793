//! `POST /v1/chat/completions`: the request.

use super::sampling::{AnswerKeys, SamplingKeys, named};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A chat request. Keys of no effect on the answer are known by name, so that they are not reported as ignored.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are OpenAI's; those of others are marked")]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<ChatMessage>,
    /// Wins over `max_tokens`.
    pub max_completion_tokens: Option<i64>,
    #[serde(flatten, deserialize_with = "named")]
    pub answer: AnswerKeys,
    #[serde(flatten, deserialize_with = "named")]
    pub sampling: SamplingKeys,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<i64>,
    pub tools: Option<Vec<Value>>,
    pub tool_choice: Option<Value>,
    pub functions: Option<Vec<Value>>,
    pub function_call: Option<Value>,
    pub modalities: Option<Vec<String>>,
    /// vLLM.
    pub add_generation_prompt: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
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

//! Keys that chat and completions share. Both flatten them into their own; whoever reads a wrong value is told its key,
//! which a flattened struct would otherwise forget.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a flattened struct. The error of a value begins with its key in back-ticks and a colon.
pub(super) fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    serde_path_to_error::deserialize(from).map_err(|e| match e.path().to_string().as_str() {
        "." => D::Error::custom(e.inner()),
        key => D::Error::custom(format!("`{key}`: {}", e.inner())),
    })
}

/// What is wanted of the answer, as the request says it; nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AnswerKeys {
    /// Most tokens of an answer.
    pub max_tokens: Option<i64>,
    /// Answers to each prompt.
    pub n: Option<i64>,
    /// Texts that end an answer.
    pub stop: Option<Stop>,
    /// Go on after the end token (vLLM's).
    pub ignore_eos: Option<bool>,
    /// In pieces, as they come.
    pub stream: Option<bool>,
    /// What a stream carries beside the text.
    pub stream_options: Option<StreamOptions>,
    /// Text or JSON.
    pub response_format: Option<Value>,
    /// An adapter that wins over `model` (LoRAX's).
    pub adapter_id: Option<String>,
}

/// How tokens are chosen, as the request says it; nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SamplingKeys {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// Over 0, at most 1.
    pub top_p: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// From token id, as text, to -100…100.
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Fixes the draws.
    pub seed: Option<i64>,
    /// At most this many candidates (vLLM's, LoRAX's, llama.cpp's).
    pub top_k: Option<i64>,
    /// Share of the best one's probability below which tokens fall away (vLLM's, llama.cpp's).
    pub min_p: Option<f64>,
    /// Locally typical sampling (LoRAX's, llama.cpp's).
    pub typical_p: Option<f64>,
    /// Over 1 discourages repetition (vLLM's, LoRAX's).
    pub repetition_penalty: Option<f64>,
}

/// One stop string or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Stop {
    /// As a list.
    pub fn into_list(self) -> Vec<String> {
        match self {
            Self::One(s) => vec![s],
            Self::Many(list) => list,
        }
    }
}

/// What a stream carries beside the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct StreamOptions {
    /// End with a chunk that has the usage.
    pub include_usage: Option<bool>,
}

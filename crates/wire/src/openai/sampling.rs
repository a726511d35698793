//! Keys that chat and completions share.

use serde::Deserialize;
use std::collections::BTreeMap;

/// How tokens are chosen, as the request says it; nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// At most this many candidates (not OpenAI's).
    pub top_k: Option<i64>,
    /// Share of the best one's probability below which tokens fall away (not OpenAI's).
    pub min_p: Option<f64>,
    /// Locally typical sampling (not OpenAI's).
    pub typical_p: Option<f64>,
    /// Over 1 discourages repetition (not OpenAI's).
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

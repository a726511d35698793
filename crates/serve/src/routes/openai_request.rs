//! What the requests of chat and completions have in common: keys that are refused or change nothing, and the way from
//! the keys that both have to a request of the engine.

use crate::models::Target;
use crate::sampling::{sampling, stops};
use crate::state::{App, fresh_seed};
use lyceum_core::{Error, GenerateRequest, Prompt, Result};
use lyceum_wire::openai::{AnswerKeys, SamplingKeys};
use serde_json::{Map, Value};

/// Keys that are fine and change nothing in the answer.
pub(crate) const NO_EFFECT: &[&str] = &[
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "verbosity",
    "reasoning_effort",
    "parallel_tool_calls",
    "prediction",
    "priority",
    "cache_salt",
    "keep_alive",
    "ttl",
    "adapter_source",
    "api_token",
];

/// Keys whose meaning would be lost if they were ignored.
const REFUSED: &[&str] = &[
    "web_search_options",
    "moderation",
    "audio",
    "chat_template",
    "chat_template_kwargs",
    "continue_final_message",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "merged_adapters",
    "lora",
    "min_tokens",
    "stop_token_ids",
    "truncate_prompt_tokens",
    "return_token_ids",
    "prompt_logprobs",
    "best_of",
    "suffix",
];

/// The refusal of a key that would change the answer.
pub(crate) fn refuse_key(key: &str, why: &str) -> Error {
    Error::unsupported(format!("`{key}` {why}")).at_key(key).with_code("unsupported_parameter")
}

/// Refuses what this server cannot keep: a format other than plain text, and keys that would change the answer.
pub(crate) fn refuse_unsupported(answer: &AnswerKeys, extra: &Map<String, Value>) -> Result<()> {
    plain_format(answer.response_format.as_ref())?;
    let set = extra
        .iter()
        .find(|(k, v)| REFUSED.contains(&k.as_str()) && !v.is_null() && **v != Value::Bool(false));
    match set {
        Some((key, _)) => Err(refuse_key(key, "is not supported by this server")),
        None => Ok(()),
    }
}

fn plain_format(format: Option<&Value>) -> Result<()> {
    match format.map(|f| f.get("type").and_then(Value::as_str)) {
        None | Some(Some("text")) => Ok(()),
        Some(Some(kind @ ("json_object" | "json_schema"))) => {
            Err(refuse_key("response_format", &format!("`{kind}` is not supported by this server")))
        }
        _ => Err(Error::invalid("response_format needs a `type`: text").at_key("response_format")),
    }
}

/// The engine's request for a prompt, from the keys that both have. How many tokens and which log-probabilities is for
/// the route to add.
pub(crate) fn engine_request(
    app: &App,
    target: &Target,
    prompt: Prompt,
    answer: &AnswerKeys,
    keys: &SamplingKeys,
) -> Result<GenerateRequest> {
    let mut request = GenerateRequest::new(prompt);
    request.stop = stops(answer.stop.clone(), app.limits.stops)?;
    request.sampling = sampling(keys, target.engine.model().vocab_size, fresh_seed())?;
    request.ignore_eos = answer.ignore_eos.unwrap_or(false);
    request.adapter = target.adapter.clone();
    Ok(request)
}

/// `n` copies with seeds of their own.
pub(crate) fn several(request: &GenerateRequest, n: usize) -> Vec<GenerateRequest> {
    (0..n as u64)
        .map(|i| {
            let mut one = request.clone();
            one.sampling.seed = one.sampling.seed.wrapping_add(i);
            one
        })
        .collect()
}

/// Whether the answer comes in pieces, and whether these end with the usage.
pub(crate) fn streams(answer: &AnswerKeys) -> (bool, bool) {
    let usage = answer.stream_options.and_then(|o| o.include_usage).unwrap_or(false);
    (answer.stream == Some(true), usage)
}

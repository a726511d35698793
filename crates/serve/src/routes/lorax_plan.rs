//! From LoRAX's parameters to checked engine requests, with LoRAX's own words for what is wrong.

use super::lorax_merge;
use crate::models::Target;
use crate::sampling::sampling;
use crate::state::{App, fresh_seed};
use lyceum_core::{Error, GenerateRequest, Prompt, Result};
use lyceum_wire::lorax::Parameters;
use lyceum_wire::openai::SamplingKeys;

/// Most stop strings, as LoRAX's launcher has it.
pub(crate) const STOPS: usize = 4;
/// Most sequences to choose the best of.
pub(crate) const BEST_OF: usize = 2;

/// What to ask the engine, and how to shape the answer.
pub(crate) struct Plan {
    pub(crate) target: Target,
    /// One a sequence; more than one for `best_of`.
    pub(crate) requests: Vec<GenerateRequest>,
    pub(crate) inputs: String,
    /// The seed that the answer tells: the one used, when anything was drawn.
    pub(crate) seed: Option<u64>,
    pub(crate) details: bool,
    pub(crate) prefill: bool,
    pub(crate) alternatives: bool,
    pub(crate) full_text: bool,
}

/// Whether the answer is streamed: some parameters are for whole answers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Stream,
}

/// Checks everything that LoRAX checks, in its order.
pub(crate) fn plan(app: &App, inputs: String, p: &Parameters, delivery: Delivery) -> Result<Plan> {
    refuse_unsupported(p)?;
    check(p, delivery)?;
    if inputs.is_empty() {
        return Err(Error::invalid("`inputs` cannot be empty"));
    }
    let adapter = p.adapter_id.as_deref().filter(|a| !a.is_empty());
    let models = app.models();
    let base = models.base().map_err(|_| Error::invalid("no model here supports text generation"))?;
    let target = match &p.merged_adapters {
        Some(merged) => lorax_merge::target(&models, base, merged)?,
        None => models.find(&base.model().name, adapter)?,
    };
    let best_of = usize::try_from(p.best_of.unwrap_or(1)).unwrap_or(1);
    let draws = p.do_sample == Some(true)
        || p.temperature.is_some()
        || p.top_k.is_some()
        || p.top_p.is_some()
        || p.typical_p.is_some();
    let seed = p.seed.unwrap_or_else(fresh_seed);
    let request = request(p, &target, &inputs, draws, seed)?;
    Ok(Plan {
        requests: super::openai_request::several(&request, best_of),
        inputs,
        seed: draws.then_some(seed),
        details: p.details == Some(true) || p.decoder_input_details == Some(true),
        prefill: p.decoder_input_details == Some(true),
        alternatives: p.return_k_alternatives.is_some(),
        full_text: p.return_full_text == Some(true),
        target,
    })
}

fn refuse_unsupported(p: &Parameters) -> Result<()> {
    let unsupported =
        |key: &str| Err(Error::unsupported(format!("`{key}` is not supported by this server")).at_key(key));
    if p.merged_adapters.is_some() && p.adapter_id.as_deref().is_some_and(|a| !a.is_empty()) {
        return Err(Error::invalid("at most one of `adapter_id` or `adapters` may be provided"));
    }
    if p.watermark == Some(true) {
        return unsupported("watermark");
    }
    let format = p.response_format.as_ref().and_then(|f| f.get("type")).and_then(|t| t.as_str());
    if format.is_some_and(|f| f != "text") {
        return unsupported("response_format");
    }
    Ok(())
}

fn check(p: &Parameters, delivery: Delivery) -> Result<()> {
    let say = |bad: bool, text: String| if bad { Err(Error::invalid(text)) } else { Ok(()) };
    let draws = p.do_sample == Some(true)
        || [p.temperature, p.top_p, p.typical_p].iter().any(Option::is_some)
        || p.top_k.is_some();
    if let Some(n) = p.best_of {
        let most = BEST_OF as i64;
        say(n < 1 || n > most, format!("`best_of` must be > 0 and <= {most}. Given: {n}"))?;
        say(n > 1 && !draws, "you must use sampling when `best_of` is > 1".into())?;
        say(n > 1 && p.seed.is_some(), "`seed` must not be set when `best_of` > 1".into())?;
        let streams = delivery == Delivery::Stream;
        say(n > 1 && streams, "`best_of` != 1 is not supported when streaming tokens".into())?;
    }
    let whole_only = p.decoder_input_details == Some(true) && delivery == Delivery::Stream;
    say(whole_only, "`decoder_input_details` == true is not supported when streaming tokens".into())?;
    let not = |x: Option<f64>, ok: fn(f64) -> bool| x.is_some_and(|x| !ok(x));
    say(not(p.temperature, |x| x >= 0.0), "`temperature` must be non-negative".into())?;
    say(not(p.repetition_penalty, |x| x > 0.0), "`repetition_penalty` must be strictly positive".into())?;
    let two = |x: f64| (-2.0..=2.0).contains(&x);
    say(not(p.frequency_penalty, two), "`frequency_penalty` must be >= -2.0 and <= 2.0".into())?;
    say(not(p.presence_penalty, two), "`presence_penalty` must be >= -2.0 and <= 2.0".into())?;
    say(not(p.top_p, |x| x > 0.0 && x <= 1.0), "`top_p` must be > 0.0 and < 1.0".into())?;
    say(not(p.typical_p, |x| x > 0.0 && x < 1.0), "`typical_p` must be > 0.0 and < 1.0".into())?;
    let positive = |n: Option<i64>| n.is_some_and(|n| n <= 0);
    say(positive(p.top_k), "`top_k` must be strictly positive".into())?;
    say(positive(p.return_k_alternatives), "`return_k_alternatives` must be strictly positive".into())?;
    say(positive(p.max_new_tokens), "`max_new_tokens` must be strictly positive".into())?;
    let stops = p.stop.as_ref().map_or(0, Vec::len);
    say(stops > STOPS, format!("`stop` supports up to {STOPS} stop sequences. Given: {stops}"))
}

fn request(p: &Parameters, target: &Target, inputs: &str, draws: bool, seed: u64) -> Result<GenerateRequest> {
    let info = target.engine.model();
    let context = info.context_length;
    let mut ids = target.engine.text().encode(inputs, true)?;
    if let Some(n) = p.truncate {
        let keep = usize::try_from(n).ok().filter(|k| *k > 0 && *k < context).ok_or_else(|| {
            Error::invalid(format!(
                "`truncate` must be strictly positive and less than {context}. Given: {n}"
            ))
        })?;
        ids.drain(..ids.len().saturating_sub(keep));
    }
    let n = ids.len();
    if n >= context {
        return Err(Error::invalid(format!("`inputs` must have less than {context} tokens. Given: {n}")));
    }
    let most = p.max_new_tokens.and_then(|m| usize::try_from(m).ok());
    if let Some(most) = most
        && n + most > context
    {
        return Err(Error::invalid(format!(
            "`inputs` tokens + `max_new_tokens` must be <= {context}. Given: {n} `inputs` tokens and {most} `max_new_tokens`"
        )));
    }
    let keys = SamplingKeys {
        temperature: if draws { p.temperature } else { Some(0.0) },
        top_p: p.top_p,
        top_k: p.top_k,
        typical_p: p.typical_p,
        repetition_penalty: p.repetition_penalty,
        frequency_penalty: p.frequency_penalty,
        presence_penalty: p.presence_penalty,
        ..SamplingKeys::default()
    };
    let mut request = GenerateRequest::new(Prompt::Tokens(ids));
    request.sampling = sampling(&keys, info.vocab_size, seed)?;
    request.max_tokens = most;
    request.stop = p.stop.clone().unwrap_or_default();
    request.ignore_eos = p.ignore_eos_token == Some(true);
    request.logprobs =
        Some(p.return_k_alternatives.and_then(|k| usize::try_from(k).ok()).map_or(0, |k| k.min(20)));
    request.prompt_logprobs = p.decoder_input_details == Some(true);
    request.adapter = target.adapter.clone();
    Ok(request)
}

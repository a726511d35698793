//! LoRAX's `/`, `/generate`, `/generate_stream` and `/info`; how a stream is written is `lorax_stream`'s business.

use super::answer;
use super::lorax_plan::{BEST_OF, Delivery, Plan, STOPS, plan};
use super::lorax_stream::streamed;
use super::openai_answer::spell;
use crate::body;
use crate::error::Dialect;
use crate::generation::{Finished, open};
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, Finish, Result, TextCodec, TokenEvent, Usage};
use lyceum_wire::lorax::{BestOf, Details, GenerateRequest, Generated, Info, PrefillToken, Token};
use std::time::Instant;

/// `POST /` and `/invocations`: the body says whether it streams; a whole answer is a list of one.
pub(crate) async fn compat(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let r: GenerateRequest = body::json(request, &app.limits).await?;
        if r.stream == Some(true) { streamed(&app, r).await } else { whole(&app, r, true).await }
    };
    answer(Dialect::Lorax, done.await)
}

pub(crate) async fn generate(State(app): State<Shared>, request: Request) -> Response {
    let done = async { whole(&app, body::json(request, &app.limits).await?, false).await };
    answer(Dialect::Lorax, done.await)
}

pub(crate) async fn generate_stream(State(app): State<Shared>, request: Request) -> Response {
    let done = async { streamed(&app, body::json(request, &app.limits).await?).await };
    answer(Dialect::Lorax, done.await)
}

async fn whole(app: &App, r: GenerateRequest, in_a_list: bool) -> Result<Response> {
    let start = Instant::now();
    let mut plan = plan(app, r.inputs, &r.parameters.unwrap_or_default(), Delivery::Whole)?;
    let opened = open(app, &plan.target, std::mem::take(&mut plan.requests)).await?;
    let mut finished = futures_util::future::try_join_all(opened.into_iter().map(|o| o.finish())).await?;
    // The best has the highest mean log-probability; the first of equals.
    let best =
        (0..finished.len()).max_by(|a, b| mean(&finished, *a).total_cmp(&mean(&finished, *b)).then(b.cmp(a)));
    let best = finished.swap_remove(best.unwrap_or(0));
    let answer = generated(&plan, &best, &finished);
    let mut response = if in_a_list { Json([answer]).into_response() } else { Json(answer).into_response() };
    headers(&mut response, &plan, &best.usage, start);
    Ok(response)
}

fn mean(all: &[Finished], i: usize) -> f32 {
    let Some(f) = all.get(i).filter(|f| !f.tokens.is_empty()) else { return f32::NEG_INFINITY };
    f.tokens.iter().filter_map(|t| t.logprob).sum::<f32>() / f.tokens.len() as f32
}

fn generated(plan: &Plan, best: &Finished, others: &[Finished]) -> Generated {
    let codec = plan.target.engine.text();
    let text =
        |f: &Finished| if plan.full_text { format!("{}{}", plan.inputs, f.text) } else { f.text.clone() };
    let tokens = |f: &Finished| f.tokens.iter().map(|t| token(plan, t)).collect();
    let seed = |i: u64| plan.seed.map(|s| s.wrapping_add(i));
    let rest = others.iter().zip(1..).map(|(f, i)| BestOf {
        generated_text: text(f),
        finish_reason: reason(&f.finish),
        generated_tokens: f.usage.completion_tokens,
        seed: seed(i),
        prefill: prefill(plan, codec, f),
        tokens: tokens(f),
    });
    let details = plan.details.then(|| Details {
        finish_reason: reason(&best.finish),
        prompt_tokens: best.usage.prompt_tokens,
        generated_tokens: best.usage.completion_tokens,
        skipped_tokens: 0,
        seed: seed(0),
        prefill: prefill(plan, codec, best),
        tokens: tokens(best),
        best_of_sequences: (!others.is_empty()).then(|| rest.collect()),
    });
    Generated { generated_text: text(best), details }
}

fn prefill(plan: &Plan, codec: &dyn TextCodec, f: &Finished) -> Vec<PrefillToken> {
    if !plan.prefill {
        return Vec::new();
    }
    let known = std::iter::once(None).chain(f.prompt_logprobs.iter().map(|p| Some(p.logprob)));
    let padded = known.chain(std::iter::repeat(None));
    let pairs = f.prompt.iter().zip(padded);
    pairs.map(|(id, logprob)| PrefillToken { id: *id, text: spell(codec, *id).0, logprob }).collect()
}

/// A token in LoRAX's words.
pub(super) fn token(plan: &Plan, t: &TokenEvent) -> Token {
    let codec = plan.target.engine.text();
    let special = codec.end_ids().contains(&t.id);
    let finite = |x: f32| x.is_finite().then_some(x);
    let alternatives = t.top.iter().map(|p| PrefillToken {
        id: p.id,
        text: spell(codec, p.id).0,
        logprob: finite(p.logprob),
    });
    Token {
        id: t.id,
        text: if special { spell(codec, t.id).0 } else { t.text.clone() },
        // The client's type wants a number.
        logprob: Some(t.logprob.and_then(finite).unwrap_or(0.0)),
        special,
        skipped: false,
        alternative_tokens: plan.alternatives.then(|| alternatives.collect()),
    }
}

/// The reason in LoRAX's words.
pub(super) fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::EndOfSequence => "eos_token",
        Finish::StopString(_) => "stop_sequence",
        Finish::Length => "length",
    }
}

fn headers(response: &mut Response, plan: &Plan, usage: &Usage, start: Instant) {
    let total = start.elapsed().as_millis() as u64;
    let tokens = usage.completion_tokens as u64;
    let numbers = [
        ("x-compute-time", total),
        ("x-compute-characters", plan.inputs.chars().count() as u64),
        ("x-total-time", total),
        ("x-inference-time", total),
        ("x-prompt-tokens", usage.prompt_tokens as u64),
        ("x-generated-tokens", tokens),
        ("x-skipped-tokens", 0),
        ("x-total-tokens", tokens + usage.prompt_tokens as u64),
        ("x-time-per-token", total / tokens.max(1)),
    ];
    for (name, value) in numbers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    name_model(response, plan);
}

/// Says in headers which model and adapter answered.
pub(super) fn name_model(response: &mut Response, plan: &Plan) {
    let headers = response.headers_mut();
    headers.insert("x-compute-type", HeaderValue::from_static("cpu"));
    if let Ok(model) = HeaderValue::from_str(&plan.target.engine.model().name) {
        headers.insert("x-model-id", model);
    }
    // The name as it was asked for: of a merge, its parts.
    let adapter = plan.target.adapter.as_ref().map(|_| HeaderValue::from_str(&plan.target.name));
    if let Some(Ok(adapter)) = adapter {
        headers.insert("x-adapter-id", adapter);
    }
}

/// `GET /info`.
pub(crate) async fn info(State(app): State<Shared>) -> Response {
    answer(Dialect::Lorax, facts(&app).map(|i| Json(i).into_response()))
}

fn facts(app: &App) -> Result<Info> {
    let models = app.models();
    let engine = models.engines().first().ok_or_else(|| Error::not_found("no language model is served"))?;
    let m = engine.model();
    Ok(Info {
        model_id: m.name.clone(),
        model_sha: Some(m.fingerprint.clone()),
        model_dtype: m.format.clone(),
        model_device_type: "cpu",
        model_pipeline_tag: Some(if m.generates { "text-generation" } else { "feature-extraction" }),
        max_concurrent_requests: app.limits.running + app.limits.waiting,
        max_best_of: BEST_OF,
        max_stop_sequences: STOPS,
        max_input_length: m.context_length.saturating_sub(1),
        max_total_tokens: m.context_length,
        waiting_served_ratio: 1.2,
        max_batch_total_tokens: m.context_length,
        max_waiting_tokens: 20,
        validation_workers: 1,
        eager_prefill: true,
        version: env!("CARGO_PKG_VERSION"),
        sha: None,
        docker_label: None,
        request_logger_url: None,
    })
}

//! `POST /v1/chat/completions`.

use super::answer;
use crate::error::{self, Dialect};
use crate::events::{self, Frames, frame};
use crate::generation::{Finished, open};
use crate::models::Target;
use crate::sampling::{count, max_tokens, sampling, stops};
use crate::state::{App, Shared, fresh_id, fresh_seed};
use crate::{body, routes::models::fingerprint};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use lyceum_core::{
    Content, Error, Finish, GenerateEvent, GenerateRequest, LogProb, Message, Part, Prompt, RenderOptions,
    Result, Role, TextCodec, TokenEvent, Usage,
};
use lyceum_store::clock;
use lyceum_wire::openai::{self, ChatRequest, ContentPart, MessageContent};
use serde_json::Value;

/// Keys that are fine and change nothing in the answer.
const NO_EFFECT: &[&str] = &[
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

/// What the answer's shape depends on.
struct Shape {
    id: String,
    created: i64,
    target: Target,
    fingerprint: String,
    /// Alternatives per token, when log-probabilities are asked for.
    logprobs: Option<usize>,
}

pub(crate) async fn route(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::OpenAi, chat(&app, request).await)
}

async fn chat(app: &App, request: Request) -> Result<Response> {
    let request: ChatRequest = body::json(request, &app.limits).await?;
    refuse_unsupported(&request)?;
    let target = app.models.find(&request.model, request.adapter_id.as_deref())?;
    let requests = plan(app, &request, &target)?;
    let shape = Shape {
        id: fresh_id("chatcmpl-"),
        created: clock::now(),
        fingerprint: fingerprint(&target),
        logprobs: requests.first().and_then(|r| r.logprobs),
        target,
    };
    let opened = open(app, &shape.target, requests).await?;
    let mut response = if request.stream == Some(true) {
        let usage = request.stream_options.and_then(|o| o.include_usage).unwrap_or(false);
        let answers = opened.len();
        events::respond(opened, ChatFrames { shape, usage: usage.then(Usage::default), answers })
    } else {
        let finished = futures_util::future::try_join_all(opened.into_iter().map(|o| o.finish())).await?;
        Json(shape.whole(finished)).into_response()
    };
    body::note_ignored(&mut response, &request.extra, NO_EFFECT);
    Ok(response)
}

fn refuse_unsupported(r: &ChatRequest) -> Result<()> {
    let given = |key: &str| refuse_key(key, "is not supported by this server");
    if r.tools.as_ref().is_some_and(|t| !t.is_empty()) {
        return Err(given("tools"));
    }
    if r.functions.as_ref().is_some_and(|f| !f.is_empty()) {
        return Err(given("functions"));
    }
    for (key, choice) in [("tool_choice", &r.tool_choice), ("function_call", &r.function_call)] {
        if choice.as_ref().is_some_and(|c| c != "none" && c != "auto") {
            return Err(given(key));
        }
    }
    if r.modalities.as_ref().is_some_and(|m| m.iter().any(|m| m != "text")) {
        return Err(refuse_key("modalities", "has more than text, which is all that this server writes"));
    }
    plain_format(r.response_format.as_ref())?;
    refuse_keys(&r.extra, REFUSED)
}

/// The refusal of a key that would change the answer.
pub(crate) fn refuse_key(key: &str, why: &str) -> Error {
    Error::unsupported(format!("`{key}` {why}")).at_key(key).with_code("unsupported_parameter")
}

/// Refuses the keys of a list that are set.
pub(crate) fn refuse_keys(extra: &serde_json::Map<String, Value>, refused: &[&str]) -> Result<()> {
    let set = extra
        .iter()
        .find(|(k, v)| refused.contains(&k.as_str()) && !v.is_null() && **v != Value::Bool(false));
    match set {
        Some((key, _)) => Err(refuse_key(key, "is not supported by this server")),
        None => Ok(()),
    }
}

/// Only plain text can be promised.
pub(crate) fn plain_format(format: Option<&Value>) -> Result<()> {
    match format.map(|f| f.get("type").and_then(Value::as_str)) {
        None | Some(Some("text")) => Ok(()),
        Some(Some(kind @ ("json_object" | "json_schema"))) => {
            Err(refuse_key("response_format", &format!("`{kind}` is not supported by this server")))
        }
        _ => Err(Error::invalid("response_format needs a `type`: text").at_key("response_format")),
    }
}

/// One engine request for each of `n` answers.
fn plan(app: &App, r: &ChatRequest, target: &Target) -> Result<Vec<GenerateRequest>> {
    let n = count("n", r.n, 1, 1, app.limits.answers)?;
    let top = count("top_logprobs", r.top_logprobs, 0, 0, 20)?;
    if r.top_logprobs.is_some() && r.logprobs != Some(true) {
        return Err(Error::invalid("top_logprobs needs `logprobs: true`").at_key("top_logprobs"));
    }
    let options = RenderOptions {
        add_generation_prompt: r.add_generation_prompt.unwrap_or(true),
        ..RenderOptions::default()
    };
    let mut request = GenerateRequest::new(Prompt::Chat(messages(r)?, options));
    request.max_tokens = match max_tokens("max_completion_tokens", r.max_completion_tokens, 1)? {
        Some(most) => Some(most),
        None => max_tokens("max_tokens", r.max_tokens, 1)?,
    };
    request.stop = stops(r.stop.clone(), app.limits.stops)?;
    request.sampling = sampling(&r.sampling(), target.engine.model().vocab_size, fresh_seed())?;
    request.ignore_eos = r.ignore_eos.unwrap_or(false);
    request.logprobs = (r.logprobs == Some(true)).then_some(top);
    request.adapter = target.adapter.clone();
    Ok(several(request, n))
}

/// `n` copies with seeds of their own.
pub(crate) fn several(request: GenerateRequest, n: usize) -> Vec<GenerateRequest> {
    (0..n as u64)
        .map(|i| {
            let mut one = request.clone();
            one.sampling.seed = one.sampling.seed.wrapping_add(i);
            one
        })
        .collect()
}

fn messages(r: &ChatRequest) -> Result<Vec<Message>> {
    if r.messages.is_empty() {
        return Err(Error::invalid("messages is empty").at_key("messages"));
    }
    r.messages.iter().enumerate().map(|(i, m)| message(i, m)).collect()
}

fn message(i: usize, m: &openai::ChatMessage) -> Result<Message> {
    let role = match m.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        other => {
            let valid = ["system", "developer", "user", "assistant", "tool"];
            return Err(Error::invalid(format!(
                "\"{other}\" is not a role, expected one of {}",
                valid.join(", ")
            ))
            .at_key(format!("messages[{i}].role"))
            .did_you_mean(other, valid));
        }
    };
    let calls = m.tool_calls.iter().flatten().map(|c| call(i, c)).collect::<Result<Vec<_>>>()?;
    let content = match &m.content {
        Some(MessageContent::Text(text)) => Content::Text(text.clone()),
        Some(MessageContent::Parts(parts)) => {
            Content::Parts(parts.iter().enumerate().map(|(j, p)| part(i, j, p)).collect::<Result<_>>()?)
        }
        None if role == Role::Assistant => Content::Text(String::new()),
        None => return Err(Error::invalid("content is required").at_key(format!("messages[{i}].content"))),
    };
    Ok(Message {
        role,
        content,
        name: m.name.clone(),
        tool_calls: calls,
        tool_call_id: m.tool_call_id.clone(),
    })
}

fn part(i: usize, j: usize, p: &ContentPart) -> Result<Part> {
    let key = format!("messages[{i}].content[{j}]");
    match (p.kind.as_str(), p.text.as_ref().or(p.refusal.as_ref())) {
        ("text" | "refusal", Some(text)) => Ok(Part::Text { text: text.clone() }),
        ("text" | "refusal", None) => Err(Error::invalid("a text part needs `text`").at_key(key)),
        ("image_url" | "input_audio" | "file", _) => {
            Err(Error::unsupported(format!("this model reads text, not `{}`", p.kind))
                .at_key(key)
                .with_code("unsupported_parameter"))
        }
        (other, _) => Err(Error::invalid(format!("\"{other}\" is not a type of part")).at_key(key)),
    }
}

fn call(i: usize, call: &Value) -> Result<lyceum_core::ToolCall> {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_string);
    let function = call.get("function");
    let wrong = || {
        Error::invalid("a tool call needs id and function.name").at_key(format!("messages[{i}].tool_calls"))
    };
    let arguments = text(function.and_then(|f| f.get("arguments"))).unwrap_or_default();
    let arguments = serde_json::from_str(&arguments).unwrap_or_else(|_| arguments.as_str().into());
    Ok(lyceum_core::ToolCall {
        id: text(call.get("id")).ok_or_else(wrong)?,
        name: text(function.and_then(|f| f.get("name"))).ok_or_else(wrong)?,
        arguments,
    })
}

/// The reason in OpenAI's words.
pub(crate) fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::EndOfSequence | Finish::StopString(_) => "stop",
        Finish::Length => "length",
    }
}

pub(crate) fn usage(u: &lyceum_core::Usage) -> openai::Usage {
    openai::Usage::new(u.prompt_tokens, u.cached_tokens, u.completion_tokens)
}

/// The usage of several answers to one prompt, which is counted once.
pub(crate) fn add(total: &mut Usage, one: &Usage) {
    total.prompt_tokens = total.prompt_tokens.max(one.prompt_tokens);
    total.cached_tokens = total.cached_tokens.max(one.cached_tokens);
    total.completion_tokens += one.completion_tokens;
}

impl Shape {
    fn whole(&self, finished: Vec<Finished>) -> openai::ChatAnswer {
        let mut total = Usage::default();
        let mut choices = Vec::new();
        for (index, f) in finished.into_iter().enumerate() {
            add(&mut total, &f.usage);
            choices.push(openai::ChatChoice {
                index,
                logprobs: self.logprobs(&f.tokens),
                message: openai::AnswerMessage::text(f.text),
                finish_reason: reason(&f.finish),
            });
        }
        openai::ChatAnswer {
            id: self.id.clone(),
            object: openai::ChatAnswer::OBJECT,
            created: self.created,
            model: self.target.name.clone(),
            system_fingerprint: self.fingerprint.clone(),
            choices,
            usage: usage(&total),
        }
    }

    fn logprobs(&self, tokens: &[TokenEvent]) -> Option<openai::ChatLogProbs> {
        self.logprobs?;
        let text = self.target.engine.text();
        let content = tokens.iter().map(|t| token_logprob(text, t)).collect();
        Some(openai::ChatLogProbs { content, refusal: None })
    }

    fn chunk(&self, choices: Vec<openai::ChunkChoice>, usage: Option<Option<openai::Usage>>) -> String {
        let chunk = openai::ChatChunk {
            id: self.id.clone(),
            object: openai::ChatChunk::OBJECT,
            created: self.created,
            model: self.target.name.clone(),
            system_fingerprint: self.fingerprint.clone(),
            choices,
            usage,
        };
        frame("data: ", &chunk)
    }
}

fn token_logprob(text: &dyn TextCodec, t: &TokenEvent) -> openai::TokenLogProb {
    let top = t.top.iter().map(|p| {
        let (token, bytes) = spell(text, p.id);
        openai::TopLogProb { token, logprob: finite(p.logprob), bytes }
    });
    let (token, bytes) = spell(text, t.id);
    openai::TokenLogProb {
        token,
        logprob: finite(t.logprob.unwrap_or(0.0)),
        bytes,
        top_logprobs: top.collect(),
    }
}

/// A token as text and bytes.
pub(crate) fn spell(text: &dyn TextCodec, id: u32) -> (String, Vec<u8>) {
    let bytes = text.token_bytes(id, true).unwrap_or_default();
    (String::from_utf8_lossy(&bytes).into_owned(), bytes)
}

/// JSON has no minus infinity; OpenAI writes -9999 for it.
pub(crate) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { -9999.0 }
}

/// Alternatives as a list, the chosen token first when it is not among them.
pub(crate) fn with_chosen(t: &TokenEvent) -> Vec<LogProb> {
    let mut all = t.top.clone();
    if let Some(logprob) = t.logprob
        && all.iter().all(|p| p.id != t.id)
    {
        all.push(LogProb { id: t.id, logprob });
    }
    all
}

/// Chunks of a streamed chat.
struct ChatFrames {
    shape: Shape,
    /// The running total, when the request wants it.
    usage: Option<Usage>,
    answers: usize,
}

impl ChatFrames {
    fn one(
        &self,
        index: usize,
        delta: openai::Delta,
        logprobs: Option<openai::ChatLogProbs>,
        finish_reason: Option<&'static str>,
    ) -> String {
        let choice = openai::ChunkChoice { index, delta, logprobs, finish_reason };
        self.shape.chunk(vec![choice], self.usage.map(|_| None))
    }

    fn text(&self, index: usize, text: String, logprobs: Option<openai::ChatLogProbs>) -> String {
        if text.is_empty() && logprobs.is_none() {
            return String::new();
        }
        self.one(index, openai::Delta { role: None, content: Some(text) }, logprobs, None)
    }
}

impl Frames for ChatFrames {
    fn begin(&mut self) -> String {
        let first = || openai::Delta { role: Some("assistant"), content: Some(String::new()) };
        (0..self.answers).map(|i| self.one(i, first(), None, None)).collect()
    }

    fn event(&mut self, index: usize, event: GenerateEvent) -> String {
        match event {
            GenerateEvent::Started { .. } => String::new(),
            GenerateEvent::Token(t) => {
                let logprobs = self.shape.logprobs(std::slice::from_ref(&t));
                self.text(index, t.text, logprobs)
            }
            GenerateEvent::Done { finish, text, usage } => {
                if let Some(total) = &mut self.usage {
                    add(total, &usage);
                }
                let rest = self.text(index, text, None);
                rest + &self.one(index, openai::Delta::default(), None, Some(reason(&finish)))
            }
        }
    }

    fn error(&mut self, e: &Error) -> String {
        frame("data: ", &error::openai(e))
    }

    fn end(&mut self) -> String {
        let last = self.usage.map(|total| self.shape.chunk(Vec::new(), Some(Some(usage(&total)))));
        last.unwrap_or_default() + "data: [DONE]\n\n"
    }
}

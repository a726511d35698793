//! `POST /v1/chat/completions`.

use super::answer;
use super::openai_answer::{Head, add, finite, reason, spell, usage};
use super::openai_request::{NO_EFFECT, engine_request, refuse_key, refuse_unsupported, several, streams};
use crate::body;
use crate::error::{self, Dialect};
use crate::events::{self, Frames, frame};
use crate::generation::{Finished, open};
use crate::models::Target;
use crate::sampling::{count, max_tokens};
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use lyceum_core::{
    Content, Error, GenerateEvent, GenerateRequest, Message, Part, Prompt, RenderOptions, Result, Role,
    TextCodec, TokenEvent, Usage,
};
use lyceum_wire::openai::{self, ChatRequest, ContentPart, MessageContent};
use serde_json::Value;

/// What the answer's shape depends on.
struct Shape {
    head: Head,
    /// Alternatives per token, when log-probabilities are asked for.
    logprobs: Option<usize>,
}

pub(crate) async fn route(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::OpenAi, chat(&app, request).await)
}

async fn chat(app: &App, request: Request) -> Result<Response> {
    let request: ChatRequest = body::json(request, &app.limits).await?;
    refuse(&request)?;
    let target = app.models().find(&request.model, request.answer.adapter_id.as_deref())?;
    let requests = plan(app, &request, &target)?;
    let logprobs = requests.first().and_then(|r| r.logprobs);
    let shape = Shape { head: Head::new("chatcmpl-", target), logprobs };
    let opened = open(app, &shape.head.target, requests).await?;
    let (stream, with_usage) = streams(&request.answer);
    let mut response = if stream {
        let (usage, answers) = (with_usage.then(Usage::default), opened.len());
        events::respond(opened, ChatFrames { shape, usage, answers })
    } else {
        let finished = futures_util::future::try_join_all(opened.into_iter().map(|o| o.finish())).await?;
        Json(shape.whole(finished)).into_response()
    };
    body::note_ignored(&mut response, &request.extra, NO_EFFECT);
    Ok(response)
}

fn refuse(r: &ChatRequest) -> Result<()> {
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
    refuse_unsupported(&r.answer, &r.extra)
}

/// One engine request for each of `n` answers.
fn plan(app: &App, r: &ChatRequest, target: &Target) -> Result<Vec<GenerateRequest>> {
    let n = count("n", r.answer.n, 1, 1, app.limits.answers)?;
    let top = count("top_logprobs", r.top_logprobs, 0, 0, 20)?;
    if r.top_logprobs.is_some() && r.logprobs != Some(true) {
        return Err(Error::invalid("top_logprobs needs `logprobs: true`").at_key("top_logprobs"));
    }
    let options = RenderOptions {
        add_generation_prompt: r.add_generation_prompt.unwrap_or(true),
        ..RenderOptions::default()
    };
    let prompt = Prompt::Chat(messages(r)?, options);
    let mut request = engine_request(app, target, prompt, &r.answer, &r.sampling)?;
    request.max_tokens = match r.max_completion_tokens {
        Some(_) => max_tokens("max_completion_tokens", r.max_completion_tokens, 1, None)?,
        None => max_tokens("max_tokens", r.answer.max_tokens, 1, None)?,
    };
    request.logprobs = (r.logprobs == Some(true)).then_some(top);
    Ok(several(&request, n))
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
        id: None,
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
            id: self.head.id.clone(),
            object: openai::ChatAnswer::OBJECT,
            created: self.head.created,
            model: self.head.target.name.clone(),
            system_fingerprint: self.head.fingerprint.clone(),
            choices,
            usage: usage(&total),
        }
    }

    fn logprobs(&self, tokens: &[TokenEvent]) -> Option<openai::ChatLogProbs> {
        self.logprobs?;
        let content = tokens.iter().map(|t| token_logprob(self.head.codec(), t)).collect();
        Some(openai::ChatLogProbs { content, refusal: None })
    }

    fn chunk(&self, choices: Vec<openai::ChunkChoice>, usage: Option<Option<openai::Usage>>) -> String {
        let chunk = openai::ChatChunk {
            id: self.head.id.clone(),
            object: openai::ChatChunk::OBJECT,
            created: self.head.created,
            model: self.head.target.name.clone(),
            system_fingerprint: self.head.fingerprint.clone(),
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

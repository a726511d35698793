//! `POST /v1/completions`: texts or token ids, echo, log-probabilities, scoring without generating.

use super::answer;
use super::openai_answer::{Head, add, finite, reason, spell, usage, with_chosen};
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
    Error, Finish, GenerateEvent, GenerateRequest, LogProb, Prompt, Result, TextCodec, TokenEvent, Usage,
};
use lyceum_wire::openai::{self, CompletionLogProbs, CompletionRequest, PromptInput};
use serde_json::{Map, Value};

/// Tokens where the request does not say.
const DEFAULT_TOKENS: usize = 16;

/// What the answer's shape depends on.
struct Shape {
    head: Head,
    logprobs: Option<usize>,
    /// The text of each prompt, when it is to be repeated.
    echo: Option<Vec<String>>,
    /// Answers per prompt.
    n: usize,
}

pub(crate) async fn route(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::OpenAi, complete(&app, request).await)
}

async fn complete(app: &App, request: Request) -> Result<Response> {
    let request: CompletionRequest = body::json(request, &app.limits).await?;
    refuse(&request)?;
    let target = app.models().find(&request.model, request.answer.adapter_id.as_deref())?;
    let prompts = prompts(app, request.prompt.clone())?;
    let most = max_tokens("max_tokens", request.answer.max_tokens, 0, Some(DEFAULT_TOKENS))?;
    let shape = Shape {
        logprobs: request.logprobs.map(|_| count("logprobs", request.logprobs, 0, 0, 20)).transpose()?,
        echo: match request.echo {
            Some(true) => Some(prompts.iter().map(|p| text_of(p, &target)).collect::<Result<_>>()?),
            _ => None,
        },
        n: count("n", request.answer.n, 1, 1, app.limits.answers)?,
        head: Head::new("cmpl-", target),
    };
    let mut response = if most == Some(0) {
        scored(app, &shape, &prompts).await?
    } else {
        generated(app, &request, shape, prompts, most).await?
    };
    body::note_ignored(&mut response, &request.extra, NO_EFFECT);
    Ok(response)
}

fn refuse(r: &CompletionRequest) -> Result<()> {
    if r.suffix.as_ref().is_some_and(|s| !s.is_empty()) {
        return Err(refuse_key("suffix", "needs a model that fills in the middle"));
    }
    if r.best_of.is_some_and(|b| Some(b) != r.answer.n && b != 1) {
        return Err(refuse_key("best_of", "other than n is not supported by this server"));
    }
    if r.echo == Some(true) && r.answer.stream == Some(true) {
        return Err(refuse_key("echo", "is not supported in a stream"));
    }
    refuse_unsupported(&r.answer, &r.extra)
}

fn prompts(app: &App, input: PromptInput) -> Result<Vec<Prompt>> {
    let list: Vec<Prompt> = match input {
        PromptInput::Text(text) => vec![Prompt::Text(text)],
        PromptInput::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
        PromptInput::Tokens(ids) => vec![Prompt::Tokens(ids)],
        PromptInput::TokenLists(lists) => lists.into_iter().map(Prompt::Tokens).collect(),
    };
    let most = app.limits.inputs;
    if list.is_empty() || list.len() > most {
        return Err(Error::invalid(format!("prompt has {} entries, expected 1 to {most}", list.len()))
            .at_key("prompt"));
    }
    Ok(list)
}

fn text_of(prompt: &Prompt, target: &Target) -> Result<String> {
    match prompt {
        Prompt::Tokens(ids) => target.engine.text().decode(ids),
        Prompt::Text(text) => Ok(text.clone()),
        Prompt::Chat(..) => Err(Error::internal("a completion has no chat")),
    }
}

async fn generated(
    app: &App,
    r: &CompletionRequest,
    shape: Shape,
    prompts: Vec<Prompt>,
    most: Option<usize>,
) -> Result<Response> {
    let blank = Prompt::Text(String::new());
    let mut common = engine_request(app, &shape.head.target, blank, &r.answer, &r.sampling)?;
    common.max_tokens = most;
    common.logprobs = shape.logprobs;
    common.prompt_logprobs = shape.echo.is_some() && shape.logprobs.is_some();
    let of = |prompt| several(&GenerateRequest { prompt, ..common.clone() }, shape.n);
    let opened = open(app, &shape.head.target, prompts.into_iter().flat_map(of).collect()).await?;
    let (stream, with_usage) = streams(&r.answer);
    if stream {
        let (usage, offsets) = (with_usage.then(Usage::default), vec![0; opened.len()]);
        return Ok(events::respond(opened, TextFrames { shape, usage, offsets }));
    }
    let finished = futures_util::future::try_join_all(opened.into_iter().map(|o| o.finish())).await?;
    let mut total = Usage::default();
    for of_prompt in finished.chunks(shape.n) {
        let mut one = Usage::default();
        of_prompt.iter().for_each(|f| add(&mut one, &f.usage));
        total.prompt_tokens += one.prompt_tokens;
        total.cached_tokens += one.cached_tokens;
        total.completion_tokens += one.completion_tokens;
    }
    let choices = finished.iter().enumerate().map(|(i, f)| shape.choice(i, f)).collect();
    Ok(Json(shape.completion(choices, Some(Some(usage(&total))))).into_response())
}

/// `max_tokens: 0`: the prompt's own log-probabilities.
async fn scored(app: &App, shape: &Shape, prompts: &[Prompt]) -> Result<Response> {
    if shape.echo.is_none() {
        return Err(Error::invalid("max_tokens is 0, which only scores the prompt: it needs `echo: true`")
            .at_key("max_tokens"));
    }
    let _permit = app.admission.enter().await?;
    let (engine, adapter) = (&shape.head.target.engine, shape.head.target.adapter.as_deref());
    let (mut choices, mut read) = (Vec::new(), 0);
    for (i, prompt) in prompts.iter().enumerate() {
        let ids = match prompt {
            Prompt::Tokens(ids) => ids.clone(),
            other => engine.text().encode(&text_of(other, &shape.head.target)?, true)?,
        };
        check_length(ids.len(), engine.model().context_length)?;
        let logprobs = match shape.logprobs {
            Some(_) => {
                let scores = engine.score(&ids, adapter).await?;
                let later = ids.iter().skip(1).zip(&scores);
                let of_prompt: Vec<LogProb> = later.map(|(id, p)| LogProb { id: *id, logprob: *p }).collect();
                Some(logprobs(engine.text(), &ids, &of_prompt, &[]))
            }
            None => None,
        };
        read += ids.len();
        let text = shape.echo.as_ref().and_then(|e| e.get(i)).cloned().unwrap_or_default();
        choices.push(openai::CompletionChoice { index: i, text, logprobs, finish_reason: Some("length") });
    }
    let total = Usage { prompt_tokens: read, ..Usage::default() };
    Ok(Json(shape.completion(choices, Some(Some(usage(&total))))).into_response())
}

fn check_length(tokens: usize, context: usize) -> Result<()> {
    if tokens == 0 {
        return Err(Error::invalid("the prompt is empty").at_key("prompt"));
    }
    if tokens > context {
        return Err(Error::invalid(format!(
            "the prompt has {tokens} tokens, more than the context of {context}"
        ))
        .with_code("context_length_exceeded")
        .at_key("prompt"));
    }
    Ok(())
}

impl Shape {
    fn completion(
        &self,
        choices: Vec<openai::CompletionChoice>,
        usage: Option<Option<openai::Usage>>,
    ) -> openai::Completion {
        openai::Completion {
            id: self.head.id.clone(),
            object: openai::Completion::OBJECT,
            created: self.head.created,
            model: self.head.target.name.clone(),
            system_fingerprint: self.head.fingerprint.clone(),
            choices,
            usage,
        }
    }

    fn choice(&self, index: usize, f: &Finished) -> openai::CompletionChoice {
        let echo = self.echo.as_ref().and_then(|e| e.get(index / self.n.max(1)));
        let codec = self.head.codec();
        let prompt: &[u32] = if echo.is_some() { &f.prompt } else { &[] };
        let logprobs = self.logprobs.map(|_| logprobs(codec, prompt, &f.prompt_logprobs, &f.tokens));
        let text = echo.cloned().unwrap_or_default() + &f.text;
        openai::CompletionChoice { index, text, logprobs, finish_reason: Some(reason(&f.finish)) }
    }
}

/// Entries for the prompt's tokens (the first has no log-probability), then for the generated ones.
fn logprobs(
    codec: &dyn TextCodec,
    prompt: &[u32],
    of_prompt: &[LogProb],
    tokens: &[TokenEvent],
) -> CompletionLogProbs {
    let mut out = CompletionLogProbs::default();
    let mut offset = 0;
    let mut push = |id: u32, logprob: Option<f32>, top: &[LogProb]| {
        let (text, _) = spell(codec, id);
        out.text_offset.push(offset);
        offset += text.chars().count();
        out.tokens.push(text);
        out.token_logprobs.push(logprob.map(finite));
        out.top_logprobs.push(logprob.map(|_| top_map(codec, top)));
    };
    for (i, id) in prompt.iter().enumerate() {
        let known = i.checked_sub(1).and_then(|i| of_prompt.get(i));
        push(*id, known.map(|p| p.logprob), known.map(std::slice::from_ref).unwrap_or_default());
    }
    for t in tokens {
        push(t.id, t.logprob, &with_chosen(t));
    }
    out
}

fn top_map(codec: &dyn TextCodec, top: &[LogProb]) -> Map<String, Value> {
    top.iter().map(|p| (spell(codec, p.id).0, Value::from(finite(p.logprob)))).collect()
}

/// Chunks of streamed completions.
struct TextFrames {
    shape: Shape,
    usage: Option<Usage>,
    /// Where each answer's next token begins, in characters.
    offsets: Vec<usize>,
}

impl TextFrames {
    fn chunk(
        &self,
        index: usize,
        text: String,
        logprobs: Option<CompletionLogProbs>,
        finish: Option<&Finish>,
    ) -> String {
        let choice = openai::CompletionChoice { index, text, logprobs, finish_reason: finish.map(reason) };
        frame("data: ", &self.shape.completion(vec![choice], self.usage.map(|_| None)))
    }
}

impl Frames for TextFrames {
    fn begin(&mut self) -> String {
        String::new()
    }

    fn event(&mut self, index: usize, event: GenerateEvent) -> String {
        match event {
            GenerateEvent::Started { .. } => String::new(),
            GenerateEvent::Token(t) => {
                let codec = self.shape.head.codec();
                let mut entry =
                    self.shape.logprobs.map(|_| logprobs(codec, &[], &[], std::slice::from_ref(&t)));
                if let (Some(entry), Some(offset)) = (&mut entry, self.offsets.get_mut(index)) {
                    entry.text_offset = vec![*offset];
                    *offset += entry.tokens.iter().map(|t| t.chars().count()).sum::<usize>();
                }
                if t.text.is_empty() && entry.is_none() {
                    return String::new();
                }
                self.chunk(index, t.text, entry, None)
            }
            GenerateEvent::Done { finish, text, usage } => {
                if let Some(total) = &mut self.usage {
                    total.prompt_tokens +=
                        if index.is_multiple_of(self.shape.n.max(1)) { usage.prompt_tokens } else { 0 };
                    total.completion_tokens += usage.completion_tokens;
                }
                self.chunk(index, text, None, Some(&finish))
            }
        }
    }

    fn error(&mut self, e: &Error) -> String {
        frame("data: ", &error::openai(e))
    }

    fn end(&mut self) -> String {
        let last =
            self.usage.map(|u| frame("data: ", &self.shape.completion(Vec::new(), Some(Some(usage(&u))))));
        last.unwrap_or_default() + "data: [DONE]\n\n"
    }
}

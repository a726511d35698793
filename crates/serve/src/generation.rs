//! One generation from admission to end: opened (the prompt is read, so that faults of the request still get a proper
//! status), then read event by event. Dropping it cancels it. Each is recorded as a model run.

use crate::limits::Permit;
use crate::metrics::Meter;
use crate::models::Target;
use crate::state::App;
use futures_util::{Stream, StreamExt, stream};
use lyceum_core::{
    Error, Finish, GenerateEvent, GenerateRequest, LogProb, Result, TokenEvent, TokenStream, Usage,
};
use std::sync::Arc;
use std::time::Instant;

/// A generation whose prompt is read.
pub(crate) struct Opened {
    /// Ids of the prompt.
    pub(crate) prompt: Vec<u32>,
    /// Of each prompt token after the first, when asked for.
    pub(crate) prompt_logprobs: Vec<LogProb>,
    events: TokenStream,
    meter: Meter,
    // Several answers to one request share its place.
    _permit: Arc<Permit>,
}

/// A whole generation.
pub(crate) struct Finished {
    pub(crate) prompt: Vec<u32>,
    pub(crate) prompt_logprobs: Vec<LogProb>,
    pub(crate) tokens: Vec<TokenEvent>,
    pub(crate) text: String,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
}

/// Opens the generations of one request, all in one place of the queue.
pub(crate) async fn open(app: &App, target: &Target, requests: Vec<GenerateRequest>) -> Result<Vec<Opened>> {
    let permit = Arc::new(app.admission.enter().await?);
    let mut opening = Vec::new();
    for mut request in requests {
        request.deadline = Some(Instant::now() + app.limits.answer_time);
        let meter = app.metrics.begin(&target.engine.model().name, target.adapter.as_deref());
        let most = request.max_tokens.unwrap_or(0);
        let events = lyceum_core::generate(&*target.engine, request, &app.context());
        opening.push(begin(target, events, meter, most, permit.clone()));
    }
    futures_util::future::try_join_all(opening).await
}

async fn begin(
    target: &Target,
    events: Result<TokenStream>,
    mut meter: Meter,
    most: usize,
    permit: Arc<Permit>,
) -> Result<Opened> {
    let first = async {
        let mut events = events?;
        match events.next().await {
            Some(Ok(GenerateEvent::Started { prompt, prompt_logprobs })) => {
                Ok((prompt, prompt_logprobs, events))
            }
            Some(Err(e)) => Err(e),
            _ => Err(incomplete()),
        }
    };
    let (prompt, prompt_logprobs, events) = first.await.inspect_err(|e| meter.failed(e.kind()))?;
    let context = target.engine.model().context_length;
    if prompt.len() + most > context {
        let n = prompt.len();
        return Err(Error::invalid(format!(
            "the prompt has {n} tokens, which with max_tokens {most} is more than the context of {context}"
        ))
        .with_code("context_length_exceeded")
        .at_key("max_tokens"));
    }
    Ok(Opened { prompt, prompt_logprobs, events, meter, _permit: permit })
}

impl Opened {
    /// The events after the start; one that ends without `Done` ends with an error.
    pub(crate) fn into_events(self) -> impl Stream<Item = Result<GenerateEvent>> + Send {
        stream::unfold(Some(self), |state| async move {
            let mut open = state?;
            let event = open.events.next().await.unwrap_or_else(|| Err(incomplete()));
            let more = match &event {
                Ok(GenerateEvent::Token(_)) => {
                    open.meter.token();
                    true
                }
                Ok(GenerateEvent::Done { finish, usage, .. }) => {
                    open.meter.done(finish, usage);
                    false
                }
                Ok(GenerateEvent::Started { .. }) => true,
                Err(e) => {
                    open.meter.failed(e.kind());
                    false
                }
            };
            Some((event, more.then_some(open)))
        })
    }

    /// Runs it to its end.
    pub(crate) async fn finish(mut self) -> Result<Finished> {
        let prompt = std::mem::take(&mut self.prompt);
        let prompt_logprobs = std::mem::take(&mut self.prompt_logprobs);
        let (mut tokens, mut text) = (Vec::new(), String::new());
        let mut events = std::pin::pin!(self.into_events());
        while let Some(event) = events.next().await {
            match event? {
                GenerateEvent::Started { .. } => {}
                GenerateEvent::Token(t) => {
                    text.push_str(&t.text);
                    tokens.push(t);
                }
                GenerateEvent::Done { finish, text: rest, usage } => {
                    text.push_str(&rest);
                    return Ok(Finished { prompt, prompt_logprobs, tokens, text, finish, usage });
                }
            }
        }
        Err(incomplete())
    }
}

fn incomplete() -> Error {
    Error::internal("the engine ended a generation without saying so").with_code("incomplete_generation")
}

//! Recording what runs: generations of an engine, and any runnable that does not record itself.

use crate::{
    Context, Engine, Error, Finish, GenerateEvent, GenerateRequest, Map, Prompt, Result, RunKind, RunStatus,
    Runnable, Signature, Span, TokenStream, Value, ValueStream, facts,
};
use async_trait::async_trait;
use futures_util::stream::{self, Stream, StreamExt};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

/// Begins a generation and records it as a model run: the prompt, the joined text, tokens, the time to the first of
/// them, the adapter and its generation. Dropped early, the run is cancelled with the text so far. Where nobody listens
/// this is `engine.generate` itself.
pub fn generate(engine: &dyn Engine, request: GenerateRequest, cx: &Context) -> Result<TokenStream> {
    let name = request.adapter.as_deref().unwrap_or(&engine.model().name);
    let span = cx.span(RunKind::Model, name, || (prompt(&request.prompt), metadata(engine, &request)));
    if span.id().is_none() {
        drop(span);
        return engine.generate(request);
    }
    let span = span.into_owned();
    let begun = Instant::now();
    match engine.generate(request) {
        Ok(events) => {
            let (text, facts) = (String::new(), Map::new());
            Ok(Recorded { events, span: Some(span), text, facts, begun, has_first: false }.boxed())
        }
        Err(e) => {
            span.finish(Err(&e), Map::new);
            Err(e)
        }
    }
}

fn prompt(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Text(text) => text.as_str().into(),
        Prompt::Tokens(ids) => ids.iter().map(|id| Value::Int(i64::from(*id))).collect(),
        Prompt::Chat(messages, options) => {
            let messages = messages.iter().cloned().map(Value::from).collect();
            let mut map = Map::from_iter([("messages".into(), messages)]);
            if !options.tools.is_empty() {
                let tools = options.tools.iter().cloned().map(Value::from_json).collect();
                map.insert("tools".into(), tools);
            }
            map.into()
        }
    }
}

fn metadata(engine: &dyn Engine, request: &GenerateRequest) -> Map {
    let mut map = Map::from_iter([(facts::MODEL.into(), engine.model().name.as_str().into())]);
    if let Some(adapter) = &request.adapter {
        map.insert(facts::ADAPTER.into(), adapter.as_str().into());
        let loaded = engine.adapters().map(|a| a.list()).unwrap_or_default();
        if let Some(info) = loaded.into_iter().find(|i| i.name == *adapter) {
            map.insert(facts::GENERATION.into(), info.generation.into());
        }
    }
    let s = &request.sampling;
    map.insert("temperature".into(), shortest(s.temperature));
    if s.temperature > 0.0 {
        map.insert("top_p".into(), shortest(s.top_p));
        map.insert(
            "seed".into(),
            i64::try_from(s.seed).map_or_else(|_| s.seed.to_string().into(), Value::Int),
        );
    }
    if let Some(n) = request.max_tokens {
        map.insert("max_tokens".into(), count(n));
    }
    map
}

/// 0.7 stays 0.7, not 0.699999988079071.
fn shortest(x: f32) -> Value {
    Value::Float(x.to_string().parse().unwrap_or(f64::from(x)))
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Passes events on and ends the span with what they were.
struct Recorded {
    events: TokenStream,
    span: Option<Span<'static>>,
    text: String,
    facts: Map,
    begun: Instant,
    has_first: bool,
}

impl Recorded {
    fn see(&mut self, event: &Result<GenerateEvent>) {
        match event {
            Ok(GenerateEvent::Started { prompt, .. }) => {
                self.facts.insert(facts::PROMPT_TOKENS.into(), count(prompt.len()));
            }
            Ok(GenerateEvent::Token(token)) => {
                if !self.has_first {
                    self.has_first = true;
                    let ms = self.begun.elapsed().as_secs_f64() * 1000.0;
                    self.facts.insert(facts::FIRST_TOKEN_MS.into(), Value::Float(ms));
                }
                self.text.push_str(&token.text);
            }
            Ok(GenerateEvent::Done { finish, text, usage }) => {
                self.text.push_str(text);
                let why = match finish {
                    Finish::EndOfSequence | Finish::StopString(_) => "stop",
                    Finish::Length => "length",
                };
                for (name, value) in [
                    (facts::PROMPT_TOKENS, count(usage.prompt_tokens)),
                    ("cached_tokens", count(usage.cached_tokens)),
                    (facts::COMPLETION_TOKENS, count(usage.completion_tokens)),
                    ("finish_reason", why.into()),
                ] {
                    self.facts.insert(name.into(), value);
                }
                self.end(RunStatus::Success, None);
            }
            Err(e) => self.end(RunStatus::of::<()>(Err(e)), Some(e)),
        }
    }

    fn end(&mut self, status: RunStatus, error: Option<&Error>) {
        if let Some(span) = self.span.take() {
            let facts = std::mem::take(&mut self.facts);
            let text = std::mem::take(&mut self.text);
            span.finish_as(status, &text.into(), error, || facts);
        }
    }
}

impl Stream for Recorded {
    type Item = Result<GenerateEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.events.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(event)) => self.see(event),
            Poll::Ready(None) => self.end(RunStatus::Cancelled, None),
            Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.end(RunStatus::Cancelled, None);
    }
}

/// A runnable whose calls are recorded: for tools, retrievers, embedders and models that do not record themselves.
/// Streams are joined for the record. A batch of a model goes to its own `batch`; what it calls is recorded beside it.
pub struct Traced {
    inner: Arc<dyn Runnable>,
    kind: RunKind,
}

impl Traced {
    /// Around a runnable.
    pub fn new(kind: RunKind, inner: Arc<dyn Runnable>) -> Self {
        Self { inner, kind }
    }

    fn span<'a>(&self, input: &Value, cx: &'a Context) -> Span<'a> {
        cx.span(self.kind, self.inner.name(), || (input.clone(), Map::new()))
    }
}

#[async_trait]
impl Runnable for Traced {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> Signature {
        self.inner.signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let span = self.span(&input, cx);
        let done = self.inner.invoke(input, span.cx()).await;
        span.finish(done.as_ref(), Map::new);
        done
    }

    fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
        if !cx.tracer().wants(self.kind) {
            return self.inner.transform(input, cx);
        }
        let begin = async move {
            let input = match crate::gather(input).await {
                Ok(input) => input,
                Err(e) => return stream::iter([Err(e)]).boxed(),
            };
            let span = self.span(&input, cx).into_owned();
            let below = span.cx().clone();
            let chunks = crate::stream_owned(self.inner.clone(), stream::iter([Ok(input)]).boxed(), below);
            span.record(chunks)
        };
        stream::once(begin).flatten().boxed()
    }

    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        let whole = matches!(self.kind, RunKind::Model | RunKind::Embedding);
        if whole || !cx.tracer().wants(self.kind) {
            let spans: Vec<_> = inputs.iter().map(|input| self.span(input, cx)).collect();
            let done = self.inner.batch(inputs, cx).await;
            for (span, one) in spans.into_iter().zip(&done) {
                span.finish(one.as_ref(), Map::new);
            }
            return done;
        }
        let each = inputs.into_iter().map(|input| self.invoke(input, cx));
        stream::iter(each).buffered(cx.concurrency()).collect().await
    }
}

/// Passes chunks on and ends the span with their sum.
pub(crate) fn recorded(chunks: ValueStream<'static>, span: Span<'static>) -> ValueStream<'static> {
    let begin = (chunks, Some(span), Joined::default());
    stream::unfold(begin, |(mut chunks, mut span, mut joined)| async move {
        let next = chunks.next().await;
        match &next {
            Some(Ok(chunk)) => joined.add(chunk),
            Some(Err(e)) => {
                if let Some(span) = span.take() {
                    span.finish_as(RunStatus::of::<()>(Err(e)), &joined.value(), Some(e), Map::new);
                }
            }
            None => {
                if let Some(span) = span.take() {
                    span.finish(Ok(&joined.value()), Map::new);
                }
            }
        }
        next.map(|chunk| (chunk, (chunks, span, joined)))
    })
    .boxed()
}

/// Chunks joined as `gather` joins them, text without copying it anew for each chunk.
#[derive(Default)]
struct Joined {
    text: String,
    other: Value,
}

impl Joined {
    fn add(&mut self, chunk: &Value) {
        match chunk {
            Value::Str(s) if self.other == Value::Null => self.text.push_str(s),
            other => self.other = crate::runnable::join(self.value(), other.clone()),
        }
    }

    fn value(&mut self) -> Value {
        match std::mem::take(&mut self.text) {
            text if text.is_empty() => std::mem::take(&mut self.other),
            text => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::tests::Lines;
    use futures_util::TryStreamExt;

    struct Letters;

    #[async_trait]
    impl Runnable for Letters {
        fn name(&self) -> &str {
            "letters"
        }
        fn signature(&self) -> Signature {
            Signature::any()
        }
        async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
            cx.check()?;
            input.as_str().map(|_| input.clone()).ok_or_else(|| Error::invalid("no text"))
        }
        fn transform<'a>(&'a self, input: ValueStream<'a>, cx: &'a Context) -> ValueStream<'a> {
            let begin = async move {
                let whole = self.invoke(crate::gather(input).await?, cx).await?;
                let letters: Vec<_> = whole.as_str().unwrap_or_default().chars().collect();
                Ok(stream::iter(letters).map(|c| Ok(Value::from(c.to_string()))))
            };
            stream::once(begin).try_flatten().boxed()
        }
    }

    fn traced(kind: RunKind) -> (Traced, Arc<Lines>, Context) {
        let lines = Arc::new(Lines::default());
        let cx = Context::new().with_tracer(lines.clone());
        (Traced::new(kind, Arc::new(Letters)), lines, cx)
    }

    #[tokio::test]
    async fn obeys_the_laws() {
        for kind in [RunKind::Tool, RunKind::Model] {
            let (traced, ..) = traced(kind);
            crate::laws::runnable(&traced, &["ab".into(), "c".into()]).await.unwrap();
        }
    }

    #[tokio::test]
    async fn calls_streams_and_batches_are_recorded() {
        let (tool, lines, cx) = traced(RunKind::Tool);
        tool.invoke("ab".into(), &cx).await.unwrap();
        let chunks: Vec<Value> =
            tool.transform(stream::iter([Ok("xyz".into())]).boxed(), &cx).try_collect().await.unwrap();
        assert_eq!(chunks.len(), 3);
        let mut left = tool.transform(stream::iter([Ok("xyz".into())]).boxed(), &cx);
        left.next().await.unwrap().unwrap();
        drop(left);
        assert!(tool.batch(vec![Value::Int(1)], &cx).await.remove(0).is_err());
        let told = lines.0.lock().unwrap();
        let expected = [
            "tool letters root \"ab\" {}",
            "success \"ab\" []",
            "tool letters root \"xyz\" {}",
            "success \"xyz\" []",
            "tool letters root \"xyz\" {}",
            "cancelled null []",
            "tool letters root 1 {}",
            "error null [] no text",
        ];
        assert_eq!(*told, expected);
    }
}

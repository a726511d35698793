//! A run under way: opened by [`Context::span`], closed with what came out. Dropped open, it was cancelled.

use crate::{Context, Error, Map, Run, RunId, RunKind, RunOutcome, RunStatus, Value, ValueStream};
use std::borrow::Cow;
use std::time::SystemTime;

/// A run under way. Where nobody listens it holds a borrowed context and nothing else.
#[must_use = "a span that is dropped at once records a cancelled run"]
pub struct Span<'a> {
    cx: Cow<'a, Context>,
    id: Option<RunId>,
}

impl Context {
    /// Opens a run below the present one. `about` gives its input and metadata; it is called only if somebody listens.
    pub fn span(&self, kind: RunKind, name: &str, about: impl FnOnce() -> (Value, Map)) -> Span<'_> {
        if !self.tracer().wants(kind) {
            return Span { cx: Cow::Borrowed(self), id: None };
        }
        let (input, metadata) = about();
        let id = self.next_run();
        let taken = self.tracer().start(Run {
            id,
            parent: self.parent(),
            kind,
            name: name.to_string(),
            input,
            metadata,
            start: SystemTime::now(),
        });
        if taken {
            Span { cx: Cow::Owned(self.clone().under(id)), id: Some(id) }
        } else {
            Span { cx: Cow::Borrowed(self), id: None }
        }
    }
}

impl Span<'_> {
    /// The context for what is done below this run.
    pub fn cx(&self) -> &Context {
        &self.cx
    }

    /// Its id, if it is recorded.
    pub fn id(&self) -> Option<RunId> {
        self.id
    }

    /// Something that happened within the run. `data` is called only if somebody listens.
    pub fn event(&self, name: &str, data: impl FnOnce() -> Value) {
        if let Some(id) = self.id {
            self.cx.tracer().event(id, name, data());
        }
    }

    /// Ends the run as its result says. `facts` is called only if somebody listens.
    pub fn finish(self, result: Result<&Value, &Error>, facts: impl FnOnce() -> Map) {
        let (output, error) = match result {
            Ok(value) => (value, None),
            Err(e) => (&Value::Null, Some(e)),
        };
        self.finish_as(RunStatus::of(result), output, error, facts);
    }

    /// Ends the run with a status of the caller's choice: for what waits for a person, or came only in part.
    pub fn finish_as(
        mut self,
        status: RunStatus,
        output: &Value,
        error: Option<&Error>,
        facts: impl FnOnce() -> Map,
    ) {
        if let Some(id) = self.id.take() {
            let end = SystemTime::now();
            self.cx.tracer().finish(RunOutcome { id, status, output, error, facts: facts(), end });
        }
    }

    /// Passes chunks on as they come and ends the run with their sum.
    pub fn record(self, chunks: ValueStream<'static>) -> ValueStream<'static> {
        if self.id.is_none() { chunks } else { crate::traced::recorded(chunks, self.into_owned()) }
    }

    /// A span that outlives the context it was opened from.
    pub fn into_owned(mut self) -> Span<'static> {
        Span { cx: Cow::Owned(self.cx.as_ref().clone()), id: self.id.take() }
    }
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.cx.tracer().finish(RunOutcome {
                id,
                status: RunStatus::Cancelled,
                output: &Value::Null,
                error: None,
                facts: Map::new(),
                end: SystemTime::now(),
            });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Tracer;
    use std::sync::{Arc, Mutex};

    /// Remembers what it is told, a line each.
    #[derive(Default)]
    pub(crate) struct Lines(pub(crate) Mutex<Vec<String>>);

    impl Lines {
        fn add(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }

    impl Tracer for Lines {
        fn start(&self, run: Run) -> bool {
            let below = if run.parent.is_some() { "below" } else { "root" };
            let (kind, input) = (run.kind.as_str(), run.input.to_json());
            self.add(format!("{kind} {} {below} {input} {}", run.name, Value::from(run.metadata).to_json()));
            true
        }
        fn finish(&self, o: RunOutcome<'_>) {
            let error = o.error.map(|e| format!(" {e}")).unwrap_or_default();
            let facts: Vec<&str> = o.facts.keys().map(|k| &**k).collect();
            self.add(format!("{} {} {facts:?}{error}", o.status.as_str(), o.output.to_json()));
        }
        fn event(&self, _: RunId, name: &str, data: Value) {
            self.add(format!("event {name} {}", data.to_json()));
        }
    }

    #[test]
    fn runs_nest_end_and_are_cancelled_when_dropped() {
        let lines = Arc::new(Lines::default());
        let cx = Context::new().with_tracer(lines.clone());
        let outer = cx.span(RunKind::Chain, "outer", || (Value::Int(1), Map::new()));
        let inner = outer.cx().span(RunKind::Tool, "inner", || ("x".into(), Map::new())).into_owned();
        inner.event("seen", || Value::Bool(true));
        inner.finish(Ok(&Value::Int(2)), Map::new);
        drop(outer.cx().span(RunKind::Tool, "left", || (Value::Null, Map::new())));
        assert!(outer.cx().span(RunKind::Parser, "quiet", || unreachable!()).id().is_none());
        outer.finish(Err(&Error::invalid("bad")), || Map::from_iter([("cost".into(), Value::Float(0.1))]));
        let told = lines.0.lock().unwrap();
        let expected = [
            "chain outer root 1 {}",
            "tool inner below \"x\" {}",
            "event seen true",
            "success 2 []",
            "tool left below null {}",
            "cancelled null []",
            "error null [\"cost\"] bad",
        ];
        assert_eq!(*told, expected);
    }

    #[test]
    fn a_reserved_id_is_given_once() {
        let id = RunId::next();
        let cx = Context::new().with_tracer(Arc::new(Lines::default())).as_run(id);
        let (first, second) =
            (cx.span(RunKind::Chain, "a", Default::default), cx.span(RunKind::Chain, "b", Default::default));
        assert_eq!(first.id(), Some(id));
        assert!(second.id() > Some(id));
        assert!(first.cx().span(RunKind::Tool, "c", Default::default).id() > second.id());
    }

    #[test]
    fn nothing_is_built_where_nobody_listens() {
        let cx = Context::new();
        let span = cx.span(RunKind::Chain, "x", || unreachable!());
        span.event("e", || unreachable!());
        assert!(matches!(span.cx, Cow::Borrowed(_)));
        span.finish(Ok(&Value::Null), || unreachable!());
    }
}

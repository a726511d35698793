//! What is recorded of each run. Sinks implement [`Tracer`]; the hot path pays one virtual call when nobody listens.

use crate::{Error, Value};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Names a run within this process; the store gives durable ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(u64);

impl RunId {
    /// The next id of this process.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The counter's value.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run{}", self.0)
    }
}

/// What sort of work a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// Composition: pipes, graphs and their nodes.
    Chain,
    /// A language model.
    Model,
    /// A tool.
    Tool,
    /// A retriever.
    Retriever,
    /// Learning.
    Training,
    /// Judging.
    Evaluation,
}

/// A run as it starts.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The run above it.
    pub parent: Option<RunId>,
    /// What sort of work.
    pub kind: RunKind,
    /// The runnable's name.
    pub name: String,
    /// What went in.
    pub input: Value,
    /// When it began.
    pub start: SystemTime,
}

/// A run as it ends.
#[derive(Debug)]
pub struct RunOutcome<'a> {
    /// Its id.
    pub id: RunId,
    /// What came out, or why nothing did.
    pub output: Result<&'a Value, &'a Error>,
    /// Further facts: tokens, cost, adapter generation.
    pub facts: Value,
    /// When it ended.
    pub end: SystemTime,
}

/// A place where runs are recorded. Never blocks, never fails the run it records.
pub trait Tracer: Send + Sync {
    /// Whether anybody listens; when not, callers skip building records.
    fn enabled(&self) -> bool {
        true
    }
    /// A run begins.
    fn start(&self, run: Run);
    /// A run has ended.
    fn finish(&self, outcome: RunOutcome<'_>);
    /// Something happened within a run: a first token, a retry.
    fn event(&self, run: RunId, name: &str, data: &Value);
}

/// Records nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTracer;

impl Tracer for NoTracer {
    fn enabled(&self) -> bool {
        false
    }
    fn start(&self, _: Run) {}
    fn finish(&self, _: RunOutcome<'_>) {}
    fn event(&self, _: RunId, _: &str, _: &Value) {}
}

//! What is recorded of each run. Sinks implement [`Tracer`]; the hot path pays one virtual call when nobody listens.
//!
//! Facts that sinks know by name (all optional): see [`facts`].

use crate::{Error, ErrorKind, Map, RunId, Value};
use std::time::SystemTime;

/// What sort of work a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// Composition: graphs and their nodes, requests, steps of a project.
    Chain,
    /// A language model.
    Model,
    /// A tool.
    Tool,
    /// A retriever.
    Retriever,
    /// Text to vectors.
    Embedding,
    /// Filling a prompt; recorded only by those who ask for it.
    Prompt,
    /// Reading an answer; recorded only by those who ask for it.
    Parser,
    /// Learning.
    Training,
    /// Judging.
    Evaluation,
}

impl RunKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Chain,
        Self::Model,
        Self::Tool,
        Self::Retriever,
        Self::Embedding,
        Self::Prompt,
        Self::Parser,
        Self::Training,
        Self::Evaluation,
    ];

    /// Its word, as traces write it: a language model is `llm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Model => "llm",
            Self::Tool => "tool",
            Self::Retriever => "retriever",
            Self::Embedding => "embedding",
            Self::Prompt => "prompt",
            Self::Parser => "parser",
            Self::Training => "training",
            Self::Evaluation => "evaluation",
        }
    }

    /// The kind of a word; `model` is `llm`. Fails naming the nearest.
    pub fn parse(word: &str) -> Result<Self, Error> {
        let named = if word == "model" { "llm" } else { word };
        Self::ALL.into_iter().find(|k| k.as_str() == named).ok_or_else(|| {
            Error::invalid(format!(
                "\"{word}\" is no kind of run, expected {}",
                Self::ALL.map(Self::as_str).join(", ")
            ))
            .did_you_mean(word, Self::ALL.map(Self::as_str))
        })
    }
}

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It is under way.
    Running,
    /// It gave an output.
    Success,
    /// It failed.
    Error,
    /// It waits for a person and will be taken up again; or its process died.
    Interrupted,
    /// Somebody stopped it, or nobody wanted the answer any more.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Success, Self::Error, Self::Interrupted, Self::Cancelled];

    /// The status of a word. Fails naming the nearest.
    pub fn parse(word: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|s| s.as_str() == word).ok_or_else(|| {
            Error::invalid(format!(
                "\"{word}\" is no status of a run, expected {}",
                Self::ALL.map(Self::as_str).join(", ")
            ))
            .did_you_mean(word, Self::ALL.map(Self::as_str))
        })
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// How a run with this result ended.
    pub fn of<T>(result: Result<T, &Error>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(e) if e.kind() == ErrorKind::Cancelled => Self::Cancelled,
            Err(_) => Self::Error,
        }
    }
}

/// Names of facts that sinks give columns to. Other facts are kept with the metadata.
pub mod facts {
    /// Tokens read (integer).
    pub const PROMPT_TOKENS: &str = "prompt_tokens";
    /// Tokens written (integer).
    pub const COMPLETION_TOKENS: &str = "completion_tokens";
    /// Money, in US dollars (float).
    pub const COST: &str = "cost";
    /// The model asked (text).
    pub const MODEL: &str = "model";
    /// The adapter asked (text); absent for the base.
    pub const ADAPTER: &str = "adapter";
    /// Hash of the adapter's files, which changes whenever they do (text).
    pub const GENERATION: &str = "generation";
    /// Milliseconds to the first token (float).
    pub const FIRST_TOKEN_MS: &str = "first_token_ms";
    /// The conversation that the run belongs to (text; metadata).
    pub const THREAD: &str = "thread";
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
    /// What is known beforehand: thread, step, model, adapter, …
    pub metadata: Map,
    /// When it began.
    pub start: SystemTime,
}

/// A run as it ends.
#[derive(Debug)]
pub struct RunOutcome<'a> {
    /// Its id.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// What came out as far as it came; `Null` where nothing did.
    pub output: &'a Value,
    /// Why it failed.
    pub error: Option<&'a Error>,
    /// What is known only now: tokens, cost, time to the first token.
    pub facts: Map,
    /// When it ended.
    pub end: SystemTime,
}

/// A place where runs are recorded. Never blocks, never fails the run it records.
pub trait Tracer: Send + Sync {
    /// Whether runs of this kind are to be recorded; when not, callers skip building records.
    fn wants(&self, kind: RunKind) -> bool {
        !matches!(kind, RunKind::Prompt | RunKind::Parser)
    }
    /// A run begins. Whether it is taken: where too much waits to be written it is not, and no more is told of it.
    fn start(&self, run: Run) -> bool;
    /// A run that was taken has ended.
    fn finish(&self, outcome: RunOutcome<'_>);
    /// Something happened within a run: a retry, a training step.
    fn event(&self, run: RunId, name: &str, data: Value);
}

/// Records nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTracer;

impl Tracer for NoTracer {
    fn wants(&self, _: RunKind) -> bool {
        false
    }
    fn start(&self, _: Run) -> bool {
        false
    }
    fn finish(&self, _: RunOutcome<'_>) {}
    fn event(&self, _: RunId, _: &str, _: Value) {}
}

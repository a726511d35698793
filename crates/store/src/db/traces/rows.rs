//! Runs as they are read.

use crate::clock;
use lyceum_core::{RunKind, RunStatus};
use rusqlite::Row;
use serde_json::{Map, Value as Json, json};

/// What is said of a run whose process died.
pub(super) const DIED: &str = "the process ended before this run did";

/// A run without its contents. Names are those of the traces' field: `run_type`, `trace_id`, …
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// UUID.
    pub id: String,
    /// The run at the top of its tree.
    pub trace_id: String,
    /// The run above it.
    pub parent_run_id: Option<String>,
    /// What sort of work.
    pub run_type: RunKind,
    /// The runnable's name.
    pub name: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: i64,
    /// When it ended.
    pub end_ns: Option<i64>,
    /// The conversation.
    pub thread_id: Option<String>,
    /// Tokens read.
    pub prompt_tokens: Option<i64>,
    /// Tokens written.
    pub completion_tokens: Option<i64>,
    /// US dollars.
    pub cost: Option<f64>,
    /// Milliseconds to the first token.
    pub first_token_ms: Option<f64>,
    /// The model asked.
    pub model: Option<String>,
    /// The adapter asked.
    pub adapter: Option<String>,
    /// The adapter's generation.
    pub generation: Option<String>,
    /// Kind and message of its error.
    pub error: Option<String>,
    /// The input's beginning.
    pub input_preview: Option<String>,
    /// The output's beginning.
    pub output_preview: Option<String>,
    /// What else is known of it.
    pub metadata: Map<String, Json>,
    pub(super) seq: i64,
    pub(super) writer: i64,
}

/// Columns in the order in which [`RunRow::read`] takes them.
pub(super) const COLUMNS: &str =
    "seq, id, root, parent, kind, name, status, start_ns, end_ns, thread, prompt_tokens,
    completion_tokens, cost, first_token_ms, model, adapter, generation, error, input_preview, output_preview,
    metadata, writer";

impl RunRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (kind, status, metadata): (String, String, String) = (row.get(4)?, row.get(6)?, row.get(20)?);
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            trace_id: row.get(2)?,
            parent_run_id: row.get(3)?,
            run_type: RunKind::parse(&kind).unwrap_or(RunKind::Chain),
            name: row.get(5)?,
            status: RunStatus::parse(&status).unwrap_or(RunStatus::Error),
            start_ns: row.get(7)?,
            end_ns: row.get(8)?,
            thread_id: row.get(9)?,
            prompt_tokens: row.get(10)?,
            completion_tokens: row.get(11)?,
            cost: row.get(12)?,
            first_token_ms: row.get(13)?,
            model: row.get(14)?,
            adapter: row.get(15)?,
            generation: row.get(16)?,
            error: row.get(17)?,
            input_preview: row.get(18)?,
            output_preview: row.get(19)?,
            metadata: serde_json::from_str(&metadata).unwrap_or_default(),
            writer: row.get(21)?,
        })
    }

    /// How long it took in milliseconds, if it has ended.
    pub fn latency_ms(&self) -> Option<f64> {
        self.end_ns.map(|end| (end - self.start_ns) as f64 / 1e6)
    }

    /// As JSON.
    pub fn to_json(&self) -> Json {
        let total = match (self.prompt_tokens, self.completion_tokens) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
        };
        json!({
            "id": self.id,
            "trace_id": self.trace_id,
            "parent_run_id": self.parent_run_id,
            "name": self.name,
            "run_type": self.run_type.as_str(),
            "status": self.status.as_str(),
            "start_time": time(self.start_ns),
            "end_time": self.end_ns.map(time),
            "latency_ms": self.latency_ms(),
            "first_token_ms": self.first_token_ms,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
            "cost": self.cost,
            "model": self.model,
            "adapter": self.adapter,
            "generation": self.generation,
            "thread_id": self.thread_id,
            "error": self.error,
            "input_preview": self.input_preview,
            "output_preview": self.output_preview,
            "metadata": self.metadata,
        })
    }
}

/// `2026-11-25T22:15:20.123456Z`.
pub(super) fn time(ns: i64) -> String {
    let whole = clock::rfc3339(ns.div_euclid(1_000_000_000));
    format!("{}.{:06}Z", whole.trim_end_matches('Z'), ns.rem_euclid(1_000_000_000) / 1000)
}

/// Inputs or outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// JSON; only its beginning where it was too long to keep.
    pub text: String,
    /// Bytes of the whole.
    pub bytes: u64,
}

impl Body {
    /// Whether only the beginning is kept.
    pub fn is_cut(&self) -> bool {
        (self.text.len() as u64) < self.bytes
    }

    /// As JSON. What was cut becomes `{"cut": true, "bytes": size of the whole, "beginning": text}`.
    pub fn to_json(&self) -> Json {
        match serde_json::from_str(&self.text) {
            Ok(json) if !self.is_cut() => json,
            _ => json!({ "cut": true, "bytes": self.bytes, "beginning": self.text }),
        }
    }
}

/// What went in and what came out. Absent: nothing, or nothing was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// What went in.
    pub inputs: Option<Body>,
    /// What came out.
    pub outputs: Option<Body>,
}

/// Something that happened within a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// Rises; asks for later ones name it.
    pub id: i64,
    /// What happened.
    pub name: String,
    /// When, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Its data.
    pub data: Json,
}

impl RunEvent {
    /// As JSON.
    pub fn to_json(&self) -> Json {
        json!({ "id": self.id, "name": self.name, "time": time(self.time_ns), "data": self.data })
    }
}

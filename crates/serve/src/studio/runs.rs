//! What was recorded: lists of runs, a run's tree, its contents and events. Reads beside whoever writes; never more
//! than a page at once.

use crate::error::Dialect;
use crate::routes::answer;
use crate::state::Shared;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, Result, RunKind, RunStatus};
use lyceum_store::db::{Body, Filter, RunRow, TraceReader};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Bytes of an input or output that are sent to be looked at; the whole is a download.
const SHOWN: usize = 64 << 10;
/// Runs of one tree that are sent.
const TREE: usize = 2000;
/// Most runs or events of one answer.
const MOST: usize = 5000;

/// Which runs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    root: Option<u8>,
    kind: Option<String>,
    status: Option<String>,
    name: Option<String>,
    thread: Option<String>,
    parent: Option<String>,
    text: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

impl Which {
    fn filter(self) -> Result<Filter> {
        Ok(Filter {
            root_only: self.root.is_some_and(|r| r != 0),
            kind: self.kind.map(|k| RunKind::parse(&k)).transpose()?,
            status: self.status.map(|s| RunStatus::parse(&s)).transpose()?,
            name: self.name,
            thread: self.thread,
            parent: self.parent,
            text: self.text,
            before: self.before,
            limit: self.limit.unwrap_or(50),
            ..Filter::default()
        })
    }
}

/// `GET /studio/api/runs`: newest first.
pub(super) async fn list(
    State(app): State<Shared>,
    query: std::result::Result<Query<Which>, QueryRejection>,
) -> Response {
    let work = move |reader: &TraceReader| {
        let page = reader.list(&asked(query)?.filter()?)?;
        let runs: Vec<Value> = page.runs.iter().map(row).collect();
        Ok(Json(json!({ "runs": runs, "next": page.next })).into_response())
    };
    read(app, work).await
}

/// `GET /studio/api/runs/ID`: the whole tree of a run, the beginning of a large one.
pub(super) async fn tree(State(app): State<Shared>, Path(id): Path<String>) -> Response {
    let work = move |reader: &TraceReader| {
        let all = reader.trace(&id)?;
        let mut runs: Vec<Value> = all.iter().take(TREE).map(row).collect();
        // The run asked for comes even where it is beyond that.
        runs.extend(all.iter().skip(TREE).filter(|r| r.id == id).map(row));
        Ok(Json(json!({ "runs": runs, "total": all.len() })).into_response())
    };
    read(app, work).await
}

/// Which side of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    side: String,
    whole: Option<u8>,
}

/// `GET /studio/api/runs/ID/content?side=input`: its beginning, or with `whole=1` all of it as a file.
pub(super) async fn content(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: std::result::Result<Query<Side>, QueryRejection>,
) -> Response {
    let work = move |reader: &TraceReader| {
        let Side { side, whole } = asked(query)?;
        let content = reader.content(&id)?;
        let body = match side.as_str() {
            "input" => content.inputs,
            "output" => content.outputs,
            other => {
                return Err(Error::invalid(format!("`side` is \"{other}\", expected input or output"))
                    .at_key("side")
                    .did_you_mean(other, ["input", "output"]));
            }
        };
        Ok(match (body, whole.is_some_and(|w| w != 0)) {
            (Some(body), true) => file(body, &format!("{side}-{id}.json")),
            (Some(body), false) => beginning(&body),
            (None, _) => Json(json!({ "text": "", "bytes": 0, "cut": false })).into_response(),
        })
    };
    read(app, work).await
}

fn beginning(body: &Body) -> Response {
    let end = (0..=SHOWN.min(body.text.len())).rev().find(|i| body.text.is_char_boundary(*i)).unwrap_or(0);
    let text = body.text.get(..end).unwrap_or_default();
    let cut = (text.len() as u64) < body.bytes;
    Json(json!({ "text": text, "bytes": body.bytes, "kept": body.text.len(), "cut": cut })).into_response()
}

fn file(body: Body, name: &str) -> Response {
    let mut response = body.text.into_response();
    let to = response.headers_mut();
    to.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        to.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Which events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<i64>,
    limit: Option<usize>,
}

/// `GET /studio/api/runs/ID/events?after=N`: `more` says whether there are further ones.
pub(super) async fn events(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: std::result::Result<Query<After>, QueryRejection>,
) -> Response {
    let work = move |reader: &TraceReader| {
        let After { after, limit } = asked(query)?;
        let most = limit.unwrap_or(1000).clamp(1, MOST);
        let all = reader.events(&id, after.unwrap_or(0))?;
        let events: Vec<Value> = all
            .iter()
            .take(most)
            .map(|e| json!({ "seq": e.id, "name": e.name, "at_ms": milliseconds(e.time_ns), "data": e.data }))
            .collect();
        Ok(Json(json!({ "events": events, "more": all.len() > most })).into_response())
    };
    read(app, work).await
}

/// Reads on a thread that may wait.
async fn read(app: Shared, work: impl FnOnce(&TraceReader) -> Result<Response> + Send + 'static) -> Response {
    let reader = app.studio.traces.clone();
    let reader: Result<Arc<TraceReader>> =
        reader.ok_or_else(|| Error::not_found("this server records no runs").with_code("no_traces"));
    let done = match reader {
        Ok(reader) => tokio::task::spawn_blocking(move || work(&reader))
            .await
            .unwrap_or_else(|e| Err(Error::internal(e.to_string()))),
        Err(e) => Err(e),
    };
    answer(Dialect::OpenAi, done)
}

fn asked<T>(query: std::result::Result<Query<T>, QueryRejection>) -> Result<T> {
    query.map(|q| q.0).map_err(|e| Error::invalid(e.body_text()))
}

fn row(r: &RunRow) -> Value {
    json!({
        "id": r.id,
        "parent": r.parent_run_id,
        "root": r.trace_id,
        "kind": r.run_type.as_str(),
        "name": r.name,
        "status": r.status.as_str(),
        "start_ms": milliseconds(r.start_ns),
        "end_ms": r.end_ns.map(milliseconds),
        "thread": r.thread_id,
        "error": r.error,
        "preview": r.input_preview,
        "facts": {
            "prompt_tokens": r.prompt_tokens,
            "completion_tokens": r.completion_tokens,
            "first_token_ms": r.first_token_ms,
            "cost": r.cost,
            "model": r.model,
            "adapter": r.adapter,
            "generation": r.generation,
        },
        "metadata": r.metadata,
    })
}

/// Since 1970, with microseconds as a fraction.
fn milliseconds(ns: i64) -> f64 {
    (ns / 1000) as f64 / 1000.0
}

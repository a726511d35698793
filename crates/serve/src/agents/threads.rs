//! `/agents/threads`: made, looked for, looked into, written by hand, removed.

use super::begin::{any, check_name, list, of_thread};
use super::objects::{state as state_of, thread as thread_of};
use crate::body;
use crate::error::Dialect;
use crate::flat;
use crate::routes::answer;
use crate::state::{App, Shared, fresh_uuid};
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lyceum_compose::graph::Snapshot;
use lyceum_core::{
    Error, ErrorKind, Map, Result, ThreadFilter, ThreadInfo, ThreadStatus, Value, find_thread,
};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

const DIALECT: Dialect = Dialect::Detail;
/// Threads or states of one answer.
const MOST: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Create {
    thread_id: Option<String>,
    metadata: Option<serde_json::Map<String, Json_>>,
    if_exists: Option<String>,
}

fn metadata(of: Option<serde_json::Map<String, Json_>>) -> Map {
    of.unwrap_or_default().into_iter().map(|(k, v)| (k.into(), Value::from_json(v))).collect()
}

pub(super) async fn create(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let body: Create = body::json(request, &app.limits).await?;
        let graph = any(&app)?;
        let threads = list(&graph)?;
        let name = body.thread_id.unwrap_or_else(fresh_uuid);
        check_name(&name)?;
        if let Some(known) = find_thread(threads, &name).await? {
            return match body.if_exists.as_deref() {
                Some("do_nothing") => Ok(Json(whole(&app, known).await?).into_response()),
                _ => Err(Error::new(ErrorKind::Conflict, format!("Thread with ID {name} already exists"))),
            };
        }
        let mut info = ThreadInfo::new(name, "");
        info.metadata = metadata(body.metadata);
        threads.put_thread(&info).await?;
        Ok(Json(thread_of(&info, None)).into_response())
    };
    answer(DIALECT, done.await)
}

/// A thread with its state.
async fn whole(app: &App, mut info: ThreadInfo) -> Result<Json_> {
    let state = match app.models().agents().get(&*info.graph) {
        Some(agent) => {
            // A run holds its thread from its first note to its last: what is busy and not held was left by a process
            // that ended.
            if info.status == ThreadStatus::Busy && list(&agent.graph)?.hold(&info.thread).is_ok() {
                info.status = ThreadStatus::Error;
                info.error =
                    Some("the process that ran it has ended; it goes on from its last superstep".into());
            }
            agent.graph.state(&info.thread, None).await?
        }
        None => None,
    };
    Ok(thread_of(&info, state.as_ref()))
}

#[derive(Deserialize)]
pub(super) struct Search {
    status: Option<String>,
    metadata: Option<serde_json::Map<String, Json_>>,
    #[serde(default = "ten")]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

fn ten() -> usize {
    10
}

impl Search {
    fn filter(&self) -> Result<ThreadFilter> {
        let status = self.status.as_deref().map(|name| {
            let names = ThreadStatus::ALL.map(ThreadStatus::as_str);
            ThreadStatus::from_name(name).ok_or_else(|| {
                Error::invalid(format!("no status `{name}`, there are {}", names.join(", ")))
                    .at_key("status")
                    .did_you_mean(name, names)
            })
        });
        let wanted = self.metadata.as_ref().and_then(|m| m.get("graph_id")).and_then(Json_::as_str);
        if let Some(key) = self.metadata.as_ref().and_then(|m| m.keys().find(|k| *k != "graph_id")) {
            let text = format!("threads are not searched by `{key}`");
            return Err(Error::unsupported(text).at_key("metadata").hint("graph_id is"));
        }
        Ok(ThreadFilter {
            status: status.transpose()?,
            graph: wanted.map(Into::into),
            limit: self.limit.min(MOST),
            offset: self.offset,
            ..ThreadFilter::default()
        })
    }
}

pub(super) async fn search(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let body: Search = body::json(request, &app.limits).await?;
        let graph = any(&app)?;
        let mut filter = body.filter()?;
        let page = filter.limit;
        filter.limit += 1;
        let mut found = list(&graph)?.threads(&filter).await?;
        let more = found.len() > page;
        found.truncate(page);
        let mut all = Vec::new();
        for info in found {
            all.push(whole(&app, info).await?);
        }
        let mut response = Json(all).into_response();
        if more {
            let next = HeaderValue::from(filter.offset + page);
            response.headers_mut().insert("x-pagination-next", next);
        }
        Ok(response)
    };
    answer(DIALECT, done.await)
}

pub(super) async fn count(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let body: Search = body::json(request, &app.limits).await?;
        let graph = any(&app)?;
        let filter = ThreadFilter { limit: usize::MAX, offset: 0, ..body.filter()? };
        Ok(Json(list(&graph)?.threads(&filter).await?.len()).into_response())
    };
    answer(DIALECT, done.await)
}

pub(super) async fn one(State(app): State<Shared>, Path(thread): Path<String>) -> Response {
    let done = async {
        let (_, info) = of_thread(&app, &thread).await?;
        Ok(Json(whole(&app, info).await?).into_response())
    };
    answer(DIALECT, done.await)
}

#[derive(Deserialize)]
pub(super) struct Patch {
    metadata: Option<serde_json::Map<String, Json_>>,
}

pub(super) async fn patch(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    request: Request,
) -> Response {
    let done = async {
        let body: Patch = body::json(request, &app.limits).await?;
        let (graph, mut info) = of_thread(&app, &thread).await?;
        info.metadata.extend(metadata(body.metadata));
        list(&graph)?.put_thread(&info).await?;
        Ok(Json(whole(&app, info).await?).into_response())
    };
    answer(DIALECT, done.await)
}

pub(super) async fn remove(State(app): State<Shared>, Path(thread): Path<String>) -> Response {
    let done = async {
        let (graph, info) = of_thread(&app, &thread).await?;
        let threads = list(&graph)?;
        let _hold = threads.hold(&info.thread)?;
        threads.remove_thread(&info.thread).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    answer(DIALECT, done.await)
}

/// A thread on which nothing has run yet.
fn empty() -> Json_ {
    json!({
        "values": {}, "next": [], "tasks": [], "metadata": {}, "created_at": null, "checkpoint": null,
        "parent_checkpoint": null, "interrupts": [],
    })
}

async fn state_json(app: &App, thread: &str, checkpoint: Option<&str>) -> Result<Response> {
    let (graph, _) = of_thread(app, thread).await?;
    let state = graph.state(thread, checkpoint).await?;
    match (state, checkpoint) {
        (Some(state), _) => Ok(Json(state_of(thread, &state)).into_response()),
        (None, Some(id)) => Err(Error::not_found(format!("thread has no checkpoint `{id}`"))),
        (None, None) => Ok(Json(empty()).into_response()),
    }
}

pub(super) async fn state(State(app): State<Shared>, Path(thread): Path<String>) -> Response {
    answer(DIALECT, state_json(&app, &thread, None).await)
}

pub(super) async fn state_at(
    State(app): State<Shared>,
    Path((thread, checkpoint)): Path<(String, String)>,
) -> Response {
    answer(DIALECT, state_json(&app, &thread, Some(&checkpoint)).await)
}

#[derive(Deserialize)]
pub(super) struct Update {
    values: Option<Json_>,
    as_node: Option<String>,
    checkpoint_id: Option<String>,
}

pub(super) async fn update(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    request: Request,
) -> Response {
    let done = async {
        let body: Update = body::json(request, &app.limits).await?;
        let (graph, _) = of_thread(&app, &thread).await?;
        let values = body.values.map(flat::from_json).unwrap_or_default();
        let id = graph
            .update_state(&thread, body.checkpoint_id.as_deref(), values, body.as_node.as_deref())
            .await?;
        let place = json!({ "thread_id": thread, "checkpoint_ns": "", "checkpoint_id": &*id });
        let told = json!({ "checkpoint": place.clone(), "configurable": place, "checkpoint_id": &*id });
        Ok(Json(told).into_response())
    };
    answer(DIALECT, done.await)
}

#[derive(Deserialize)]
pub(super) struct History {
    #[serde(default = "ten")]
    limit: usize,
}

async fn past(app: &App, thread: &str, limit: usize) -> Result<Response> {
    let (graph, _) = of_thread(app, thread).await?;
    let past: Vec<Snapshot> = graph.history(thread, limit.min(MOST)).await?;
    Ok(Json(past.iter().map(|s| state_of(thread, s)).collect::<Json_>()).into_response())
}

pub(super) async fn history(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    request: Request,
) -> Response {
    let done = async {
        let body: History = body::json(request, &app.limits).await?;
        past(&app, &thread, body.limit).await
    };
    answer(DIALECT, done.await)
}

pub(super) async fn history_plain(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    Query(query): Query<History>,
) -> Response {
    answer(DIALECT, past(&app, &thread, query.limit).await)
}

//! `/agents/threads/…/runs`: begun, listened to, waited for, cancelled.

use super::begin::{begin, of_thread};
use super::log::RunLog;
use super::objects::run as run_of;
use super::request::{Mode, RunCreate};
use super::stream::{error, frames};
use crate::body;
use crate::error::Dialect;
use crate::flat;
use crate::routes::answer;
use crate::sse;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use lyceum_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Value as Json_, json};
use std::sync::Arc;

const DIALECT: Dialect = Dialect::Detail;
const LOCATION: HeaderName = HeaderName::from_static("location");
const CONTENT_LOCATION: HeaderName = HeaderName::from_static("content-location");

/// Says where the run is, and where to listen or wait again.
fn located(run: &RunLog, again: Option<&str>, mut response: Response) -> Response {
    let place = match &run.thread {
        Some(thread) => format!("/threads/{thread}/runs/{}", run.id),
        None => format!("/runs/{}", run.id),
    };
    let again = again.map(|a| (LOCATION, format!("{place}/{a}")));
    for (name, value) in [(CONTENT_LOCATION, place)].into_iter().chain(again) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Ends a run whose listener has gone, where that was wished.
struct Leaves(Option<Arc<RunLog>>);

impl Drop for Leaves {
    fn drop(&mut self) {
        if let Some(run) = &self.0 {
            run.cx.cancel();
        }
    }
}

async fn streamed(app: &Shared, thread: Option<&str>, request: Request) -> Result<Response> {
    let body: RunCreate = body::json(request, &app.limits).await?;
    let modes = body.modes()?;
    let leaves = body.on_disconnect.as_deref() == Some("cancel");
    let run = begin(app, thread, body).await?;
    let guard = Leaves(leaves.then(|| run.clone()));
    let told = frames(run.clone(), modes, true).map(move |frame| {
        let _listening = &guard;
        frame
    });
    Ok(located(&run, Some("stream"), sse::respond(told.boxed())))
}

async fn waited(app: &Shared, thread: Option<&str>, request: Request) -> Result<Response> {
    let body: RunCreate = body::json(request, &app.limits).await?;
    let run = begin(app, thread, body).await?;
    let guard = thread.is_none().then(|| Leaves(Some(run.clone())));
    run.over().await;
    drop(guard);
    Ok(located(&run, thread.map(|_| "join"), Json(ended(&run)).into_response()))
}

/// Where a run came to.
fn ended(run: &RunLog) -> Json_ {
    match run.end() {
        Some(Ok(values)) => flat::to_json(&values),
        Some(Err((kind, message))) => json!({ "__error__": error(kind, &message) }),
        None => Json_::Null,
    }
}

pub(super) async fn stream(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    request: Request,
) -> Response {
    answer(DIALECT, streamed(&app, Some(&thread), request).await)
}

pub(super) async fn stream_alone(State(app): State<Shared>, request: Request) -> Response {
    answer(DIALECT, streamed(&app, None, request).await)
}

pub(super) async fn wait(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    request: Request,
) -> Response {
    answer(DIALECT, waited(&app, Some(&thread), request).await)
}

pub(super) async fn wait_alone(State(app): State<Shared>, request: Request) -> Response {
    answer(DIALECT, waited(&app, None, request).await)
}

pub(super) async fn create(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    request: Request,
) -> Response {
    let done = async {
        let body: RunCreate = body::json(request, &app.limits).await?;
        let run = begin(&app, Some(&thread), body).await?;
        Ok(located(&run, None, Json(run_of(&run)).into_response()))
    };
    answer(DIALECT, done.await)
}

pub(super) async fn list(State(app): State<Shared>, Path(thread): Path<String>) -> Response {
    let done = async {
        of_thread(&app, &thread).await?;
        Ok(Json(app.runs.of(&thread).iter().map(|r| run_of(r)).collect::<Json_>()).into_response())
    };
    answer(DIALECT, done.await)
}

fn find(app: &App, thread: &str, run: &str) -> Result<Arc<RunLog>> {
    app.runs.get(thread, run).ok_or_else(|| {
        Error::not_found(format!("Run with ID {run} not found"))
            .hint("runs are remembered while the server runs; the thread's history stays")
    })
}

pub(super) async fn one(State(app): State<Shared>, Path((thread, run)): Path<(String, String)>) -> Response {
    answer(DIALECT, find(&app, &thread, &run).map(|r| Json(run_of(&r)).into_response()))
}

pub(super) async fn join(State(app): State<Shared>, Path((thread, run)): Path<(String, String)>) -> Response {
    let done = async {
        let run = find(&app, &thread, &run)?;
        run.over().await;
        Ok(Json(ended(&run)).into_response())
    };
    answer(DIALECT, done.await)
}

#[derive(Deserialize)]
pub(super) struct Listen {
    stream_mode: Option<String>,
}

impl Listen {
    fn modes(&self) -> Result<Vec<Mode>> {
        let text = self.stream_mode.as_deref().unwrap_or("values,updates,tasks");
        Mode::read(&text.split(',').map(|s| s.trim().to_string()).collect::<Vec<_>>())
    }
}

pub(super) async fn join_stream(
    State(app): State<Shared>,
    Path((thread, run)): Path<(String, String)>,
    Query(listen): Query<Listen>,
) -> Response {
    let done = || {
        let (run, modes) = (find(&app, &thread, &run)?, listen.modes()?);
        Ok(located(&run, Some("stream"), sse::respond(frames(run.clone(), modes, false))))
    };
    answer(DIALECT, done())
}

#[derive(Deserialize)]
pub(super) struct Cancel {
    action: Option<String>,
    #[serde(default)]
    wait: String,
}

pub(super) async fn cancel(
    State(app): State<Shared>,
    Path((thread, run)): Path<(String, String)>,
    Query(query): Query<Cancel>,
) -> Response {
    let done = async {
        if query.action.as_deref().is_some_and(|a| a != "interrupt") {
            return Err(Error::unsupported("runs are only interrupted").at_key("action"));
        }
        let run = find(&app, &thread, &run)?;
        run.cx.cancel();
        if matches!(query.wait.as_str(), "1" | "true") {
            run.over().await;
        }
        Ok(Json(json!({})).into_response())
    };
    answer(DIALECT, done.await)
}

/// `GET /threads/{thread}/stream`: every run of a thread, the one that goes on and those that come.
pub(super) async fn follow(
    State(app): State<Shared>,
    Path(thread): Path<String>,
    Query(listen): Query<Listen>,
) -> Response {
    let done = async {
        of_thread(&app, &thread).await?;
        let modes = match listen.stream_mode.as_deref() {
            None | Some("run_modes") => Listen { stream_mode: None }.modes()?,
            Some(_) => listen.modes()?,
        };
        Ok(sse::respond(follows(app.clone(), thread, modes)))
    };
    answer(DIALECT, done.await)
}

fn follows(app: Shared, thread: String, modes: Vec<Mode>) -> sse::Frames {
    let added = app.runs.added();
    let state = (app, thread, modes, added, Vec::<String>::new());
    stream::unfold(state, |(app, thread, modes, mut added, mut seen)| async move {
        loop {
            added.mark_unchanged();
            let mut runs = app.runs.of(&thread);
            if seen.is_empty() {
                // What ended before anybody looked is history.
                seen.extend(runs.iter().filter(|r| r.status().is_over()).map(|r| r.id.clone()));
                seen.push(String::new());
            }
            runs.retain(|r| !seen.contains(&r.id));
            if let Some(run) = runs.pop() {
                seen.push(run.id.clone());
                let id = run.id.clone();
                let over = stream::once(async move {
                    super::log::frame("metadata", &json!({ "status": "run_done", "run_id": id }))
                });
                let told = frames(run, modes.clone(), true).chain(over).boxed();
                return Some((told, (app, thread, modes, added, seen)));
            }
            if added.changed().await.is_err() {
                return None;
            }
        }
    })
    .flatten()
    .boxed()
}

//! `/agents/assistants`: one for each graph.

use super::begin::agent;
use super::objects::assistant;
use crate::body;
use crate::error::Dialect;
use crate::routes::answer;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

const DIALECT: Dialect = Dialect::Detail;

pub(super) async fn ok() -> Response {
    Json(json!({ "ok": true })).into_response()
}

pub(super) async fn info() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({ "version": version, "flags": { "assistants": true, "crons": false } })).into_response()
}

#[derive(Deserialize)]
pub(super) struct Search {
    graph_id: Option<String>,
    name: Option<String>,
    #[serde(default = "ten")]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

fn ten() -> usize {
    10
}

fn found(app: &App, search: &Search) -> Vec<Json_> {
    let fits = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|w| w == name);
    let models = app.models();
    let all = models.agents().iter().filter(|(n, _)| fits(&search.graph_id, n) && fits(&search.name, n));
    all.map(|(name, agent)| assistant(name, agent, app.since)).collect()
}

pub(super) async fn search(State(app): State<Shared>, request: Request) -> Response {
    let done = body::json::<Search>(request, &app.limits).await.map(|search| {
        let all = found(&app, &search);
        let total = all.len();
        let page: Vec<Json_> = all.into_iter().skip(search.offset).take(search.limit).collect();
        let mut response = Json(page).into_response();
        response.headers_mut().insert("x-pagination-total", HeaderValue::from(total));
        response
    });
    answer(DIALECT, done)
}

pub(super) async fn count(State(app): State<Shared>, request: Request) -> Response {
    let done = body::json::<Search>(request, &app.limits).await;
    answer(DIALECT, done.map(|search| Json(found(&app, &search).len()).into_response()))
}

pub(super) async fn one(State(app): State<Shared>, Path(id): Path<String>) -> Response {
    answer(DIALECT, agent(&app, &id).map(|(name, a)| Json(assistant(&name, &a, app.since)).into_response()))
}

pub(super) async fn graph(State(app): State<Shared>, Path(id): Path<String>) -> Response {
    answer(DIALECT, agent(&app, &id).map(|(_, a)| Json(a.drawing).into_response()))
}

pub(super) async fn schemas(State(app): State<Shared>, Path(id): Path<String>) -> Response {
    let done = agent(&app, &id).map(|(name, a)| {
        Json(json!({
            "graph_id": name, "input_schema": a.schemas.input.0, "output_schema": a.schemas.output.0,
            "state_schema": a.schemas.state.0, "config_schema": {}, "context_schema": null,
        }))
        .into_response()
    });
    answer(DIALECT, done)
}

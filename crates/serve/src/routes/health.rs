//! Whether the server lives, what it is, and its figures.

use crate::error::{Dialect, respond};
use crate::routes::answer;
use crate::state::{App, Shared};
use crate::studio::page;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use lyceum_core::{Error, ErrorKind, GenerateRequest, Prompt, Result, Sampling};
use serde_json::json;
use std::sync::atomic::Ordering;

/// `GET /health`, `/ping`: an empty 200, or 503 once the server has been told to stop.
pub(crate) async fn health(State(app): State<Shared>) -> Response {
    if app.draining.load(Ordering::Relaxed) {
        return respond(Dialect::Lorax, &Error::new(ErrorKind::Unavailable, "the server is stopping"));
    }
    StatusCode::OK.into_response()
}

/// `GET /`: the Studio for browsers; for others what answers here. A lone tabular model greets as Ludwig's server does.
pub(crate) async fn root(State(app): State<Shared>, headers: HeaderMap) -> Response {
    if app.studio.at_root && page::wants_html(&headers) {
        return page::page(&app, &headers);
    }
    let served = app.models();
    let models: Vec<&str> = served.engines().iter().map(|e| e.model().name.as_str()).collect();
    if models.is_empty() && served.only_tabular().is_ok() {
        return Json(json!({ "message": "Ludwig server is up" })).into_response();
    }
    let tabular = served.tabular_names();
    Json(
        json!({ "name": "lyceum", "version": env!("CARGO_PKG_VERSION"), "models": models, "tabular": tabular,
        "chains": served.chain_names(), "graphs": served.agents().keys().collect::<Vec<_>>() }),
    )
    .into_response()
}

/// `GET /startup`: one real token, or one real vector.
pub(crate) async fn startup(State(app): State<Shared>) -> Response {
    answer(Dialect::Lorax, try_out(&app).await.map(|()| StatusCode::OK.into_response()))
}

async fn try_out(app: &App) -> Result<()> {
    for engine in app.models().engines() {
        if engine.model().generates {
            let mut request = GenerateRequest::new(Prompt::Text("a".into()));
            request.max_tokens = Some(1);
            request.sampling = Sampling::greedy();
            let mut events = engine.generate(request)?;
            while let Some(event) = events.next().await {
                event?;
            }
        } else if engine.model().embeds {
            engine.embed(&["a".into()]).await?;
        }
    }
    Ok(())
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.page(&app))
        .into_response()
}

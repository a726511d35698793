//! `GET /studio/api/overview`: what is served, and how busy it is.

use crate::models::Models;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::State;
use lyceum_core::{Engine, Message, RenderOptions};
use lyceum_store::clock;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn route(State(app): State<Shared>) -> Json<Value> {
    let served = app.models();
    let models: Vec<Value> = served.engines().iter().map(|e| model(&app, e)).collect();
    let project = served.project.as_ref().map(|tell| tell());
    let name = project.as_ref().and_then(|p| p.get("name")).cloned();
    let threads = served.agents().values().any(|a| a.graph.threads().is_some());
    Json(json!({
        "name": name,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": clock::now() - app.since,
        "models": models,
        "tabular": served.tabular_names(),
        "chains": served.chain_names(),
        "graphs": served.agents().keys().collect::<Vec<_>>(),
        "reports": served.reports().keys().collect::<Vec<_>>(),
        "project": project.is_some(),
        "traces": app.studio.traces.is_some(),
        "threads": threads,
        "held": app.admission.waiting(),
    }))
}

/// Whether it can be talked with; others continue a text.
fn has_template(engine: &Arc<dyn Engine>) -> bool {
    engine.text().render(&[Message::user("a")], &RenderOptions::default()).is_ok()
}

fn model(app: &App, engine: &Arc<dyn Engine>) -> Value {
    let (info, stats) = (engine.model(), engine.stats());
    let adapters: Vec<Value> = Models::adapters(engine)
        .into_iter()
        .map(|a| {
            let requests = app.metrics.adapter_requests(&a.name);
            json!({ "name": a.name, "rank": a.rank, "bytes": a.bytes, "requests": requests })
        })
        .collect();
    let seen = app.metrics.seen(&info.name);
    json!({
        "name": info.name,
        "kind": if info.generates { "chat" } else { "embedding" },
        "architecture": info.architecture,
        "parameters": info.parameters,
        "weight_bytes": info.weight_bytes,
        "format": info.format,
        "chat_template": has_template(engine),
        "context_length": info.context_length,
        "adapters": adapters,
        "requests": seen.requests,
        "first_token_seconds": seen.first_token,
        "token_seconds": seen.per_token,
        "running": stats.running,
        "waiting": stats.waiting,
        "prompt_tokens": stats.prompt_tokens,
        "generation_tokens": stats.generation_tokens,
        "kv_bytes": stats.kv_bytes,
    })
}

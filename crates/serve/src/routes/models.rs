//! `GET /v1/models` and `/v1/models/{id}`: base models and adapters.

use super::answer;
use crate::error::Dialect;
use crate::models::{Models, Target};
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use lyceum_core::{AdapterState, Result};
use lyceum_wire::openai::{ModelCard, ModelList};

pub(crate) async fn list(State(app): State<Shared>) -> Response {
    Json(ModelList { object: "list", data: cards(&app) }).into_response()
}

pub(crate) async fn one(State(app): State<Shared>, Path(id): Path<String>) -> Response {
    answer(Dialect::OpenAi, find(&app, &id))
}

fn find(app: &App, id: &str) -> Result<Response> {
    let target = app.models().find(id, None)?;
    let name = target.adapter.as_deref().unwrap_or(&target.engine.model().name);
    // Who asks for an adapter will use it soon.
    if let (Some(adapters), Some(adapter)) = (target.engine.adapters(), &target.adapter) {
        adapters.prefetch(adapter);
    }
    let card = cards(app).into_iter().find(|c| c.id == name);
    Ok(Json(card).into_response())
}

fn cards(app: &App) -> Vec<ModelCard> {
    let mut cards = Vec::new();
    for engine in app.models().engines() {
        let info = engine.model();
        let base = ModelCard {
            id: info.name.clone(),
            object: "model",
            created: app.since,
            owned_by: "lyceum",
            root: info.name.clone(),
            parent: None,
            max_model_len: info.context_length,
            kind: if info.generates { "llm" } else { "embeddings" },
            state: "loaded",
        };
        let adapters = Models::adapters(engine).into_iter();
        let adapters = adapters.map(|a| ModelCard {
            id: a.name,
            parent: Some(info.name.clone()),
            state: word(a.state),
            ..base.clone()
        });
        let adapters: Vec<ModelCard> = adapters.collect();
        cards.push(base);
        cards.extend(adapters);
    }
    cards
}

fn word(state: AdapterState) -> &'static str {
    match state {
        AdapterState::Known => "known",
        AdapterState::Loading => "loading",
        AdapterState::Resident => "loaded",
    }
}

/// Says which weights answered: a client that compares seeds looks at it.
pub(crate) fn fingerprint(target: &Target) -> String {
    let info = target.engine.model();
    let base = info.fingerprint.get(..12).unwrap_or(&info.fingerprint);
    match &target.adapter {
        None => format!("lyceum-{base}"),
        Some(name) => {
            let info = target.engine.adapters().and_then(|a| a.info(name));
            let generation = info.map(|a| a.generation).unwrap_or_default();
            format!("lyceum-{base}-{}", generation.get(..8).unwrap_or(&generation))
        }
    }
}

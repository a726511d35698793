//! The table of what is mounted where. A row is a protocol; what is still to come gets a row here and a file in
//! `routes`: `/langsmith`, `/mcp`.

use crate::agents;
use crate::error::{Dialect, respond};
use crate::guard;
use crate::routes::{
    adapters, chains, embeddings, health, lorax, models, openai_chat, openai_completions, predict, tokenize,
};
use crate::state::Shared;
use crate::studio;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use lyceum_core::{Error, ErrorKind};
use std::sync::atomic::Ordering;

/// A protocol and its place.
#[derive(Clone, Copy)]
pub struct Mount {
    /// Its name, by which a listener of its own asks for it.
    pub name: &'static str,
    /// Where it is on the common listener; `""` is the root.
    pub at: &'static str,
    routes: fn() -> Router<Shared>,
}

/// All protocols, in the order in which they are mounted.
pub fn mounts() -> &'static [Mount] {
    &[
        Mount { name: "openai", at: "/v1", routes: openai },
        Mount { name: "lorax", at: "", routes: lorax_routes },
        Mount { name: "predict", at: "", routes: predict_routes },
        Mount { name: "agents", at: "/agents", routes: agents::routes },
        Mount { name: "chains", at: "/chains", routes: chains::routes },
        Mount { name: "health", at: "", routes: health_routes },
        Mount { name: "studio", at: "", routes: studio::routes },
    ]
}

/// The whole application: every mount at its place, or one of them (with health) at the root.
pub(crate) fn app(state: Shared, only: Option<&Mount>) -> Router {
    let mut router = Router::new();
    for mount in mounts() {
        let alone = only.is_some_and(|o| o.name == mount.name);
        if only.is_some() && !alone && mount.name != "health" {
            continue;
        }
        let routes = (mount.routes)();
        router =
            if mount.at.is_empty() || alone { router.merge(routes) } else { router.nest(mount.at, routes) };
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), stopping))
        .layer(middleware::from_fn_with_state(state.clone(), guard::pass))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(state)
}

fn openai() -> Router<Shared> {
    Router::new()
        .route("/chat/completions", post(openai_chat::route))
        .route("/completions", post(openai_completions::route))
        .route("/embeddings", post(embeddings::openai))
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::one))
        .route("/load_lora_adapter", post(adapters::load))
        .route("/unload_lora_adapter", post(adapters::unload))
}

fn lorax_routes() -> Router<Shared> {
    Router::new()
        .route("/", post(lorax::compat).get(health::root))
        .route("/invocations", post(lorax::compat))
        .route("/generate", post(lorax::generate))
        .route("/generate_stream", post(lorax::generate_stream))
        .route("/embed", post(embeddings::lorax))
        .route("/tokenize", post(tokenize::tokenize))
        .route("/detokenize", post(tokenize::detokenize))
        .route("/info", get(lorax::info))
        .route("/startup", get(health::startup))
}

fn predict_routes() -> Router<Shared> {
    Router::new()
        .route("/predict", post(predict::one))
        .route("/batch_predict", post(predict::many))
        .route("/predict/{name}", post(predict::by_name).get(predict::describe))
}

fn health_routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(health::health))
        .route("/ping", get(health::health))
        .route("/metrics", get(health::metrics))
}

async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    let e = Error::not_found(format!("there is nothing at {path}")).with_code("unknown_url");
    respond(Dialect::of(path), &e)
}

async fn wrong_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let e = Error::invalid(format!("{method} is not for {path}")).with_code("method_not_allowed");
    respond(Dialect::of(path), &e)
}

/// Once told to stop, only running answers go on.
async fn stopping(State(app): State<Shared>, request: Request, next: middleware::Next) -> Response {
    let path = request.uri().path();
    if app.draining.load(Ordering::Relaxed) && !matches!(path, "/health" | "/ping" | "/metrics") {
        return respond(Dialect::of(path), &Error::new(ErrorKind::Unavailable, "the server is stopping"));
    }
    next.run(request).await
}

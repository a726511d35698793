//! `/agents`: graphs with threads, runs and questions, in the shapes of the agent server's protocol: what its SDK's
//! assistants, threads and runs need. Left out: assistants of one's own, versions, crons, the item store, batches,
//! webhooks, streams of message chunks; each is refused by name or not mounted.

mod assistants;
mod begin;
mod log;
mod objects;
mod request;
mod runs;
mod stream;
mod threads;

pub(crate) use log::Runs;

use crate::state::Shared;
use axum::Router;
use axum::routing::{get, post};
use lyceum_compose::graph::Graph;
use lyceum_core::Schema;

/// A graph as it is served: with a place for its threads.
#[derive(Clone)]
pub struct Agent {
    /// The graph. Without a checkpointer it has no threads.
    pub graph: Graph,
    /// What it is for.
    pub description: Option<String>,
    /// What goes in, what comes out, and all that it holds.
    pub schemas: Schemas,
    /// `{nodes: [{id, …}], edges: [{source, target, …}]}`: how it is drawn.
    pub drawing: serde_json::Value,
}

/// JSON Schemas of a graph.
#[derive(Clone)]
pub struct Schemas {
    /// Of its input.
    pub input: Schema,
    /// Of its output.
    pub output: Schema,
    /// Of its state.
    pub state: Schema,
}

/// The routes, below `/agents`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/ok", get(assistants::ok))
        .route("/info", get(assistants::info))
        .route("/assistants/search", post(assistants::search))
        .route("/assistants/count", post(assistants::count))
        .route("/assistants/{id}", get(assistants::one))
        .route("/assistants/{id}/graph", get(assistants::graph))
        .route("/assistants/{id}/schemas", get(assistants::schemas))
        .route("/threads", post(threads::create))
        .route("/threads/search", post(threads::search))
        .route("/threads/count", post(threads::count))
        .route("/threads/{thread}", get(threads::one).patch(threads::patch).delete(threads::remove))
        .route("/threads/{thread}/state", get(threads::state).post(threads::update))
        .route("/threads/{thread}/state/{checkpoint}", get(threads::state_at))
        .route("/threads/{thread}/history", post(threads::history).get(threads::history_plain))
        .route("/threads/{thread}/stream", get(runs::follow))
        .route("/threads/{thread}/runs", post(runs::create).get(runs::list))
        .route("/threads/{thread}/runs/stream", post(runs::stream))
        .route("/threads/{thread}/runs/wait", post(runs::wait))
        .route("/threads/{thread}/runs/{run}", get(runs::one))
        .route("/threads/{thread}/runs/{run}/join", get(runs::join))
        .route("/threads/{thread}/runs/{run}/stream", get(runs::join_stream))
        .route("/threads/{thread}/runs/{run}/cancel", post(runs::cancel))
        .route("/runs/stream", post(runs::stream_alone))
        .route("/runs/wait", post(runs::wait_alone))
}

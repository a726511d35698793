//! One file a protocol's route: parse wire, call an engine or a runnable, write wire.

pub(crate) mod adapters;
pub(crate) mod chains;
pub(crate) mod embeddings;
pub(crate) mod health;
pub(crate) mod lorax;
mod lorax_merge;
pub(crate) mod lorax_plan;
mod lorax_stream;
pub(crate) mod models;
pub(crate) mod openai_answer;
pub(crate) mod openai_chat;
pub(crate) mod openai_completions;
pub(crate) mod openai_request;
pub(crate) mod predict;
pub(crate) mod tokenize;

use crate::error::{Dialect, respond};
use axum::response::Response;
use lyceum_core::Result;

/// The answer, or the error as the dialect writes it.
pub(crate) fn answer(dialect: Dialect, done: Result<Response>) -> Response {
    done.unwrap_or_else(|e| respond(dialect, &e))
}

//! The door: one HTTP server in front of engines and tabular models.
//!
//! It parses `wire` types, calls a [`lyceum_core::Engine`] or a [`lyceum_core::Runnable`], and writes `wire` types.
//! It knows no engine, no model format and no training; axum and hyper do not leave this crate.

mod app;
mod auth;
mod body;
mod error;
mod events;
mod generation;
mod guard;
mod histogram;
mod limits;
mod listen;
mod metrics;
mod models;
mod routes;
mod sampling;
mod state;

pub use app::{Mount, mounts};
pub use limits::Limits;
pub use listen::{Bound, Server};

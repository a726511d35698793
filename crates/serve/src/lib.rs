//! The door: one HTTP server in front of engines and tabular models.
//!
//! It parses `wire` types, calls a [`lyceum_core::Engine`] or a [`lyceum_core::Runnable`], and writes `wire` types.
//! It knows no engine, no model format and no training; axum and hyper do not leave this crate.

mod agents;
mod app;
mod auth;
mod body;
mod check;
mod error;
mod events;
mod flat;
mod generation;
mod guard;
mod histogram;
mod limits;
mod line;
mod listen;
mod live;
mod metrics;
mod models;
mod routes;
mod sampling;
mod sse;
mod state;
mod studio;
mod tables;

pub use agents::{Agent, Schemas};
pub use app::{Mount, mounts};
pub use limits::Limits;
pub use listen::{Bound, Server};
pub use live::Live;

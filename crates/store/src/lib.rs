//! The ground that keeps things: model files and where they come from, the database, whole files, locks.
//!
//! This crate reads networks and disks and knows what a model *file* looks like from outside; it never reads a
//! tensor, runs a model or speaks a serving protocol. Names here are names of files, not of architectures.

pub mod clock;
pub mod db;
pub mod hash;
pub mod lock;

mod alias;
mod blobs;
mod download;
mod home;
mod http;
mod hub;
mod manifest;
mod pick;
mod pip;
mod pull;
mod remove;
mod resolve;
mod sniff;
mod source;
mod wheel;

pub use alias::{Alias, Pin, aliases};
pub use home::Home;
pub use http::ensure_tls_provider;
pub use manifest::{FileEntry, Manifest};
pub use pull::{PullOptions, Pulled};
pub use remove::Removed;
pub use source::Source;

//! Loaded adapters: immutable generations under names. A request keeps the generation that it began with.

mod config;
mod entry;
mod loader;
mod pack;
mod prepared;
mod prompt;
mod registry;

pub use config::AdapterConfig;
pub(crate) use pack::Group;
pub use prepared::Prepared;
pub(crate) use registry::Registry;

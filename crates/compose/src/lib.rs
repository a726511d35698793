//! Composition: chains of runnables (sequences, parallels, branches, prompts, parsers), state graphs, both from YAML,
//! and retrieval. Names no engine, no database and no protocol; the roof hands in what it needs as runnables and through
//! the traits of `core`.

pub mod chain;
pub mod draw;
pub mod file;
pub mod graph;
pub mod retrieve;

mod retry;

pub use retry::RetryPolicy;

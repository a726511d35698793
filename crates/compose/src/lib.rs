//! Composition: chains of runnables (sequences, parallels, branches, prompts, parsers) and state graphs. Names no engine,
//! no database and no protocol; the roof hands in what it needs as runnables and through the traits of `core`.

pub mod chain;
pub mod draw;
pub mod file;
pub mod graph;

mod retry;

pub use retry::RetryPolicy;

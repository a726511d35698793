//! Runs language models behind `core::Engine`: one scheduler thread that batches at every step, a paged key-value
//! cache with prefix reuse, adapters mixed within a batch, exact samplers, and a sentence encoder beside it.
//!
//! No protocol and no file format comes in here: weights come from `models`, numbers from `tensor`.

mod adapters;
mod decoder;
mod emit;
mod encoder;
mod kv;
mod llm;
mod random;
mod request;
mod sample;
mod scheduler;
mod stats;

pub use adapters::{AdapterConfig, Prepared};
pub use decoder::{Batch, Decoder, Precision, Row, Segment};
pub use encoder::Encoder;
pub use kv::BLOCK_TOKENS;
pub use llm::{EngineConfig, LanguageModel};
pub use sample::{Candidates, Sampler};

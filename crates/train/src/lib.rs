//! Gradient training: optimisers, learning-rate schedules, the trainer's execution of a [`lyceum_models::DecoderSpec`],
//! low-rank adapters over a frozen base, and the loop with its checkpoints.
//!
//! Reads models through `models`, computes through `tensor`. Knows no command line, no project file, no server.

mod checkpoint;
mod clip;
pub mod lm;
mod memory;
mod optimizer;
mod parameters;
mod schedule;

pub use clip::clip_global_norm;
pub use memory::peak_rss_mb;
pub use optimizer::{Optimizer, OptimizerKind};
pub use parameters::{Parameter, Parameters};
pub use schedule::{Decay, Schedule};

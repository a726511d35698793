//! Holds what was learned against data: datasets, metrics with 95 % intervals, experiments that resume, gates with
//! three verdicts.
//!
//! A target is any [`lyceum_core::Runnable`]; this crate names no engine, no database and no protocol. No number
//! leaves it without its interval where one can be given.

mod bootstrap;
mod dataset;
mod experiment;
mod gate;
mod interval;
mod journal;
mod json_equal;
mod metric;
mod rouge;
mod scores;
mod special;
mod text;

pub use bootstrap::{Resampling, bca, paired};
pub use dataset::{Dataset, Example, Keys};
pub use experiment::{Options, run};
pub use gate::{Gate, GateResult, Verdict, gate};
pub use interval::{Interval, student, wilson};
pub use json_equal::{json_equal, same_answer};
pub use metric::{Metric, Part};
pub use rouge::{Rouge, rouge_l, rouge_n};
pub use scores::{ExampleScore, Scores};
pub use text::{normalised, token_f1};

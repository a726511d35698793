//! Runs in the database: what was asked, what came out, how long it took and what it cost, as trees.
//!
//! [`Traces`] takes records without waiting and writes them on a thread of its own; [`TraceReader`] reads beside it,
//! from this process or another.

mod alive;
mod content;
mod queue;
mod read;
mod retention;
mod rows;
mod secrets;
mod sink;
mod writer;

pub use content::TraceContent;
pub use read::{Filter, Page, TraceReader, TraceStats};
pub use rows::{Body, Content, RunEvent, RunRow};
pub use sink::{TraceSettings, Traces};

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970.
fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

//! State graphs: nodes that read a shared state and write parts of it, run in supersteps (Malewicz et al. 2010).
//!
//! In each superstep all nodes whose triggers fired run on one and the same state; their writes are applied together,
//! in an order that does not depend on who ended first. After each superstep the state can be kept, so that a run that
//! stopped (for a person, by a failure, by a crash) goes on from there.

mod build;
mod channel;
mod memory;
mod messages;
mod node;
mod run;
mod session;
mod snapshot;
mod stamp;
mod state;
mod task;
mod threads;
mod trace;
mod update;

pub use build::{END, NodeOptions, Plan, Router, START, StateGraph};
pub use channel::{Channel, Fold, Kind, Reducer, Write};
pub use memory::InMemory;
pub use messages::{REMOVE, REMOVE_ALL, add_messages};
pub use node::{Command, Function, Interrupt, Node, Outcome, Scope, Send, Step, Stop, Target, Writer};
pub use run::{Durability, Event, Finished, Graph, Input, RECURSION_LIMIT, RunOptions, Watch};
pub use snapshot::{Snapshot, SnapshotTask, waiting};

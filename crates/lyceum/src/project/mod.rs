//! The project: one YAML file names what to learn, serve and evaluate; a plan says what is stale and why; the work
//! does only that.

mod board;
mod estimator;
mod file;
mod plan;
mod state;
mod trace;
mod work;

pub(crate) use board::Board;
pub(crate) use file::{Evaluation, FILE, LearnItem, LearnKind, Project, TableModel};
pub(crate) use plan::{Plan, Planned};
pub(crate) use state::Workspace;
pub(crate) use trace::{database as trace_database, of_folder as trace_settings, open as open_traces};
pub(crate) use work::{Engines, Outcome, serving, table_model, up};

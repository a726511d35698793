//! Doing the plan: pulls, trainings, evaluations, and in the end the server.

mod adapter;
mod engines;
mod evaluation;
mod serving;
mod table;
mod up;

pub(crate) use engines::Engines;
pub(crate) use serving::serving;
pub(crate) use table::model_folder as table_model;
pub(crate) use up::{Outcome, up};

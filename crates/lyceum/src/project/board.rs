//! How a project stands while it is brought up: every step with its state, for whoever looks from outside.

use super::plan::Plan;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The steps of a plan. Shared with the server, which shows it.
#[derive(Default)]
pub(crate) struct Board(Mutex<Vec<Row>>);

#[derive(Clone, Serialize)]
struct Row {
    step: String,
    state: State,
    /// Why it is to be done, or why it failed.
    reason: Option<String>,
    seconds: Option<f64>,
    result: Json,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Waiting,
    Working,
    Done,
    Fresh,
    Failed,
}

impl Board {
    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, step: &str, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows().iter_mut().find(|r| r.step == step) {
            change(row);
        }
    }

    /// The plan is known.
    pub(crate) fn plan(&self, plan: &Plan) {
        let row = |p: &super::plan::Planned| Row {
            step: p.step.clone(),
            state: State::Waiting,
            reason: p.stale.clone(),
            seconds: None,
            result: Json::Null,
        };
        *self.rows() = plan.steps.iter().map(row).collect();
    }

    /// A step begins.
    pub(crate) fn begins(&self, step: &str) {
        self.change(step, |r| r.state = State::Working);
    }

    /// A step has ended (`seconds`) or was fresh.
    pub(crate) fn ends(&self, step: &str, result: &Json, seconds: Option<f64>) {
        self.change(step, |r| {
            r.state = if seconds.is_some() { State::Done } else { State::Fresh };
            (r.seconds, r.result) = (seconds, result.clone());
        });
    }

    /// Whatever is being worked on has failed.
    pub(crate) fn fails(&self, why: &str) {
        for row in self.rows().iter_mut().filter(|r| r.state == State::Working) {
            row.state = State::Failed;
            row.reason = Some(why.to_string());
        }
    }

    /// `{name, steps, gates}`.
    pub(crate) fn json(&self, name: &str) -> Json {
        let rows = self.rows().clone();
        let judged = rows.iter().filter(|r| r.step.starts_with("evaluate.") && !r.result.is_null());
        let gates: Vec<Json> = judged.map(|r| r.result.clone()).collect();
        json!({ "name": name, "steps": rows, "gates": gates })
    }
}

//! What is recorded of a graph: its runs with their threads, its tasks with their steps.

use super::node::{Outcome, Stop};
use super::run::{Finished, Input, RunOptions};
use super::session::update_of;
use super::task;
use lyceum_core::{Map, Result, RunStatus, Span, Value, facts};
use std::sync::Arc;

/// What a run begins with.
pub(super) fn begins(input: &Input, options: &RunOptions) -> (Value, Map) {
    let value = match input {
        Input::Values(values) => values.clone(),
        Input::Continue => Value::Null,
        Input::Resume(answers) => task::map([("resume", answers.clone())]),
        Input::Command(command) => task::map([("update", command.update.clone())]),
    };
    let thread = options.thread.iter().map(|t| (facts::THREAD.into(), Value::Str(t.clone())));
    let checkpoint = options.checkpoint.iter().map(|c| ("checkpoint".into(), c.as_str().into()));
    (value, thread.chain(checkpoint).collect())
}

/// Where a run came to. One that waits for a person, or stops where it was told to, is interrupted, not failed.
pub(super) fn ended(span: Span<'_>, done: &Result<Finished>) {
    match done {
        Ok(f) if f.interrupts.is_empty() && f.next.is_empty() => span.finish(Ok(&f.values), Map::new),
        Ok(f) => span.finish_as(RunStatus::Interrupted, &f.values, None, || {
            let asked = f.interrupts.iter().map(task::shown).collect();
            let next = f.next.iter().map(|n| Value::Str(n.clone())).collect();
            Map::from_iter([("interrupts".into(), asked), ("next".into(), next)])
        }),
        Err(e) => span.finish(Err(e), Map::new),
    }
}

/// Which task of which superstep.
pub(super) fn of_task(step: i64, task: &Arc<str>) -> Map {
    Map::from_iter([("step".into(), Value::Int(step)), ("task".into(), Value::Str(task.clone()))])
}

/// What a task answered.
pub(super) fn answered(span: Span<'_>, answer: &Result<Outcome, Stop>) {
    match answer {
        Ok(outcome) if span.id().is_some() => span.finish(Ok(&update_of(outcome)), Map::new),
        Ok(_) => drop(span),
        Err(Stop::Interrupt(i)) => span.finish_as(RunStatus::Interrupted, &task::shown(i), None, Map::new),
        Err(Stop::Failed(e)) => span.finish(Err(e), Map::new),
    }
}

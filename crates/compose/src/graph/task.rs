//! Running one task: attempts, and the form in which its writes wait in a checkpoint.
#![allow(clippy::indexing_slicing, reason = "places come from the plan, whose tables have one entry each")]

use super::build::Placed;
use super::channel::{Kind, Write};
use super::node::{Answers, Interrupt, Outcome, Scope, Send, Stop, Writer, digest};
use super::state::{Path, State, Task, Writes};
use lyceum_core::{Context, Map, TaskWrites, Value};
use std::sync::{Arc, Mutex};

/// Names of what a task may leave besides writes to channels.
pub(super) const DONE: &str = "__done__";
pub(super) const ERROR: &str = "__error__";
pub(super) const INTERRUPT: &str = "__interrupt__";
pub(super) const RESUME: &str = "__resume__";
const SENDS: &str = "__sends__";

/// The id of a task: the same whenever the same checkpoint plans it again.
pub(super) fn id(checkpoint: &str, namespace: &str, step: i64, node: &str, path: &Path) -> Arc<str> {
    let (how, place) = match path {
        Path::Pull(_) => ("__pregel_pull", String::new()),
        Path::Push(i) => ("__pregel_push", i.to_string()),
    };
    let hex = format!("{:032x}", digest([checkpoint, namespace, &step.to_string(), node, how, &place]));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]).into()
}

/// Runs a node until it answers, waits for a person, or has failed for good.
pub(super) async fn run(
    node: &Placed,
    input: Value,
    (task, known): (Arc<str>, Vec<Value>),
    writer: Option<Writer>,
    cx: &Context,
) -> Result<Outcome, Stop> {
    let mut attempt = 1;
    loop {
        cx.check()?;
        let scope = Scope {
            cx: cx.clone(),
            node: node.name.clone(),
            task: task.clone(),
            answers: Arc::new(Mutex::new(Answers { known: known.clone(), asked: 0 })),
            writer: writer.clone(),
        };
        match (node.run.run(input.clone(), &scope).await, &node.retry) {
            (Err(Stop::Failed(e)), Some(policy)) => policy.after(attempt, e, cx).await?,
            (answer, _) => return answer,
        }
        attempt += 1;
    }
}

/// The form in which a task's writes wait.
pub(super) fn encode(state: &State, writes: &Writes) -> Vec<(Arc<str>, Value)> {
    let channels = writes.channels.iter().map(|(place, write)| {
        let value = match write {
            Write::Put(v) => v.clone(),
            Write::Overwrite(v) => map([("__overwrite__", v.clone())]),
            Write::Arrive(who) => Value::Int(*who as i64),
        };
        (state.plan.channels[*place].clone(), value)
    });
    let sends = writes
        .sends
        .iter()
        .map(|s| (SENDS.into(), map([("node", Value::Str(s.node.clone())), ("input", s.input.clone())])));
    channels.chain(sends).chain([(DONE.into(), Value::Null)]).collect()
}

/// The writes of a task that has ended; nothing of one that has not.
pub(super) fn decode(state: &State, waiting: &TaskWrites) -> Option<Writes> {
    waiting.writes.iter().find(|(name, _)| &**name == DONE)?;
    let mut writes = Writes::default();
    for (name, value) in &waiting.writes {
        if &**name == SENDS {
            let node = value.get("node").and_then(Value::as_str).unwrap_or_default();
            let input = value.get("input").cloned().unwrap_or_default();
            writes.sends.push(Send { node: node.into(), input });
        } else if let Some(place) = state.plan.places.get(name) {
            let write = match (&state.plan.kinds[*place], value.as_i64()) {
                (Kind::Barrier(_), Some(who)) => Write::Arrive(usize::try_from(who).unwrap_or(usize::MAX)),
                _ => overwrite(value).map_or_else(|| Write::Put(value.clone()), Write::Overwrite),
            };
            writes.channels.push((*place, write));
        }
    }
    Some(writes)
}

/// The value of `{"__overwrite__": value}`.
pub(super) fn overwrite(value: &Value) -> Option<Value> {
    let map = value.as_map().filter(|m| m.len() == 1)?;
    map.get("__overwrite__").cloned()
}

/// What a question looks like where it waits and where it is shown.
pub(super) fn shown(interrupt: &Interrupt) -> Value {
    map([("id", interrupt.id.as_str().into()), ("value", interrupt.value.clone())])
}

/// A list that waits under a name.
pub(super) fn list<'a>(waiting: &'a TaskWrites, name: &str) -> &'a [Value] {
    waiting.writes.iter().find(|(n, _)| &**n == name).and_then(|(_, v)| v.as_list()).unwrap_or_default()
}

/// One task that waits on nothing but what is said here.
pub(super) fn waits(task: &Arc<str>, name: &str, value: Value) -> TaskWrites {
    TaskWrites { task: task.clone(), writes: vec![(name.into(), value)] }
}

pub(super) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    entries.into_iter().map(|(k, v)| (k.into(), v)).collect::<Map>().into()
}

/// The input of a task: its own, or the state.
pub(super) fn input(state: &State, task: &Task) -> Value {
    task.input.clone().unwrap_or_else(|| state.values())
}

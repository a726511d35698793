//! Looking at a thread without running it: its state, what comes next, what waits, and how it came there.

use super::build::START;
use super::node::Interrupt;
use super::run::Graph;
use super::state::{State, Writes};
use super::task;
use lyceum_core::{Checkpoint, CheckpointSource, Checkpointer, Error, Result, TaskWrites, ThreadKey, Value};
use std::sync::Arc;
use std::time::SystemTime;

/// A thread at one of its checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The state, with what tasks of the superstep that comes have written already.
    pub values: Value,
    /// Nodes that run next; none when the graph has ended.
    pub next: Vec<Arc<str>>,
    /// The tasks of the superstep that comes.
    pub tasks: Vec<SnapshotTask>,
    /// The checkpoint.
    pub checkpoint: Arc<str>,
    /// The one that it follows.
    pub parent: Option<Arc<str>>,
    /// Number of its superstep; -1 is the first input.
    pub step: i64,
    /// What made it.
    pub source: CheckpointSource,
    /// When it was made.
    pub created: SystemTime,
}

/// A task of the superstep that comes.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotTask {
    /// Its id.
    pub id: Arc<str>,
    /// Its node.
    pub node: Arc<str>,
    /// Why it failed, where it has.
    pub error: Option<String>,
    /// Questions that wait.
    pub interrupts: Vec<Interrupt>,
    /// Whether it has ended and only its siblings are missing.
    pub done: bool,
}

impl Snapshot {
    /// All questions that wait.
    pub fn interrupts(&self) -> Vec<Interrupt> {
        self.tasks.iter().flat_map(|t| t.interrupts.iter().cloned()).collect()
    }
}

impl Graph {
    /// A thread as it stands, or as it stood at one of its checkpoints; nothing where there is none.
    ///
    /// # Errors
    /// A graph without checkpoints; what the place that keeps them says.
    pub async fn state(&self, thread: &str, checkpoint: Option<&str>) -> Result<Option<Snapshot>> {
        let (checkpointer, key) = self.place(thread)?;
        let kept = checkpointer.get(&key, checkpoint).await?;
        kept.map(|(checkpoint, waiting)| self.snapshot(checkpoint, &waiting)).transpose()
    }

    /// How a thread came to where it stands: its checkpoints, the newest first, at most `limit`.
    ///
    /// # Errors
    /// As [`Graph::state`].
    pub async fn history(&self, thread: &str, limit: usize) -> Result<Vec<Snapshot>> {
        let (checkpointer, key) = self.place(thread)?;
        let mut all = Vec::new();
        for checkpoint in checkpointer.list(&key, limit).await? {
            let waiting = checkpointer.get(&key, Some(&checkpoint.id)).await?.map(|(_, w)| w);
            all.push(self.snapshot(checkpoint, &waiting.unwrap_or_default())?);
        }
        Ok(all)
    }

    pub(super) fn place(&self, thread: &str) -> Result<(&dyn Checkpointer, ThreadKey)> {
        let checkpointer =
            self.checkpointer.as_deref().ok_or_else(|| Error::invalid("No checkpointer set"))?;
        Ok((checkpointer, ThreadKey { thread: thread.into(), namespace: "".into() }))
    }

    fn snapshot(&self, checkpoint: Checkpoint, waiting: &[TaskWrites]) -> Result<Snapshot> {
        let mut state = State::new(self.plan.clone());
        state.restore(&checkpoint);
        let (mut tasks, mut done) = (Vec::new(), Vec::new());
        if checkpoint.values.contains_key(START) {
            tasks.push(SnapshotTask {
                id: task::id(&checkpoint.id, "", checkpoint.step + 1, START, &super::state::Path::Push(0)),
                node: START.into(),
                error: None,
                interrupts: Vec::new(),
                done: false,
            });
        }
        for planned in if tasks.is_empty() { state.tasks() } else { Vec::new() } {
            let Some(node) = self.plan.nodes.get(planned.node) else { continue };
            let id = task::id(&checkpoint.id, "", checkpoint.step + 1, &node.name, &planned.path);
            let left = waiting.iter().find(|w| w.task == id);
            let ended: Option<Writes> = left.and_then(|w| task::decode(&state, w));
            tasks.push(SnapshotTask {
                id,
                node: node.name.clone(),
                error: if ended.is_some() { None } else { left.and_then(error) },
                interrupts: left.map(asked).unwrap_or_default(),
                done: ended.is_some(),
            });
            done.extend(ended.map(|writes| (planned, writes)));
        }
        if !done.is_empty() {
            state.apply(done)?;
        }
        Ok(Snapshot {
            values: state.values(),
            next: tasks.iter().filter(|t| !t.done).map(|t| t.node.clone()).collect(),
            tasks,
            checkpoint: checkpoint.id,
            parent: checkpoint.parent,
            step: checkpoint.step,
            source: checkpoint.source,
            created: checkpoint.created,
        })
    }
}

/// The questions that wait on a thread, without a look at its graph.
///
/// # Errors
/// What the place that keeps the thread says.
pub async fn waiting(checkpointer: &dyn Checkpointer, thread: &str) -> Result<Vec<Interrupt>> {
    let key = ThreadKey { thread: thread.into(), namespace: "".into() };
    let kept = checkpointer.get(&key, None).await?;
    Ok(kept.map(|(_, left)| left.iter().flat_map(asked).collect()).unwrap_or_default())
}

fn error(left: &TaskWrites) -> Option<String> {
    let (_, why) = left.writes.iter().rev().find(|(name, _)| &**name == task::ERROR)?;
    why.get("message").and_then(Value::as_str).map(str::to_string)
}

fn asked(left: &TaskWrites) -> Vec<Interrupt> {
    let question = |q: &Value| Interrupt {
        id: q.get("id").and_then(Value::as_str).unwrap_or_default().to_string(),
        value: q.get("value").cloned().unwrap_or_default(),
    };
    task::list(left, task::INTERRUPT).iter().map(question).collect()
}

//! What a run of a graph leaves behind after each superstep, and the trait of the places that keep it. Nothing here
//! knows how a graph runs.

use crate::{Map, Result, Threads, Value};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::SystemTime;

/// What made a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointSource {
    /// An input came.
    Input,
    /// A superstep ended.
    Loop,
    /// Somebody wrote the state by hand.
    Update,
    /// It is a copy of another.
    Fork,
}

impl CheckpointSource {
    /// The source of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Input, Self::Loop, Self::Update, Self::Fork].into_iter().find(|s| s.as_str() == name)
    }

    /// Its name in files and protocols.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Loop => "loop",
            Self::Update => "update",
            Self::Fork => "fork",
        }
    }
}

/// The state of a thread after a superstep. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Sorts by time among the checkpoints of its thread.
    pub id: Arc<str>,
    /// The checkpoint that it follows.
    pub parent: Option<Arc<str>>,
    /// Number of the superstep; -1 is the first input.
    pub step: i64,
    /// What made it.
    pub source: CheckpointSource,
    /// What each channel holds; channels that hold nothing are left out.
    pub values: Map,
    /// Version of each channel that was ever written.
    pub versions: Vec<(Arc<str>, u64)>,
    /// For each node the versions of its triggers when it last ran.
    pub seen: Vec<(Arc<str>, Vec<(Arc<str>, u64)>)>,
    /// Tasks with inputs of their own for the next superstep: node, input.
    pub sends: Vec<(Arc<str>, Value)>,
    /// When it was made.
    pub created: SystemTime,
}

/// What one task of the superstep after a checkpoint has written, kept until the superstep ends.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskWrites {
    /// The task's id.
    pub task: Arc<str>,
    /// Channel and value, in order.
    pub writes: Vec<(Arc<str>, Value)>,
}

/// A thread, and within it a graph or one of its subgraphs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThreadKey {
    /// The thread.
    pub thread: Arc<str>,
    /// Empty for the graph itself.
    pub namespace: Arc<str>,
}

/// A place that keeps checkpoints. It may keep what it takes a little later, in order; [`Checkpointer::flush`] returns
/// when all that was taken is there after a crash.
#[async_trait]
pub trait Checkpointer: Send + Sync {
    /// A checkpoint by id, or the newest, with the writes that wait on it.
    async fn get(&self, key: &ThreadKey, id: Option<&str>) -> Result<Option<(Checkpoint, Vec<TaskWrites>)>>;

    /// Keeps a checkpoint.
    async fn put(&self, key: &ThreadKey, checkpoint: &Checkpoint) -> Result<()>;

    /// Keeps the writes of a task that ran after a checkpoint; those of the same task and channels are replaced.
    async fn put_writes(&self, key: &ThreadKey, id: &str, writes: &TaskWrites) -> Result<()>;

    /// All checkpoints of a thread, newest first, at most `limit`.
    async fn list(&self, key: &ThreadKey, limit: usize) -> Result<Vec<Checkpoint>>;

    /// Waits until all that was taken is kept. Fails when some of it could not be.
    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// The list of its threads, where it has one.
    fn threads(&self) -> Option<&dyn Threads> {
        None
    }
}

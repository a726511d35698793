//! Threads: which graph each belongs to and how it stands; the trait of the places that keep the list.

use crate::{Map, Result};
use async_trait::async_trait;
use std::any::Any;
use std::sync::Arc;
use std::time::SystemTime;

/// How a thread stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThreadStatus {
    /// Nothing runs and nothing waits.
    #[default]
    Idle,
    /// A run goes on (or went on when its process ended).
    Busy,
    /// A question waits for a person, or the run stopped where it was told to.
    Interrupted,
    /// The last run failed.
    Error,
}

impl ThreadStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Busy, Self::Interrupted, Self::Error];

    /// The status of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// Its name in files and protocols.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
            Self::Error => "error",
        }
    }
}

/// A thread of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadInfo {
    /// Its name.
    pub thread: Arc<str>,
    /// The graph that runs on it; empty before the first run.
    pub graph: Arc<str>,
    /// How it stands.
    pub status: ThreadStatus,
    /// Why the last run failed.
    pub error: Option<String>,
    /// What its makers say of it.
    pub metadata: Map,
    /// When it was made.
    pub created: SystemTime,
    /// When it last changed.
    pub updated: SystemTime,
}

impl ThreadInfo {
    /// A thread on which nothing has run yet.
    pub fn new(thread: impl Into<Arc<str>>, graph: impl Into<Arc<str>>) -> Self {
        let now = SystemTime::now();
        Self {
            thread: thread.into(),
            graph: graph.into(),
            status: ThreadStatus::Idle,
            error: None,
            metadata: Map::default(),
            created: now,
            updated: now,
        }
    }
}

/// Which threads are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadFilter {
    /// This one.
    pub thread: Option<Arc<str>>,
    /// Of this graph.
    pub graph: Option<Arc<str>>,
    /// Standing like this.
    pub status: Option<ThreadStatus>,
    /// At most so many.
    pub limit: usize,
    /// After so many.
    pub offset: usize,
}

impl Default for ThreadFilter {
    fn default() -> Self {
        Self { thread: None, graph: None, status: None, limit: usize::MAX, offset: 0 }
    }
}

/// Kept for as long as a run goes on: while it is there nobody else runs on that thread.
pub type Hold = Box<dyn Any + Send>;

/// A place that keeps the list of threads.
#[async_trait]
pub trait Threads: Send + Sync {
    /// Keeps a thread as it now is; when it was made stays as it was.
    async fn put_thread(&self, thread: &ThreadInfo) -> Result<()>;

    /// Those that are wanted, the last changed first.
    async fn threads(&self, filter: &ThreadFilter) -> Result<Vec<ThreadInfo>>;

    /// Forgets a thread with all its checkpoints. Whether it was there.
    async fn remove_thread(&self, thread: &str) -> Result<bool>;

    /// Takes a thread for a run.
    ///
    /// # Errors
    /// A conflict when somebody else runs on it, in this process or another.
    fn hold(&self, thread: &str) -> Result<Hold>;
}

/// A thread by name.
pub async fn find_thread(threads: &dyn Threads, thread: &str) -> Result<Option<ThreadInfo>> {
    let filter = ThreadFilter { thread: Some(thread.into()), limit: 1, ..ThreadFilter::default() };
    Ok(threads.threads(&filter).await?.pop())
}

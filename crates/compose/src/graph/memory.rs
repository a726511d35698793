//! Checkpoints kept in memory: for graphs whose threads need not outlive the process, and for tests.

use async_trait::async_trait;
use lyceum_core::{
    Checkpoint, Checkpointer, Error, ErrorKind, Hold, Result, TaskWrites, ThreadFilter, ThreadInfo,
    ThreadKey, Threads,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Kept = Vec<(Checkpoint, Vec<TaskWrites>)>;

/// Keeps checkpoints until it is dropped.
#[derive(Default)]
pub struct InMemory {
    kept: Mutex<HashMap<ThreadKey, Kept>>,
    list: Mutex<HashMap<Arc<str>, ThreadInfo>>,
    held: Arc<Mutex<HashSet<String>>>,
}

impl InMemory {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<ThreadKey, Kept>> {
        locked(&self.kept)
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Checkpointer for InMemory {
    async fn get(&self, key: &ThreadKey, id: Option<&str>) -> Result<Option<(Checkpoint, Vec<TaskWrites>)>> {
        let threads = self.kept();
        let Some(kept) = threads.get(key) else { return Ok(None) };
        Ok(match id {
            Some(id) => kept.iter().find(|(c, _)| &*c.id == id).cloned(),
            None => kept.iter().max_by(|a, b| a.0.id.cmp(&b.0.id)).cloned(),
        })
    }

    async fn put(&self, key: &ThreadKey, checkpoint: &Checkpoint) -> Result<()> {
        self.kept().entry(key.clone()).or_default().push((checkpoint.clone(), Vec::new()));
        Ok(())
    }

    async fn put_writes(&self, key: &ThreadKey, id: &str, writes: &TaskWrites) -> Result<()> {
        let mut threads = self.kept();
        let kept = threads.get_mut(key).and_then(|k| k.iter_mut().rev().find(|(c, _)| &*c.id == id));
        if let Some((_, all)) = kept {
            match all.iter_mut().find(|w| w.task == writes.task) {
                Some(old) => {
                    old.writes.retain(|(c, _)| writes.writes.iter().all(|(n, _)| n != c));
                    old.writes.extend(writes.writes.iter().cloned());
                }
                None => all.push(writes.clone()),
            }
        }
        Ok(())
    }

    async fn list(&self, key: &ThreadKey, limit: usize) -> Result<Vec<Checkpoint>> {
        let threads = self.kept();
        let mut all: Vec<Checkpoint> =
            threads.get(key).into_iter().flatten().map(|(c, _)| c.clone()).collect();
        all.sort_by(|a, b| b.id.cmp(&a.id));
        all.truncate(limit);
        Ok(all)
    }

    fn threads(&self) -> Option<&dyn Threads> {
        Some(self)
    }
}

#[async_trait]
impl Threads for InMemory {
    async fn put_thread(&self, thread: &ThreadInfo) -> Result<()> {
        let mut list = locked(&self.list);
        let created = list.get(&thread.thread).map_or(thread.created, |t| t.created);
        list.insert(thread.thread.clone(), ThreadInfo { created, ..thread.clone() });
        Ok(())
    }

    async fn threads(&self, filter: &ThreadFilter) -> Result<Vec<ThreadInfo>> {
        let wanted = |t: &&ThreadInfo| {
            filter.thread.as_ref().is_none_or(|n| *n == t.thread)
                && filter.graph.as_ref().is_none_or(|g| *g == t.graph)
                && filter.status.is_none_or(|s| s == t.status)
        };
        let mut all: Vec<ThreadInfo> = locked(&self.list).values().filter(wanted).cloned().collect();
        all.sort_by_key(|t| std::cmp::Reverse(t.updated));
        Ok(all.into_iter().skip(filter.offset).take(filter.limit).collect())
    }

    async fn remove_thread(&self, thread: &str) -> Result<bool> {
        self.kept().retain(|key, _| &*key.thread != thread);
        Ok(locked(&self.list).remove(thread).is_some())
    }

    fn hold(&self, thread: &str) -> Result<Hold> {
        if !locked(&self.held).insert(thread.to_string()) {
            let message = format!("thread `{thread}` is already running a task");
            return Err(Error::new(ErrorKind::Conflict, message).with_code("thread_busy"));
        }
        Ok(Box::new(Held { among: self.held.clone(), thread: thread.to_string() }))
    }
}

/// A thread on which somebody runs.
struct Held {
    among: Arc<Mutex<HashSet<String>>>,
    thread: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        locked(&self.among).remove(&self.thread);
    }
}

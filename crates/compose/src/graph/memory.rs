//! Checkpoints kept in memory: for graphs whose threads need not outlive the process, and for tests.

use async_trait::async_trait;
use lyceum_core::{Checkpoint, Checkpointer, Result, TaskWrites, ThreadKey};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Kept = Vec<(Checkpoint, Vec<TaskWrites>)>;

/// Keeps checkpoints until it is dropped.
#[derive(Default)]
pub struct InMemory {
    threads: Mutex<HashMap<ThreadKey, Kept>>,
}

impl InMemory {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    fn threads(&self) -> MutexGuard<'_, HashMap<ThreadKey, Kept>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Checkpointer for InMemory {
    async fn get(&self, key: &ThreadKey, id: Option<&str>) -> Result<Option<(Checkpoint, Vec<TaskWrites>)>> {
        let threads = self.threads();
        let Some(kept) = threads.get(key) else { return Ok(None) };
        Ok(match id {
            Some(id) => kept.iter().find(|(c, _)| &*c.id == id).cloned(),
            None => kept.iter().max_by(|a, b| a.0.id.cmp(&b.0.id)).cloned(),
        })
    }

    async fn put(&self, key: &ThreadKey, checkpoint: &Checkpoint) -> Result<()> {
        self.threads().entry(key.clone()).or_default().push((checkpoint.clone(), Vec::new()));
        Ok(())
    }

    async fn put_writes(&self, key: &ThreadKey, id: &str, writes: &TaskWrites) -> Result<()> {
        let mut threads = self.threads();
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
        let threads = self.threads();
        let mut all: Vec<Checkpoint> =
            threads.get(key).into_iter().flatten().map(|(c, _)| c.clone()).collect();
        all.sort_by(|a, b| b.id.cmp(&a.id));
        all.truncate(limit);
        Ok(all)
    }
}

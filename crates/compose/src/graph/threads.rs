//! A run's entry in the list of threads: busy while it goes on, then as it ended; nobody else runs there meanwhile.

use super::run::{Finished, Graph, RunOptions};
use lyceum_core::{ErrorKind, Hold, Result, ThreadInfo, ThreadStatus, Threads, find_thread};
use std::time::SystemTime;

/// The entry of a run that goes on.
pub(super) struct Entry<'g> {
    threads: &'g dyn Threads,
    info: ThreadInfo,
    _hold: Hold,
}

impl<'g> Entry<'g> {
    /// Takes the thread; nothing where there is none, or no list of threads.
    pub(super) async fn open(graph: &'g Graph, options: &RunOptions) -> Result<Option<Self>> {
        let threads = graph.threads();
        let (Some(threads), Some(thread)) = (threads, &options.thread) else { return Ok(None) };
        let hold = threads.hold(thread)?;
        let known = find_thread(threads, thread).await?;
        let mut info = known.unwrap_or_else(|| ThreadInfo::new(thread.clone(), graph.plan.name.clone()));
        info.graph = graph.plan.name.clone();
        info.metadata.extend(options.metadata.clone());
        let mut entry = Self { threads, info, _hold: hold };
        entry.put(ThreadStatus::Busy, None).await?;
        Ok(Some(entry))
    }

    /// Notes how the run ended. One that was cancelled left the thread where its last checkpoint is.
    pub(super) async fn close(mut self, done: &Result<Finished>) -> Result<()> {
        let (status, error) = match done {
            Ok(done) if done.next.is_empty() && done.interrupts.is_empty() => (ThreadStatus::Idle, None),
            Ok(_) => (ThreadStatus::Interrupted, None),
            Err(e) if e.kind() == ErrorKind::Cancelled => (ThreadStatus::Interrupted, None),
            Err(e) => (ThreadStatus::Error, Some(e.to_string())),
        };
        self.put(status, error).await
    }

    async fn put(&mut self, status: ThreadStatus, error: Option<String>) -> Result<()> {
        self.info.status = status;
        self.info.error = error;
        self.info.updated = SystemTime::now();
        self.threads.put_thread(&self.info).await
    }
}

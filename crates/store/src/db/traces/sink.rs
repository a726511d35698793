//! The tracer that keeps runs in the database.

use super::content::TraceContent;
use super::queue::{Ended, Queue, Record, words};
use super::writer::Writer;
use lyceum_core::{Error, Result, Run, RunId, RunOutcome, Tracer, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is kept of runs, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSettings {
    /// What is kept of inputs and outputs.
    pub content: TraceContent,
    /// Bytes of JSON kept of one input or output; of what is longer the beginning is kept.
    pub max_content_bytes: usize,
    /// Days after which a tree of runs is removed; 0 keeps all.
    pub keep_days: u64,
    /// Runs kept; over it the oldest trees are removed; 0 keeps all.
    pub keep_runs: u64,
    /// Bytes of contents kept; over it the oldest trees are removed; 0 keeps all.
    pub keep_bytes: u64,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            content: TraceContent::Full,
            max_content_bytes: 1 << 20,
            keep_days: 30,
            keep_runs: 1_000_000,
            keep_bytes: 4 << 30,
        }
    }
}

/// How long a flush waits at most.
const FLUSH: Duration = Duration::from_secs(10);

/// Keeps runs in the database. Recording never waits: what does not fit in the queue is counted (`dropped`), not kept.
/// Dropped, it writes what waits first.
pub struct Traces {
    queue: Arc<Queue>,
    thread: Option<std::thread::JoinHandle<()>>,
    path: PathBuf,
}

impl Traces {
    /// Opens a database, made if absent, to write runs to. Ends the runs of processes that died.
    pub fn open(path: impl AsRef<Path>, settings: TraceSettings) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let queue = Arc::new(Queue::default());
        let mut writer = Writer::open(&path, settings, queue.clone())?;
        let thread = std::thread::Builder::new()
            .name("trace-writer".into())
            .spawn(move || writer.work())
            .map_err(|e| Error::io(&path, "start the writer of traces of", e))?;
        Ok(Self { queue, thread: Some(thread), path })
    }

    /// The database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what was recorded can be read; false when that takes too long.
    pub fn flush(&self) -> bool {
        self.queue.flush(FLUSH)
    }

    /// Records of this process that were not kept.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl Tracer for Traces {
    fn start(&self, run: Run) -> bool {
        self.queue.push(Record::Start(Box::new(run)))
    }

    fn finish(&self, outcome: RunOutcome<'_>) {
        self.queue.push(Record::End(Box::new(Ended {
            id: outcome.id,
            status: outcome.status,
            output: outcome.output.clone(),
            error: outcome.error.map(words),
            facts: outcome.facts,
            end: outcome.end,
        })));
    }

    fn event(&self, run: RunId, name: &str, data: Value) {
        let name = name.to_string();
        self.queue.push(Record::Event { run, name, data, time: SystemTime::now() });
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! Runs of this process: what each has said so far, for whoever looks now or later. Bounded in runs and in events.

use axum::body::Bytes;
use lyceum_compose::graph::Event;
use lyceum_core::{Context, Error, ErrorKind, Value};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;

/// Runs that are remembered; the oldest that have ended go first.
const RUNS: usize = 256;
/// Events of a run that are remembered; the oldest go first.
const EVENTS: usize = 4096;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    Pending,
    Running,
    Success,
    Error,
    Interrupted,
}

impl RunStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
        }
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Error | Self::Interrupted)
    }
}

/// A run.
pub(crate) struct RunLog {
    pub(crate) id: String,
    pub(crate) thread: Option<Arc<str>>,
    pub(crate) agent: String,
    pub(crate) created: SystemTime,
    pub(crate) cx: Context,
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

struct Inner {
    status: RunStatus,
    updated: SystemTime,
    /// Number of the first event that is still there.
    first: u64,
    events: VecDeque<Event>,
    /// Tasks that have begun and not ended: node and id.
    open: Vec<(Arc<str>, Arc<str>)>,
    /// Where the run came to: its values, or the kind and words of its failure.
    end: Option<Result<Value, (ErrorKind, String)>>,
}

/// What a reader gets at once.
pub(crate) struct Heard {
    pub(crate) events: Vec<Event>,
    pub(crate) next: u64,
    pub(crate) over: bool,
}

impl RunLog {
    pub(crate) fn new(id: String, thread: Option<Arc<str>>, agent: String, cx: Context) -> Self {
        let now = SystemTime::now();
        let inner = Inner {
            status: RunStatus::Pending,
            updated: now,
            first: 0,
            events: VecDeque::new(),
            open: Vec::new(),
            end: None,
        };
        let changed = watch::Sender::new(0);
        Self { id, thread, agent, created: now, cx, inner: Mutex::new(inner), changed }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner();
        change(&mut inner);
        inner.updated = SystemTime::now();
        drop(inner);
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn status(&self) -> RunStatus {
        self.inner().status
    }

    pub(crate) fn updated(&self) -> SystemTime {
        self.inner().updated
    }

    pub(crate) fn begins(&self) {
        self.change(|i| i.status = RunStatus::Running);
    }

    pub(crate) fn hear(&self, event: Event) {
        self.change(|i| {
            match &event {
                Event::Started(node, id) => i.open.push((node.clone(), id.clone())),
                Event::Update(node, _) | Event::Failed(node, _) => {
                    if let Some(at) = i.open.iter().position(|(n, _)| n == node) {
                        i.open.remove(at);
                    }
                }
                _ => {}
            }
            i.events.push_back(event);
            if i.events.len() > EVENTS {
                i.events.pop_front();
                i.first += 1;
            }
        });
    }

    pub(crate) fn ends(&self, status: RunStatus, end: Result<Value, Error>) {
        self.change(|i| {
            i.status = status;
            i.end = Some(end.map_err(|e| (e.kind(), e.message().to_string())));
        });
    }

    /// What was said from a number on.
    pub(crate) fn since(&self, from: u64) -> Heard {
        let inner = self.inner();
        let skip = usize::try_from(from.saturating_sub(inner.first)).unwrap_or(usize::MAX);
        let events: Vec<Event> = inner.events.iter().skip(skip).cloned().collect();
        Heard { events, next: inner.first + inner.events.len() as u64, over: inner.status.is_over() }
    }

    /// Where it came to, once it is over.
    pub(crate) fn end(&self) -> Option<Result<Value, (ErrorKind, String)>> {
        self.inner().end.clone()
    }

    /// Resolves when something has changed since the subscription was made or last looked at.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Resolves when it is over.
    pub(crate) async fn over(&self) {
        let mut changes = self.changes();
        while !self.status().is_over() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The runs of this process.
#[derive(Default)]
pub(crate) struct Runs {
    list: Mutex<VecDeque<Arc<RunLog>>>,
    /// One run at a time on a thread; others wait in the order in which they came.
    queues: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>,
    added: watch::Sender<u64>,
}

impl Runs {
    fn list(&self) -> MutexGuard<'_, VecDeque<Arc<RunLog>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, run: Arc<RunLog>) {
        let mut list = self.list();
        list.push_back(run);
        if list.len() > RUNS
            && let Some(at) = list.iter().position(|r| r.status().is_over())
        {
            list.remove(at);
        }
        drop(list);
        self.added.send_modify(|n| *n += 1);
    }

    pub(crate) fn get(&self, thread: &str, run: &str) -> Option<Arc<RunLog>> {
        self.list().iter().find(|r| r.id == run && r.thread.as_deref() == Some(thread)).cloned()
    }

    /// Runs of a thread, the newest first.
    pub(crate) fn of(&self, thread: &str) -> Vec<Arc<RunLog>> {
        self.list().iter().rev().filter(|r| r.thread.as_deref() == Some(thread)).cloned().collect()
    }

    /// Runs that have not ended, everywhere.
    pub(crate) fn going_on(&self) -> usize {
        self.list().iter().filter(|r| !r.status().is_over()).count()
    }

    /// Resolves when a run was added.
    pub(crate) fn added(&self) -> watch::Receiver<u64> {
        self.added.subscribe()
    }

    /// The queue before a thread.
    pub(crate) fn queue(&self, thread: &Arc<str>) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|_, q| Arc::strong_count(q) > 1);
        queues.entry(thread.clone()).or_default().clone()
    }
}

/// A frame of server-sent events.
pub(crate) fn frame(event: &str, data: &serde_json::Value) -> Bytes {
    Bytes::from(format!("event: {event}\r\ndata: {data}\r\n\r\n"))
}

//! What waits to be written: taken without waiting, bounded in number and in bytes.

use lyceum_core::{Error, Map, Run, RunId, RunStatus, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Records that may wait before no further run is begun. Ends are always taken: there are no more than runs were begun.
/// Events may fill half of it.
const STARTS: usize = 8192;
/// Bytes of content that may wait, roughly counted.
const BYTES: usize = 64 << 20;
/// What stands for content that was too much to hold.
const LEFT_OUT: &str = "(not kept: too much waited to be written)";
/// Values looked at when the size of one is estimated.
const LOOK: usize = 64;

/// A run that has ended.
pub(super) struct Ended {
    pub(super) id: RunId,
    pub(super) status: RunStatus,
    pub(super) output: Value,
    /// Its kind's code, and the message.
    pub(super) error: Option<(&'static str, String)>,
    pub(super) facts: Map,
    pub(super) end: SystemTime,
}

/// One thing to write.
pub(super) enum Record {
    Start(Box<Run>),
    End(Box<Ended>),
    Event { run: RunId, name: String, data: Value, time: SystemTime },
}

impl Record {
    fn most_waiting(&self) -> usize {
        match self {
            Self::Start(_) => STARTS,
            Self::End(_) => usize::MAX,
            Self::Event { .. } => STARTS / 2,
        }
    }

    /// Without what it holds, where too much is held already.
    fn lighten(&mut self) {
        match self {
            Self::Start(run) => run.input = LEFT_OUT.into(),
            Self::End(end) => end.output = LEFT_OUT.into(),
            Self::Event { data, .. } => *data = LEFT_OUT.into(),
        }
    }

    fn bytes(&self) -> usize {
        let mut look = LOOK;
        match self {
            Self::Start(run) => weigh(&run.input, &mut look),
            Self::End(end) => weigh(&end.output, &mut look),
            Self::Event { data, .. } => weigh(data, &mut look),
        }
    }
}

/// Why a run failed, in words that outlive the error.
pub(super) fn words(error: &Error) -> (&'static str, String) {
    (error.kind().code(), error.to_string())
}

/// Roughly the bytes of a value.
fn weigh(value: &Value, look: &mut usize) -> usize {
    if *look == 0 {
        return 0;
    }
    *look -= 1;
    match value {
        Value::Str(s) => s.len(),
        Value::Bytes(b) => b.len(),
        Value::List(items) => items.iter().map(|v| weigh(v, look)).sum(),
        Value::Map(map) => map.values().map(|v| weigh(v, look)).sum(),
        _ => 16,
    }
}

#[derive(Default)]
struct State {
    records: Vec<Record>,
    bytes: usize,
    /// Records ever taken, and ever written.
    taken: u64,
    written: u64,
    /// Somebody waits for what is written.
    hurry: bool,
    closed: bool,
    /// The writer sleeps until something comes.
    idle: bool,
}

/// The queue between those who run and the one who writes.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Tells the writer.
    comes: Condvar,
    /// Tells those who wait for the writer.
    done: Condvar,
    dropped: AtomicU64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record, or counts it when too much waits. Whether it was taken.
    pub(super) fn push(&self, mut record: Record) -> bool {
        let mut bytes = record.bytes();
        let mut state = self.lock();
        if state.records.len() >= record.most_waiting() || state.closed {
            drop(state);
            self.count_dropped(1);
            return false;
        }
        if state.bytes + bytes > BYTES {
            record.lighten();
            bytes = 0;
            self.count_dropped(1);
        }
        state.records.push(record);
        state.bytes += bytes;
        state.taken += 1;
        // A writer that gathers wakes by itself: a wake-up costs more than the record.
        let wake = state.idle || state.records.len() == STARTS / 2;
        drop(state);
        if wake {
            self.comes.notify_one();
        }
        true
    }

    /// Records not kept so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn count_dropped(&self, n: u64) {
        self.dropped.fetch_add(n, Ordering::Relaxed);
    }

    /// Waits for records, gathers for a while, gives all. Nothing for `idle` long: an empty list. Closed and empty:
    /// nothing.
    pub(super) fn take(&self, gather: Duration, idle: Duration) -> Option<Vec<Record>> {
        let mut state = self.lock();
        if state.records.is_empty() && !state.closed {
            state.idle = true;
            let waits = |s: &mut State| s.records.is_empty() && !s.closed;
            state =
                self.comes.wait_timeout_while(state, idle, waits).unwrap_or_else(PoisonError::into_inner).0;
            state.idle = false;
        }
        if !state.records.is_empty() {
            let waits = |s: &mut State| !s.hurry && !s.closed && s.records.len() < STARTS / 2;
            state =
                self.comes.wait_timeout_while(state, gather, waits).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed && state.records.is_empty() {
            return None;
        }
        state.bytes = 0;
        state.hurry = false;
        Some(std::mem::take(&mut state.records))
    }

    /// The writer has dealt with this many more.
    pub(super) fn written(&self, n: usize) {
        self.lock().written += n as u64;
        self.done.notify_all();
    }

    /// Waits until all that was taken is written; whether it was in time.
    pub(super) fn flush(&self, most: Duration) -> bool {
        let mut state = self.lock();
        let (until, mark) = (Instant::now() + most, state.taken);
        while state.written < mark && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state.hurry = true;
            self.comes.notify_one();
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.written >= mark
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.comes.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Record {
        Record::Event { run: RunId::next(), name: "e".into(), data: text.into(), time: SystemTime::now() }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let queue = Queue::default();
        for _ in 0..STARTS / 2 + 3 {
            queue.push(event("x"));
        }
        assert_eq!(queue.dropped(), 3);
        let taken = queue.take(Duration::ZERO, Duration::ZERO).unwrap();
        assert_eq!(taken.len(), STARTS / 2);
        let big = "x".repeat(BYTES / 2 + 1);
        assert!(queue.push(event(&big)) && queue.push(event(&big)));
        let taken = queue.take(Duration::ZERO, Duration::ZERO).unwrap();
        assert_eq!((queue.dropped(), taken.len(), taken[1].bytes()), (4, 2, LEFT_OUT.len()));
        queue.close();
        assert!(!queue.push(event("late")));
        assert!(queue.take(Duration::ZERO, Duration::ZERO).is_none());
    }
}

//! How much one client, and all together, may ask: sizes, counts, times; and the queue before the engines.

use lyceum_core::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limits of a server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// How long the head or the body of a request may take to come.
    pub read_time: Duration,
    /// How long one answer may take.
    pub answer_time: Duration,
    /// Open connections.
    pub connections: usize,
    /// Generations, embeddings and predictions under way at once.
    pub running: usize,
    /// Requests that wait for their turn; one more is refused with 429.
    pub waiting: usize,
    /// Most answers to one request (`n`, `best_of`).
    pub answers: usize,
    /// Most stop strings of one request.
    pub stops: usize,
    /// Most inputs of one embedding or prediction request.
    pub inputs: usize,
    /// Batches of one tabular model that are predicted at once; requests that come meanwhile are taken together.
    pub lanes: usize,
    /// How long running answers may go on after the server was told to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 20 << 20,
            read_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(600),
            connections: 1024,
            running: 64,
            waiting: 256,
            answers: 16,
            stops: 16,
            inputs: 2048,
            lanes: std::thread::available_parallelism().map_or(1, usize::from),
            drain_time: Duration::from_secs(30),
        }
    }
}

/// The queue before the engines.
#[derive(Debug)]
pub(crate) struct Admission {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A place among the running; dropping it gives it back.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let running = Arc::new(Semaphore::new(limits.running.max(1)));
        Self { running, waiting: AtomicUsize::new(0), most_waiting: limits.waiting }
    }

    /// Requests that wait here.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place, at once or when one becomes free; refused when too many wait already.
    pub(crate) async fn enter(&self) -> Result<Permit> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Waiting::join(&self.waiting, self.most_waiting)?;
        let closed = |_| Error::new(ErrorKind::Unavailable, "the server is stopping");
        self.running.clone().acquire_owned().await.map_err(closed)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize, most: usize) -> Result<Self> {
        let place = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(Error::new(ErrorKind::Overloaded, format!("{most} requests are waiting already"))
                .with_code("queue_full"));
        }
        Ok(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_runs_one_waits_one_is_refused() {
        let limits = Limits { running: 1, waiting: 1, ..Limits::default() };
        let door = Arc::new(Admission::new(&limits));
        let first = door.enter().await.unwrap();
        let second = tokio::spawn({
            let door = door.clone();
            async move { door.enter().await.map(drop) }
        });
        while door.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(door.enter().await.unwrap_err().kind(), ErrorKind::Overloaded);
        assert_eq!(door.waiting(), 1, "the refused one does not count");
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!(door.waiting(), 0);
    }
}

//! What accompanies a call: cancellation, deadline, budget, settings, the position in the trace. Cheap to clone.

use crate::{Error, ErrorKind, Map, NoTracer, Result, RunId, Tracer, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What a call and all calls below it may use up together.
#[derive(Debug)]
pub struct Budget {
    tokens: AtomicI64,
}

impl Budget {
    /// A budget of model tokens.
    pub fn tokens(limit: i64) -> Self {
        Self { tokens: AtomicI64::new(limit) }
    }

    /// Takes tokens from the budget; fails when it is used up. Tokens already spent stay spent.
    pub fn spend(&self, tokens: i64) -> Result<()> {
        if self.tokens.fetch_sub(tokens, Ordering::Relaxed) < tokens {
            return Err(Error::new(ErrorKind::Exhausted, "the token budget of this run is used up"));
        }
        Ok(())
    }

    /// What is left; negative when the last call overspent.
    pub fn left(&self) -> i64 {
        self.tokens.load(Ordering::Relaxed)
    }
}

/// An id that is given out once.
#[derive(Debug)]
struct Reserved {
    id: RunId,
    taken: AtomicBool,
}

/// What accompanies a call.
#[derive(Clone)]
pub struct Context {
    cancel: CancellationToken,
    deadline: Option<Instant>,
    budget: Option<Arc<Budget>>,
    settings: Arc<Map>,
    tracer: Arc<dyn Tracer>,
    parent: Option<RunId>,
    reserved: Option<Arc<Reserved>>,
    concurrency: usize,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            cancel: CancellationToken::new(),
            deadline: None,
            budget: None,
            settings: Arc::default(),
            tracer: Arc::new(NoTracer),
            parent: None,
            reserved: None,
            concurrency: 8,
        }
    }
}

impl Context {
    /// No deadline, no budget, no tracer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A context that is cancelled with this one and can be cancelled alone.
    pub fn child(&self) -> Self {
        Self { cancel: self.cancel.child_token(), ..self.clone() }
    }

    /// With a deadline; an earlier one stays.
    pub fn with_deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(at, |d| d.min(at)));
        self
    }

    /// With a budget shared by everything below.
    pub fn with_budget(mut self, budget: Arc<Budget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// With configurable settings in place of the present ones.
    pub fn with_settings(mut self, settings: Map) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// With a tracer.
    pub fn with_tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Below a run of the trace.
    pub fn under(mut self, run: RunId) -> Self {
        self.parent = Some(run);
        self.reserved = None;
        self
    }

    /// The first run recorded with this context (or a clone of it) gets this id: for protocols that tell a run's id
    /// before the run begins.
    pub fn as_run(mut self, id: RunId) -> Self {
        self.reserved = Some(Arc::new(Reserved { id, taken: AtomicBool::new(false) }));
        self
    }

    /// The reserved id if nobody had it yet, else a fresh one.
    pub(crate) fn next_run(&self) -> RunId {
        let reserved = self.reserved.as_ref().filter(|r| !r.taken.swap(true, Ordering::Relaxed));
        reserved.map_or_else(RunId::next, |r| r.id)
    }

    /// With at most this many inner calls at once (at least one).
    pub fn with_concurrency(mut self, n: usize) -> Self {
        self.concurrency = n.max(1);
        self
    }

    /// How many inner calls may run at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// A configurable setting.
    pub fn setting(&self, key: &str) -> Option<&Value> {
        self.settings.get(key)
    }

    /// The budget, if there is one.
    pub fn budget(&self) -> Option<&Budget> {
        self.budget.as_deref()
    }

    /// Where runs are recorded.
    pub fn tracer(&self) -> &Arc<dyn Tracer> {
        &self.tracer
    }

    /// The run that this call is part of.
    pub fn parent(&self) -> Option<RunId> {
        self.parent
    }

    /// Something that happened within the run that this call is part of. `data` is called only if it is recorded.
    pub fn event(&self, name: &str, data: impl FnOnce() -> Value) {
        if let Some(run) = self.parent {
            self.tracer.event(run, name, data());
        }
    }

    /// Stops this call and everything below it.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Resolves when somebody cancels.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Fails when cancelled or past the deadline; for loops that do not await.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        match self.deadline {
            Some(d) if Instant::now() >= d => Err(Error::new(ErrorKind::Timeout, "the deadline has passed")),
            _ => Ok(()),
        }
    }

    /// Sleeps, unless cancelled or the deadline comes first.
    pub async fn sleep(&self, time: Duration) -> Result<()> {
        self.run(async {
            tokio::time::sleep(time).await;
            Ok(())
        })
        .await
    }

    /// Runs a future until it ends, somebody cancels, or the deadline passes.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        let late = async {
            match self.deadline {
                Some(d) => tokio::time::sleep_until(d.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::cancelled()),
            () = late => Err(Error::new(ErrorKind::Timeout, "the deadline has passed")),
            done = work => done,
        }
    }
}

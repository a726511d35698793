//! The superstep loop: plan, run together, apply together, keep; interrupts and resuming.

use super::build::Plan;
use super::node::{Command, Interrupt, Stop, Writer};
use super::session::{Ran, Session};
use super::task;
use super::threads::Entry;
use super::trace;
use lyceum_core::{Checkpointer, Context, Error, ErrorKind, Map, Result, RunKind, Threads, Value};
use std::sync::Arc;

/// Supersteps of one run where nothing is said.
pub const RECURSION_LIMIT: u64 = 10_007;

/// What a run begins with.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A new turn: keys of the state.
    Values(Value),
    /// On from where the thread stands.
    Continue,
    /// Answers to the questions that wait: one answer, or a map from question ids to answers.
    Resume(Value),
    /// Writes and where to go on.
    Command(Command),
}

/// What happens while a run goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The whole state, after the input and after each superstep.
    Values(Value),
    /// A task begins: its node and its id.
    Started(Arc<str>, Arc<str>),
    /// A task has ended: its node and what it wrote (null: nothing).
    Update(Arc<str>, Value),
    /// A task has failed: its node and why.
    Failed(Arc<str>, String),
    /// The run waits for these answers (for none: it stops where it was told to).
    Interrupt(Vec<Interrupt>),
    /// A node says something of its own.
    Custom(Arc<str>, Value),
}

/// Hears of events.
pub type Watch = Arc<dyn Fn(Event) + Send + Sync>;

/// How a graph is run.
#[derive(Clone)]
pub struct RunOptions {
    /// The thread; a run without one leaves nothing behind.
    pub thread: Option<Arc<str>>,
    /// The checkpoint to go on from; the newest where nothing is said.
    pub checkpoint: Option<String>,
    /// Most supersteps of this run.
    pub recursion_limit: u64,
    /// Nodes before which the run stops (`*`: all).
    pub interrupt_before: Vec<String>,
    /// Nodes after which it stops.
    pub interrupt_after: Vec<String>,
    /// When what is kept must be there.
    pub durability: Durability,
    /// Hears of events.
    pub watch: Option<Watch>,
    /// What is noted with the thread, beside what is noted already.
    pub metadata: Map,
}

/// When what is kept must be there, whatever happens to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// While the next superstep runs; all of it before the run ends or stops.
    #[default]
    Async,
    /// Before the next superstep begins.
    Sync,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            thread: None,
            checkpoint: None,
            recursion_limit: RECURSION_LIMIT,
            interrupt_before: Vec::new(),
            interrupt_after: Vec::new(),
            durability: Durability::Async,
            watch: None,
            metadata: Map::default(),
        }
    }
}

impl RunOptions {
    /// On a thread.
    pub fn thread(name: &str) -> Self {
        Self { thread: Some(name.into()), ..Self::default() }
    }
}

/// Where a run stands when it ends or stops.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The state, a map of its keys.
    pub values: Value,
    /// Questions that wait for an answer.
    pub interrupts: Vec<Interrupt>,
    /// Nodes that run next; none when the graph has ended.
    pub next: Vec<Arc<str>>,
}

/// A graph that can be run.
#[derive(Clone)]
pub struct Graph {
    pub(super) plan: Arc<Plan>,
    pub(super) checkpointer: Option<Arc<dyn Checkpointer>>,
}

impl Graph {
    /// Without checkpoints: nothing can be resumed.
    pub fn new(plan: Plan) -> Self {
        Self { plan: Arc::new(plan), checkpointer: None }
    }

    /// With a place for checkpoints.
    pub fn with_checkpointer(plan: Plan, checkpointer: Arc<dyn Checkpointer>) -> Self {
        Self { plan: Arc::new(plan), checkpointer: Some(checkpointer) }
    }

    /// Its layout.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The list of its threads, where it has one.
    pub fn threads(&self) -> Option<&dyn Threads> {
        self.checkpointer.as_deref().and_then(Checkpointer::threads)
    }

    /// Runs until nothing is left to run, or a person is asked, or it is told to stop.
    ///
    /// # Errors
    /// A node's failure (the other tasks of that superstep keep what they wrote; `Input::Continue` runs only the
    /// failed ones again), writes that a key does not take, the recursion limit, a wrong resumption, cancellation.
    pub async fn run(&self, input: Input, options: &RunOptions, cx: &Context) -> Result<Finished> {
        let span = cx.span(RunKind::Chain, &self.plan.name, || trace::begins(&input, options));
        let done = self.kept(input, options, span.cx()).await;
        trace::ended(span, &done);
        done
    }

    /// Runs with the thread held; what it left is there when it ends.
    async fn kept(&self, input: Input, options: &RunOptions, cx: &Context) -> Result<Finished> {
        let entry = Entry::open(self, options).await?;
        let done = self.steps(input, options, cx).await;
        if let Some(entry) = entry {
            entry.close(&done).await?;
        }
        let kept = match &self.checkpointer {
            Some(checkpointer) => checkpointer.flush().await,
            None => Ok(()),
        };
        done.and_then(|done| kept.map(|()| done))
    }

    async fn steps(&self, input: Input, options: &RunOptions, cx: &Context) -> Result<Finished> {
        let mut session = Session::open(self, options).await?;
        session.take(input).await?;
        let last = session.first_step() + i64::try_from(options.recursion_limit).unwrap_or(i64::MAX - 4) + 1;
        loop {
            cx.check()?;
            if session.step() > last {
                return Err(recursion(options.recursion_limit));
            }
            let tasks = session.tasks();
            if tasks.is_empty() {
                return Ok(session.finished(Vec::new()));
            }
            if session.stops(&options.interrupt_before, &tasks) {
                session.tell(|| Event::Interrupt(Vec::new()));
                return Ok(session.finished(Vec::new()));
            }
            match session.execute(tasks, cx).await? {
                Ran::Waits { interrupts, values } => {
                    session.tell(|| Event::Interrupt(interrupts.clone()));
                    return Ok(Finished { values, ..session.finished(interrupts) });
                }
                Ran::Done(done) => {
                    let ran: Vec<_> = done.iter().map(|(t, _)| t.clone()).collect();
                    session.apply(done).await?;
                    if session.stops(&options.interrupt_after, &ran) {
                        session.tell(|| Event::Interrupt(Vec::new()));
                        return Ok(session.finished(Vec::new()));
                    }
                }
            }
        }
    }
}

fn recursion(limit: u64) -> Error {
    let message = format!(
        "Recursion limit of {limit} reached without hitting a stop condition. You can increase the limit by setting the `recursion_limit` config key."
    );
    Error::new(ErrorKind::Exhausted, message).with_code("GRAPH_RECURSION_LIMIT")
}

/// What a node says, as events of its name.
pub(super) fn writer(watch: &Option<Watch>, node: &Arc<str>) -> Option<Writer> {
    let (watch, node) = (watch.clone()?, node.clone());
    Some(Arc::new(move |value| watch(Event::Custom(node.clone(), value))))
}

/// The answers to the tasks that wait, by task: one answer where one question waits, else a map from ids.
pub(super) fn matched(waiting: &[(Arc<str>, Vec<Value>)], given: &Value) -> Result<Vec<(Arc<str>, Value)>> {
    let id = |question: &Value| question.get("id").and_then(Value::as_str).unwrap_or_default().to_string();
    let is_id = |key: &str| key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit());
    let by_id = given.as_map().filter(|m| !m.is_empty() && m.keys().all(|k| is_id(k)));
    let questions = waiting.iter().flat_map(|(t, qs)| qs.iter().map(move |q| (t, id(q))));
    if let Some(answers) = by_id {
        return Ok(questions
            .filter_map(|(t, id)| Some((t.clone(), answers.get(id.as_str())?.clone())))
            .collect());
    }
    let questions: Vec<_> = questions.collect();
    match &questions[..] {
        [] => Ok(Vec::new()),
        [(task, _)] => Ok(vec![((*task).clone(), given.clone())]),
        _ => Err(Error::invalid(
            "When there are multiple pending interrupts, you must specify the interrupt id when resuming.",
        )
        .hint(format!(
            "waiting: {}",
            questions.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// An answer that failed, in words that wait in the checkpoint.
pub(super) fn failed(stop: &Stop) -> Option<Value> {
    match stop {
        Stop::Failed(e) => {
            Some(task::map([("kind", e.kind().code().into()), ("message", e.message().into())]))
        }
        Stop::Interrupt(_) => None,
    }
}

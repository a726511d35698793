//! Beginning a run: which graph, on which thread, after whom.

use super::Agent;
use super::log::{RunLog, RunStatus};
use super::objects::assistant_id;
use super::request::{Multitask, RunCreate};
use crate::state::{App, Shared};
use lyceum_compose::graph::{Finished, Graph, Input, RunOptions};
use lyceum_core::{Context, Error, ErrorKind, Result, RunId, ThreadInfo, Threads, Value, find_thread};
use std::sync::Arc;
use std::time::Instant;

/// The agent that an assistant's id or a graph's name means.
pub(super) fn agent(app: &App, id: &str) -> Result<(String, Agent)> {
    let models = app.models();
    let found = models.agents().iter().find(|(name, _)| *name == id || assistant_id(name) == id);
    found.map(|(name, agent)| (name.clone(), agent.clone())).ok_or_else(|| {
        let names: Vec<&str> = models.agents().keys().map(String::as_str).collect();
        Error::not_found(format!("no graph or assistant `{id}`; served are: {}", names.join(", ")))
            .at_key("assistant_id")
            .did_you_mean(id, names.iter().copied())
    })
}

/// A graph whose checkpoints hold the threads: all graphs share one place.
pub(super) fn any(app: &App) -> Result<Graph> {
    let models = app.models();
    let mut graphs = models.agents().values().map(|a| a.graph.clone());
    graphs.find(|g| g.threads().is_some()).ok_or_else(|| Error::not_found("no graph with threads is served"))
}

/// The graph of a thread, and what is known of it.
pub(super) async fn of_thread(app: &App, thread: &str) -> Result<(Graph, ThreadInfo)> {
    let graph = any(app)?;
    let info = known(list(&graph)?, thread).await?;
    let models = app.models();
    let own = models.agents().get(&*info.graph).map(|a| a.graph.clone());
    Ok((own.unwrap_or(graph), info))
}

pub(super) fn list(graph: &Graph) -> Result<&dyn Threads> {
    graph.threads().ok_or_else(|| Error::not_found("no graph with threads is served"))
}

async fn known(threads: &dyn Threads, thread: &str) -> Result<ThreadInfo> {
    let found = find_thread(threads, thread).await?;
    found.ok_or_else(|| Error::not_found(format!("Thread with ID {thread} not found")))
}

/// A name that a thread may have: it becomes part of addresses.
pub(super) fn check_name(thread: &str) -> Result<()> {
    let fine = |c: char| c.is_alphanumeric() || "-_.:@+".contains(c);
    if thread.is_empty() || thread.len() > 128 || !thread.chars().all(fine) {
        return Err(
            Error::invalid("a thread's name has 1 to 128 letters, digits or -_.:@+").at_key("thread_id")
        );
    }
    Ok(())
}

/// Begins a run on a thread, or on none. It goes on whether or not anybody listens.
pub(super) async fn begin(app: &Shared, thread: Option<&str>, body: RunCreate) -> Result<Arc<RunLog>> {
    let (name, agent) = agent(app, &body.assistant_id)?;
    let multitask = body.multitask()?;
    let create = body.if_not_exists.as_deref() == Some("create");
    let (input, options) = body.input(thread)?;
    let graph = match thread {
        None => Graph::new(agent.graph.plan().clone()),
        Some(thread) => {
            check_name(thread)?;
            on_thread(app, &agent.graph, thread, &name, create, multitask).await?;
            if matches!(input, Input::Resume(_)) {
                something_waits(&agent.graph, thread).await?;
            }
            agent.graph
        }
    };
    let most = app.limits.running + app.limits.waiting;
    if app.runs.going_on() >= most {
        let text = format!("{most} runs go on or wait already");
        return Err(Error::new(ErrorKind::Overloaded, text).with_code("queue_full"));
    }
    // The run is recorded under the id that is told.
    let id = RunId::next();
    let cx = app.context().as_run(id);
    let run = Arc::new(RunLog::new(id.to_string(), options.thread.clone(), name, cx));
    app.runs.add(run.clone());
    let (app, log) = (app.clone(), run.clone());
    tokio::spawn(async move {
        // First the thread's turn, then a place among the running: who waits for a thread holds up nobody else.
        let turn = options.thread.as_ref().map(|t| app.runs.queue(t));
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        match log.cx.run(app.admission.enter()).await {
            Ok(_place) => {
                let cx = log.cx.clone().with_deadline(Instant::now() + app.limits.answer_time);
                go(&graph, input, options, &log, &cx).await;
            }
            Err(e) => ended(&log, Err(e)),
        }
    });
    Ok(run)
}

async fn on_thread(
    app: &App,
    graph: &Graph,
    thread: &str,
    name: &str,
    create: bool,
    multitask: Multitask,
) -> Result<()> {
    let threads = list(graph)?;
    if find_thread(threads, thread).await?.is_none() {
        if !create {
            return Err(Error::not_found("Thread or assistant not found.")
                .hint("make it with POST /threads, or say if_not_exists: create"));
        }
        threads.put_thread(&ThreadInfo::new(thread, name)).await?;
    }
    let running: Vec<_> = app.runs.of(thread).into_iter().filter(|r| !r.status().is_over()).collect();
    match multitask {
        Multitask::Reject if !running.is_empty() => Err(Error::new(
            ErrorKind::Conflict,
            "Thread is already running a task. Wait for it to finish or choose a different multitask strategy.",
        )),
        Multitask::Interrupt => {
            running.iter().for_each(|r| r.cx.cancel());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An answer needs a question.
async fn something_waits(graph: &Graph, thread: &str) -> Result<()> {
    let waits = graph.state(thread, None).await?.is_some_and(|s| !s.interrupts().is_empty());
    if waits {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("no question waits on thread `{thread}`"))
        .at_key("command.resume"))
}

async fn go(graph: &Graph, input: Input, mut options: RunOptions, log: &Arc<RunLog>, cx: &Context) {
    let hears = log.clone();
    options.watch = Some(Arc::new(move |event| hears.hear(event)));
    log.begins();
    let done = graph.run(input, &options, cx).await;
    ended(log, done.map(values));
}

fn ended(log: &RunLog, end: Result<Value>) {
    let status = match &end {
        Ok(_) => RunStatus::Success,
        Err(e) if e.kind() == ErrorKind::Cancelled => RunStatus::Interrupted,
        Err(_) => RunStatus::Error,
    };
    log.ends(status, end);
}

/// The state, with the questions that wait in it.
fn values(done: Finished) -> Value {
    if done.interrupts.is_empty() {
        return done.values;
    }
    let mut map = done.values.as_map().cloned().unwrap_or_default();
    map.insert("__interrupt__".into(), Value::from_json(super::objects::interrupts(&done.interrupts)));
    map.into()
}

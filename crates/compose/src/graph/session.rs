//! One run on one thread: what was kept is taken up, what is written is kept.

use super::build::START;
use super::node::{Interrupt, Outcome, Stop};
use super::run::{Durability, Event, Finished, Graph, Input, RunOptions, failed, matched, writer};
use super::stamp;
use super::state::{State, Task, Writes};
use super::task;
use super::trace;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lyceum_core::{
    Checkpoint, CheckpointSource, Checkpointer, Context, Error, Result, RunKind, TaskWrites, ThreadKey, Value,
};
use std::sync::Arc;

/// Where the thread is kept, if it is.
struct Place<'g> {
    checkpointer: &'g dyn Checkpointer,
    key: ThreadKey,
}

/// One run.
pub(super) struct Session<'g> {
    graph: &'g Graph,
    options: &'g RunOptions,
    place: Option<Place<'g>>,
    state: State,
    /// Number of the superstep that comes.
    step: i64,
    first: i64,
    checkpoint: Option<Arc<str>>,
    /// What tasks of the superstep that comes have left already.
    waiting: Vec<TaskWrites>,
    /// An input that was kept and not yet written: the process ended in between.
    begun: Option<Value>,
    /// The newest version when the run last stopped on purpose: it does not stop there again.
    stopped_at: u64,
}

/// What a superstep came to.
pub(super) enum Ran {
    /// All tasks have answered.
    Done(Vec<(Task, Writes)>),
    /// Some wait for a person; the others' writes are kept and show in the values.
    Waits { interrupts: Vec<Interrupt>, values: Value },
}

impl<'g> Session<'g> {
    /// Takes up the thread where it stands.
    pub(super) async fn open(graph: &'g Graph, options: &'g RunOptions) -> Result<Self> {
        let place = match (&graph.checkpointer, &options.thread) {
            (Some(c), Some(thread)) => Some(Place {
                checkpointer: &**c,
                key: ThreadKey { thread: thread.clone(), namespace: "".into() },
            }),
            (Some(_), None) => {
                return Err(Error::invalid("a graph with checkpoints is run on a thread, and none is named")
                    .at_key("thread_id"));
            }
            (None, _) => None,
        };
        let state = State::new(graph.plan.clone());
        let mut session = Self {
            graph,
            options,
            place,
            state,
            step: -1,
            first: -1,
            checkpoint: None,
            waiting: Vec::new(),
            begun: None,
            stopped_at: 0,
        };
        if let Some(place) = &session.place {
            let kept = place.checkpointer.get(&place.key, options.checkpoint.as_deref()).await?;
            match (kept, &options.checkpoint) {
                (Some((checkpoint, waiting)), _) => {
                    session.state.restore(&checkpoint);
                    (session.step, session.first) = (checkpoint.step + 1, checkpoint.step + 1);
                    session.begun = checkpoint.values.get(START).cloned();
                    session.checkpoint = Some(checkpoint.id);
                    session.waiting = waiting;
                }
                (None, Some(id)) => return Err(Error::not_found(format!("thread has no checkpoint `{id}`"))),
                (None, None) => {}
            }
        }
        Ok(session)
    }

    /// Takes the input in.
    pub(super) async fn take(&mut self, input: Input) -> Result<()> {
        // Going on from a named checkpoint runs its tasks again; an answer is for the question that waits there.
        if self.options.checkpoint.is_some() && !matches!(input, Input::Resume(_)) {
            self.waiting.clear();
        }
        // What only begins has not stopped anywhere yet.
        let begins = !matches!(input, Input::Values(_)) && self.take_begun().await?;
        match input {
            Input::Values(values) => self.turn(values).await?,
            Input::Resume(_) if self.checkpoint.is_none() => self.turn(Value::Null).await?,
            Input::Continue if self.checkpoint.is_none() => {
                return Err(Error::invalid("Received no input for __start__"));
            }
            Input::Continue if begins => {}
            Input::Continue => self.stopped_at = self.state.newest,
            Input::Resume(answers) => {
                self.stopped_at = self.state.newest;
                self.answer(&answers).await?;
            }
            Input::Command(command) => {
                let writes = self.state.writes_of_command(command)?;
                self.write_from_outside(writes)?;
                self.keep(CheckpointSource::Update).await?;
            }
        }
        self.tell(|| Event::Values(self.state.values()));
        Ok(())
    }

    /// Writes an input that was kept and not yet written. Whether there was one.
    pub(super) async fn take_begun(&mut self) -> Result<bool> {
        let Some(begun) = self.begun.take() else { return Ok(false) };
        self.begin(begun).await.map(|()| true)
    }

    /// A new turn: what was to come is dropped, the input's keys are written.
    async fn turn(&mut self, values: Value) -> Result<()> {
        if self.checkpoint.is_some() {
            self.state.drop_tasks()?;
            self.state.sends.clear();
        }
        self.waiting.clear();
        self.keep_with(CheckpointSource::Input, Some(&values)).await?;
        self.begin(values).await
    }

    /// Writes the keys of an input that is kept, and what the graph's beginning leads to.
    async fn begin(&mut self, values: Value) -> Result<()> {
        let writes = self.state.writes_of_input(values)?;
        self.write_from_outside(writes)?;
        self.keep(CheckpointSource::Loop).await
    }

    /// Writes what a node might have answered, and goes where it leads.
    pub(super) fn write_as(&mut self, node: usize, outcome: Outcome) -> Result<()> {
        let writes = self.state.writes_of(node, outcome)?;
        self.write_from_outside(writes)
    }

    /// Drops the tasks that were to come; those that have ended keep what they wrote.
    pub(super) fn drop_tasks(&mut self) -> Result<()> {
        let ended = |t: &Task| {
            let id = self.task_id(t);
            self.waiting.iter().find(|w| w.task == id).and_then(|w| task::decode(&self.state, w))
        };
        let tasks = self.state.tasks();
        let done =
            tasks.into_iter().map(|t| (ended(&t).unwrap_or_default(), t)).map(|(w, t)| (t, w)).collect();
        self.state.apply(done)?;
        self.state.drop_tasks()
    }

    /// Keeps the state again, as a copy that follows its checkpoint.
    pub(super) async fn keep_copy(&mut self) -> Result<()> {
        self.keep(CheckpointSource::Fork).await
    }

    /// The node that ran last, where one did.
    pub(super) fn ran_last(&self) -> Option<usize> {
        self.state.ran_last()
    }

    /// The checkpoint that was kept last.
    pub(super) fn checkpoint(&self) -> Option<Arc<str>> {
        self.checkpoint.clone()
    }

    fn write_from_outside(&mut self, writes: Writes) -> Result<()> {
        let outside = Task { path: super::state::Path::Push(0), node: usize::MAX, input: Some(Value::Null) };
        self.state.apply(vec![(outside, writes)])
    }

    /// Gives the answers to the tasks that wait for them.
    async fn answer(&mut self, given: &Value) -> Result<()> {
        let asks = |w: &TaskWrites| (w.task.clone(), task::list(w, task::INTERRUPT).to_vec());
        let waiting: Vec<_> = self.waiting.iter().map(asks).filter(|(_, q)| !q.is_empty()).collect();
        for (id, answer) in matched(&waiting, given)? {
            let Some(of) = self.waiting.iter_mut().find(|w| w.task == id) else { continue };
            let mut all = task::list(of, task::RESUME).to_vec();
            all.push(answer);
            of.writes.retain(|(n, _)| &**n != task::RESUME && &**n != task::INTERRUPT);
            of.writes.push((task::RESUME.into(), all.clone().into()));
            let kept = TaskWrites {
                task: id,
                writes: vec![(task::RESUME.into(), all.into()), (task::INTERRUPT.into(), Value::Null)],
            };
            self.put_writes(&kept).await?;
        }
        Ok(())
    }

    /// The step with which this run began.
    pub(super) fn first_step(&self) -> i64 {
        self.first
    }

    /// The step that comes.
    pub(super) fn step(&self) -> i64 {
        self.step
    }

    /// The tasks that come.
    pub(super) fn tasks(&self) -> Vec<Task> {
        self.state.tasks()
    }

    /// Whether the run stops at these tasks.
    pub(super) fn stops(&self, at: &[String], tasks: &[Task]) -> bool {
        let named = |t: &Task| {
            let name = self.graph.plan.nodes.get(t.node).map(|n| &*n.name);
            at.iter().any(|a| a == "*" || Some(a.as_str()) == name)
        };
        !at.is_empty() && self.state.newest > self.stopped_at && tasks.iter().any(named)
    }

    /// Tells whoever watches; the event is made for nobody else.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(watch) = &self.options.watch {
            watch(event());
        }
    }

    /// Runs tasks together. Those that ended before (in a run that failed or stopped) are not run again.
    pub(super) async fn execute(&mut self, tasks: Vec<Task>, cx: &Context) -> Result<Ran> {
        let mut done = Vec::with_capacity(tasks.len());
        let mut left = Vec::new();
        for task in tasks {
            let id = self.task_id(&task);
            let kept = self.waiting.iter().find(|w| w.task == id);
            match kept.and_then(|w| task::decode(&self.state, w)) {
                Some(writes) => done.push((task, writes)),
                None => {
                    let known = kept.map(|w| task::list(w, task::RESUME).to_vec()).unwrap_or_default();
                    left.push((task, id, known));
                }
            }
        }
        let mut interrupts = Vec::new();
        let (graph, watch, step) = (self.graph, &self.options.watch, self.step);
        let start = |(task, id, known): (Task, Arc<str>, Vec<Value>), input: Value| async move {
            let answer = match graph.plan.nodes.get(task.node) {
                Some(node) => {
                    if let Some(watch) = watch {
                        watch(Event::Started(node.name.clone(), id.clone()));
                    }
                    let span =
                        cx.span(RunKind::Chain, &node.name, || (input.clone(), trace::of_task(step, &id)));
                    let writer = writer(watch, &node.name);
                    let answer = task::run(node, input, (id.clone(), known), writer, span.cx()).await;
                    trace::answered(span, &answer);
                    answer
                }
                None => Ok(Outcome::Update(Value::Null)),
            };
            (answer, task, id)
        };
        let mut running = FuturesUnordered::new();
        let alone = left.len() == 1;
        for one in left {
            let input = task::input(&self.state, &one.0);
            let task = start(one, input);
            if alone {
                let (answer, task, id) = task.await;
                self.settle(answer, task, &id, true).await?.sort_into(&mut done, &mut interrupts);
            } else {
                running.push(task);
            }
        }
        // One that fails does not stop the others: what they do is not done again.
        let mut failed = None;
        while let Some((answer, task, id)) = running.next().await {
            match self.settle(answer, task, &id, false).await {
                Ok(settled) => settled.sort_into(&mut done, &mut interrupts),
                Err(e) => drop(failed.get_or_insert(e)),
            }
        }
        drop(running);
        if let Some(e) = failed {
            return Err(e);
        }
        if interrupts.is_empty() {
            self.waiting.clear();
            return Ok(Ran::Done(done));
        }
        let mut shown = self.state.clone();
        shown.apply(done)?;
        Ok(Ran::Waits { interrupts, values: shown.values() })
    }

    /// What a task's answer comes to; kept at once.
    async fn settle(
        &self,
        answer: Result<Outcome, Stop>,
        task: Task,
        id: &Arc<str>,
        alone: bool,
    ) -> Result<Settled> {
        let node = self.graph.plan.nodes.get(task.node).map(|n| n.name.clone()).unwrap_or_default();
        let answer = answer.and_then(|outcome| {
            let update = if self.options.watch.is_some() { update_of(&outcome) } else { Value::Null };
            Ok((self.state.writes_of(task.node, outcome)?, update))
        });
        match answer {
            Ok((writes, update)) => {
                // What a lone task wrote is in the checkpoint that comes at once.
                if self.place.is_some() && !alone {
                    let writes = task::encode(&self.state, &writes);
                    self.put_writes(&TaskWrites { task: id.clone(), writes }).await?;
                }
                self.tell(|| Event::Update(node, update));
                Ok(Settled::Wrote(task, writes))
            }
            Err(Stop::Interrupt(interrupt)) => {
                let asked = Value::from(vec![task::shown(&interrupt)]);
                self.put_writes(&task::waits(id, task::INTERRUPT, asked)).await?;
                Ok(Settled::Asks(interrupt))
            }
            Err(stop) => {
                if let Some(why) = failed(&stop) {
                    self.put_writes(&task::waits(id, task::ERROR, why)).await?;
                }
                match stop {
                    Stop::Failed(e) => {
                        self.tell(|| Event::Failed(node, e.to_string()));
                        Err(e)
                    }
                    Stop::Interrupt(_) => Err(Error::internal("an interrupt is no failure")),
                }
            }
        }
    }

    fn task_id(&self, task: &Task) -> Arc<str> {
        let node = self.graph.plan.nodes.get(task.node).map_or("", |n| &*n.name);
        let checkpoint = self.checkpoint.as_deref().unwrap_or_default();
        let namespace = self.place.as_ref().map_or("", |p| &*p.key.namespace);
        task::id(checkpoint, namespace, self.step, node, &task.path)
    }

    /// Ends a superstep.
    pub(super) async fn apply(&mut self, done: Vec<(Task, Writes)>) -> Result<()> {
        self.state.apply(done)?;
        self.keep(CheckpointSource::Loop).await?;
        self.tell(|| Event::Values(self.state.values()));
        Ok(())
    }

    /// Keeps the state as it is; the next step has the next number.
    pub(super) async fn keep(&mut self, source: CheckpointSource) -> Result<()> {
        self.keep_with(source, None).await
    }

    /// As [`Session::keep`], with an input that is to be written next: whoever takes the thread up writes it.
    async fn keep_with(&mut self, source: CheckpointSource, input: Option<&Value>) -> Result<()> {
        if let Some(place) = &self.place {
            let mut checkpoint = Checkpoint {
                id: stamp::next(),
                parent: self.checkpoint.take(),
                step: self.step,
                source,
                values: Default::default(),
                versions: Vec::new(),
                seen: Vec::new(),
                sends: Vec::new(),
                created: std::time::SystemTime::now(),
            };
            self.state.save_into(&mut checkpoint);
            if let Some(input) = input {
                checkpoint.values.insert(START.into(), input.clone());
            }
            place.checkpointer.put(&place.key, &checkpoint).await?;
            if self.options.durability == Durability::Sync {
                place.checkpointer.flush().await?;
            }
            self.checkpoint = Some(checkpoint.id);
        }
        self.step += 1;
        Ok(())
    }

    async fn put_writes(&self, writes: &TaskWrites) -> Result<()> {
        match (&self.place, &self.checkpoint) {
            (Some(place), Some(id)) => {
                place.checkpointer.put_writes(&place.key, id, writes).await?;
                match self.options.durability {
                    Durability::Sync => place.checkpointer.flush().await,
                    Durability::Async => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Where the run stands.
    pub(super) fn finished(&self, interrupts: Vec<Interrupt>) -> Finished {
        let name = |t: Task| self.graph.plan.nodes.get(t.node).map(|n| n.name.clone());
        let next = self.state.tasks().into_iter().filter_map(name).collect();
        Finished { values: self.state.values(), interrupts, next }
    }
}

enum Settled {
    Wrote(Task, Writes),
    Asks(Interrupt),
}

impl Settled {
    fn sort_into(self, done: &mut Vec<(Task, Writes)>, interrupts: &mut Vec<Interrupt>) {
        match self {
            Self::Wrote(task, writes) => done.push((task, writes)),
            Self::Asks(interrupt) => interrupts.push(interrupt),
        }
    }
}

/// What an answer updates, for whoever watches.
pub(super) fn update_of(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Update(v) => v.clone(),
        Outcome::Command(c) => c.update.clone(),
        Outcome::Many(all) => all.iter().map(update_of).collect(),
    }
}

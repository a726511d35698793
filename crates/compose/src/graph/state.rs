//! The state of a running graph: what its channels hold, which version each has, what each node has seen. Plans the
//! tasks of a superstep and applies their writes; runs nothing and keeps nothing.
#![allow(clippy::indexing_slicing, reason = "places come from the plan, whose tables have one entry each")]

use super::build::{Arrival, Exits, Plan, Router};
use super::channel::{Channel, Write};
use super::node::{Command, Outcome, Send, Target};
use lyceum_core::{Checkpoint, Error, Map, Result, Value};
use std::sync::Arc;

/// What a task was planned by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Path {
    /// A trigger fired; by name.
    Pull(Arc<str>),
    /// It was sent; by its place among what was sent.
    Push(usize),
}

/// A task of the next superstep.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) path: Path,
    pub(super) node: usize,
    /// Its own input; the state where there is none.
    pub(super) input: Option<Value>,
}

/// What a task has written.
#[derive(Debug, Clone, Default)]
pub(super) struct Writes {
    pub(super) channels: Vec<(usize, Write)>,
    pub(super) sends: Vec<Send>,
}

/// The state of a run.
#[derive(Clone)]
pub(super) struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) channels: Vec<Channel>,
    pub(super) versions: Vec<u64>,
    /// For each node, for each of its triggers.
    pub(super) seen: Vec<Vec<u64>>,
    pub(super) sends: Vec<Send>,
    /// The highest version there is.
    pub(super) newest: u64,
}

impl State {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self {
            channels: plan.empty_channels(),
            versions: vec![0; plan.channels.len()],
            seen: plan.nodes.iter().map(|n| vec![0; n.triggers.len()]).collect(),
            sends: Vec::new(),
            newest: 0,
            plan,
        }
    }

    /// What the state keys hold.
    pub(super) fn values(&self) -> Value {
        self.values_of(&self.channels)
    }

    fn values_of(&self, channels: &[Channel]) -> Value {
        let keys = self.plan.channels.iter().zip(channels).take(self.plan.keys);
        let held = keys.filter_map(|(key, channel)| Some((key.clone(), channel.get()?)));
        held.collect::<Map>().into()
    }

    /// The tasks of the next superstep: what was sent first, then nodes whose triggers fired, by name.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (i, send) in self.sends.iter().enumerate() {
            if let Some(node) = self.plan.by_name.get(&send.node) {
                tasks.push(Task { path: Path::Push(i), node: *node, input: Some(send.input.clone()) });
            }
        }
        for node in &self.plan.sorted {
            let placed = &self.plan.nodes[*node];
            let mut triggers = placed.triggers.iter().zip(&self.seen[*node]);
            if triggers.any(|(t, seen)| self.versions[*t] > *seen && self.channels[*t].get().is_some()) {
                tasks.push(Task { path: Path::Pull(placed.name.clone()), node: *node, input: None });
            }
        }
        tasks
    }

    /// What a node's answer writes: its update, where it goes, and what its edges and routers say.
    pub(super) fn writes_of(&self, node: usize, outcome: Outcome) -> Result<Writes> {
        let mut writes = Writes::default();
        self.put(outcome, &mut writes)?;
        let placed = &self.plan.nodes[node];
        self.leave(&placed.edges, &placed.routers, &mut writes)?;
        Ok(writes)
    }

    /// What an input writes: its keys, and what the graph's beginning leads to.
    pub(super) fn writes_of_input(&self, input: Value) -> Result<Writes> {
        let mut writes = Writes::default();
        self.put(Outcome::Update(input), &mut writes)?;
        let Exits { edges, routers } = &self.plan.start;
        self.leave(edges, routers, &mut writes)?;
        Ok(writes)
    }

    /// What a command from outside writes.
    pub(super) fn writes_of_command(&self, command: Command) -> Result<Writes> {
        let mut writes = Writes::default();
        self.put(Outcome::Command(command), &mut writes)?;
        Ok(writes)
    }

    fn put(&self, outcome: Outcome, writes: &mut Writes) -> Result<()> {
        match outcome {
            Outcome::Update(Value::Null) => Ok(()),
            Outcome::Update(Value::Map(map)) => {
                for (key, value) in map.iter() {
                    if let Some(place) = self.plan.places.get(key).filter(|p| **p < self.plan.keys) {
                        writes.channels.push((*place, as_write(value)));
                    }
                }
                Ok(())
            }
            Outcome::Update(other) => {
                let shown = other.to_json().to_string();
                let shown: String = shown.chars().take(80).collect();
                Err(Error::invalid(format!("Expected dict, got {shown}"))
                    .with_code("INVALID_GRAPH_NODE_RETURN_VALUE")
                    .hint("a node answers with a map of keys to write, or with nothing"))
            }
            Outcome::Command(command) => {
                self.put(Outcome::Update(command.update), writes)?;
                command.goto.into_iter().for_each(|t| self.go(t, writes));
                Ok(())
            }
            Outcome::Many(all) => all.into_iter().try_for_each(|o| self.put(o, writes)),
        }
    }

    fn go(&self, target: Target, writes: &mut Writes) {
        match target {
            Target::End => {}
            Target::Node(name) => {
                if let Some(node) = self.plan.by_name.get(&name) {
                    writes.channels.push((self.plan.nodes[*node].goto, Write::Put(Value::Null)));
                }
            }
            Target::Send(send) => writes.sends.push(send),
        }
    }

    fn leave(&self, edges: &[(usize, Arrival)], routers: &[Router], writes: &mut Writes) -> Result<()> {
        if !routers.is_empty() {
            let seen = self.with_own(&writes.channels)?;
            for router in routers {
                router(&seen)?.into_iter().for_each(|t| self.go(t, writes));
            }
        }
        writes.channels.extend(edges.iter().map(|(trigger, how)| match how {
            Arrival::Fires => (*trigger, Write::Put(Value::Null)),
            Arrival::Arrives(who) => (*trigger, Write::Arrive(*who)),
        }));
        Ok(())
    }

    /// The state with one task's writes applied: what its routers see.
    fn with_own(&self, own: &[(usize, Write)]) -> Result<Value> {
        let mut channels = self.channels[..self.plan.keys].to_vec();
        for (place, channel) in channels.iter_mut().enumerate() {
            let writes: Vec<Write> =
                own.iter().filter(|(p, _)| *p == place).map(|(_, w)| w.clone()).collect();
            if !writes.is_empty() {
                channel.update(&self.plan.channels[place], writes)?;
            }
        }
        Ok(self.values_of(&channels))
    }

    /// Ends a superstep: marks what its tasks have seen and applies their writes, in the order of their paths.
    ///
    /// # Errors
    /// Writes that a key does not take; the state is then of no use.
    pub(super) fn apply(&mut self, mut done: Vec<(Task, Writes)>) -> Result<()> {
        done.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let next = self.newest + 1;
        let pulled = done.iter().filter(|(t, _)| matches!(t.path, Path::Pull(_)));
        for node in pulled.map(|(t, _)| t.node).collect::<Vec<_>>() {
            for (i, trigger) in self.plan.nodes[node].triggers.iter().enumerate() {
                self.seen[node][i] = self.versions[*trigger];
            }
            for trigger in &self.plan.nodes[node].triggers {
                if self.channels[*trigger].consume() {
                    self.versions[*trigger] = next;
                }
            }
        }
        let any = !done.is_empty();
        let mut writes: Vec<Vec<Write>> = vec![Vec::new(); self.channels.len()];
        self.sends.clear();
        for (_, task) in done {
            task.channels.into_iter().for_each(|(place, write)| writes[place].push(write));
            self.sends.extend(task.sends);
        }
        for (place, writes) in writes.into_iter().enumerate() {
            let concerned = any || !writes.is_empty();
            if concerned && self.channels[place].update(&self.plan.channels[place], writes)? {
                self.versions[place] = next;
            }
        }
        self.newest = next;
        if self.tasks().is_empty() {
            self.finish();
        }
        Ok(())
    }

    /// Nothing else can run: deferred nodes may.
    fn finish(&mut self) {
        let next = self.newest + 1;
        for (place, channel) in self.channels.iter_mut().enumerate() {
            if channel.finish() {
                self.versions[place] = next;
                self.newest = next;
            }
        }
    }

    /// The node that ran last: nothing where none has, or several did together.
    pub(super) fn ran_last(&self) -> Option<usize> {
        let newest = |seen: &Vec<u64>| seen.iter().copied().max().unwrap_or(0);
        let last = self.seen.iter().map(newest).max().filter(|v| *v > 0)?;
        let mut ran = self.seen.iter().enumerate().filter(|(_, seen)| newest(seen) == last);
        ran.next().map(|(node, _)| node).filter(|_| ran.next().is_none())
    }

    /// Drops the tasks that were to come.
    pub(super) fn drop_tasks(&mut self) -> Result<()> {
        let tasks = self.tasks();
        self.apply(tasks.into_iter().map(|t| (t, Writes::default())).collect())
    }

    /// Takes a checkpoint's values over.
    pub(super) fn restore(&mut self, from: &Checkpoint) {
        for (name, value) in &from.values {
            if let Some(place) = self.plan.places.get(name) {
                self.channels[*place].restore(value.clone());
            }
        }
        for (name, version) in &from.versions {
            if let Some(place) = self.plan.places.get(name) {
                self.versions[*place] = *version;
                self.newest = self.newest.max(*version);
            }
        }
        for (node, seen) in &from.seen {
            let Some(node) = self.plan.by_name.get(node) else { continue };
            for (i, trigger) in self.plan.nodes[*node].triggers.iter().enumerate() {
                let name = &self.plan.channels[*trigger];
                self.seen[*node][i] = seen.iter().find(|(n, _)| n == name).map_or(0, |(_, v)| *v);
            }
        }
        self.sends = from
            .sends
            .iter()
            .map(|(node, input)| Send { node: node.clone(), input: input.clone() })
            .collect();
    }

    /// What a checkpoint keeps.
    pub(super) fn save_into(&self, to: &mut Checkpoint) {
        let names = || self.plan.channels.iter();
        to.values = names()
            .zip(&self.channels)
            .filter(|(_, c)| c.is_tracked())
            .filter_map(|(n, c)| Some((n.clone(), c.save()?)))
            .collect();
        to.versions =
            names().zip(&self.versions).filter(|(_, v)| **v > 0).map(|(n, v)| (n.clone(), *v)).collect();
        let seen = self.plan.nodes.iter().zip(&self.seen).filter(|(_, seen)| seen.iter().any(|v| *v > 0));
        to.seen = seen
            .map(|(node, seen)| {
                let of = node.triggers.iter().map(|t| self.plan.channels[*t].clone());
                (node.name.clone(), of.zip(seen.iter().copied()).collect())
            })
            .collect();
        to.sends = self.sends.iter().map(|s| (s.node.clone(), s.input.clone())).collect();
    }
}

/// `{"__overwrite__": value}` overwrites.
fn as_write(value: &Value) -> Write {
    super::task::overwrite(value).map_or_else(|| Write::Put(value.clone()), Write::Overwrite)
}

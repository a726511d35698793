//! Building a graph: keys, nodes, edges; and checking it before anything runs.
#![allow(clippy::indexing_slicing, reason = "places of nodes come from the table of nodes")]

use super::channel::{Channel, Kind};
use super::node::{Node, Target};
use crate::RetryPolicy;
use indexmap::IndexMap;
use lyceum_core::{Error, Result, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Name of where a graph begins.
pub const START: &str = "__start__";
/// Name of where it ends.
pub const END: &str = "__end__";

/// Chooses where to go on from the state, with the writes of the node just run applied.
pub type Router = Arc<dyn Fn(&Value) -> Result<Vec<Target>> + Send + Sync>;

/// How a node is run.
#[derive(Clone, Default)]
pub struct NodeOptions {
    /// Only when nothing else can run.
    pub defer: bool,
    /// What is tried again, and how often.
    pub retry: Option<RetryPolicy>,
}

/// A graph that is being built.
#[derive(Default)]
pub struct StateGraph {
    keys: IndexMap<Arc<str>, Kind>,
    nodes: IndexMap<Arc<str>, (Arc<dyn Node>, NodeOptions)>,
    edges: Vec<(Arc<str>, Arc<str>)>,
    joins: Vec<(Vec<Arc<str>>, Arc<str>)>,
    branches: Vec<(Arc<str>, Router)>,
}

impl StateGraph {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A key of the state.
    pub fn key(mut self, name: &str, kind: Kind) -> Self {
        self.keys.insert(name.into(), kind);
        self
    }

    /// A node.
    pub fn node(self, name: &str, node: impl Node + 'static) -> Self {
        self.node_with(name, Arc::new(node), NodeOptions::default())
    }

    /// A node, run as the options say.
    pub fn node_with(mut self, name: &str, node: Arc<dyn Node>, options: NodeOptions) -> Self {
        self.nodes.insert(name.into(), (node, options));
        self
    }

    /// After `from`, `to`. Either may be [`START`] or [`END`].
    pub fn edge(mut self, from: &str, to: &str) -> Self {
        self.edges.push((from.into(), to.into()));
        self
    }

    /// After all of `from`, whenever the last of them has run, `to` once.
    pub fn join(mut self, from: &[&str], to: &str) -> Self {
        self.joins.push((from.iter().map(|f| Arc::from(*f)).collect(), to.into()));
        self
    }

    /// After `from`, where the router says.
    pub fn branch(
        mut self,
        from: &str,
        router: impl Fn(&Value) -> Result<Vec<Target>> + Send + Sync + 'static,
    ) -> Self {
        self.branches.push((from.into(), Arc::new(router)));
        self
    }

    /// Checks the graph and lays it out.
    ///
    /// # Errors
    /// An edge from or to a node that is not there (with the nearest name), a graph without a beginning, a key that is
    /// named like something of the graph's own.
    pub fn compile(self, name: &str) -> Result<Plan> {
        let mut plan = Plan::new(name, &self.keys)?;
        for (node, (run, options)) in &self.nodes {
            plan.add_node(node, run, options)?;
        }
        for (from, to) in &self.edges {
            let to = self.known(to, "ending")?;
            let trigger = to.map(|to| (plan.nodes[to].goto, Arrival::Fires));
            self.leave(&mut plan, from, trigger)?;
        }
        for (from, to) in &self.joins {
            let Some(to) = self.known(to, "ending")? else { continue };
            let label =
                format!("join:{}:{}", from.iter().map(|f| &**f).collect::<Vec<_>>().join("+"), self.name(to));
            let barrier = plan.add_channel(&label, Kind::Barrier(from.len()));
            plan.trigger(to, barrier);
            for (who, from) in from.iter().enumerate() {
                self.leave(&mut plan, from, Some((barrier, Arrival::Arrives(who))))?;
            }
        }
        for (from, router) in &self.branches {
            match self.known(from, "starting")? {
                Some(from) => plan.nodes[from].routers.push(router.clone()),
                None => plan.start.routers.push(router.clone()),
            }
        }
        if plan.start.edges.is_empty() && plan.start.routers.is_empty() {
            return Err(Error::invalid(
                "Graph must have an entrypoint: add at least one edge from START to another node",
            ));
        }
        plan.order();
        Ok(plan)
    }

    fn name(&self, node: usize) -> &str {
        self.nodes.get_index(node).map_or("", |(n, _)| n)
    }

    /// A node's place; nothing for the graph's beginning or end.
    fn known(&self, name: &str, how: &str) -> Result<Option<usize>> {
        if name == END || name == START {
            return Ok(None);
        }
        self.nodes.get_index_of(name).map(Some).ok_or_else(|| {
            Error::invalid(format!("Found edge {how} at unknown node `{name}`"))
                .did_you_mean(name, self.nodes.keys().map(|n| &**n))
        })
    }

    fn leave(&self, plan: &mut Plan, from: &str, to: Option<(usize, Arrival)>) -> Result<()> {
        let from = self.known(from, "starting")?;
        let Some(to) = to else { return Ok(()) };
        match from {
            Some(from) => plan.nodes[from].edges.push(to),
            None => plan.start.edges.push(to),
        }
        Ok(())
    }
}

/// What an edge does to a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Fires,
    Arrives(usize),
}

/// Where things go after a node.
#[derive(Default, Clone)]
pub(super) struct Exits {
    /// Triggers of static edges.
    pub(super) edges: Vec<(usize, Arrival)>,
    pub(super) routers: Vec<Router>,
}

/// A node, laid out.
#[derive(Clone)]
pub(super) struct Placed {
    pub(super) name: Arc<str>,
    pub(super) run: Arc<dyn Node>,
    pub(super) retry: Option<RetryPolicy>,
    /// The trigger that edges and routers write.
    pub(super) goto: usize,
    /// Channels that let it run.
    pub(super) triggers: Vec<usize>,
    pub(super) edges: Vec<(usize, Arrival)>,
    pub(super) routers: Vec<Router>,
}

/// A graph, checked and laid out: channels and nodes by their places.
#[derive(Clone)]
pub struct Plan {
    pub(super) name: Arc<str>,
    /// Names of channels, state keys first.
    pub(super) channels: Vec<Arc<str>>,
    pub(super) kinds: Vec<Kind>,
    /// How many of the channels are state keys.
    pub(super) keys: usize,
    pub(super) places: HashMap<Arc<str>, usize>,
    pub(super) nodes: Vec<Placed>,
    pub(super) by_name: HashMap<Arc<str>, usize>,
    /// Nodes in the order in which their writes apply: by name.
    pub(super) sorted: Vec<usize>,
    pub(super) start: Exits,
}

impl Plan {
    fn new(name: &str, keys: &IndexMap<Arc<str>, Kind>) -> Result<Self> {
        let mut plan = Self {
            name: name.into(),
            channels: Vec::new(),
            kinds: Vec::new(),
            keys: keys.len(),
            places: HashMap::new(),
            nodes: Vec::new(),
            by_name: HashMap::new(),
            sorted: Vec::new(),
            start: Exits::default(),
        };
        for (key, kind) in keys {
            if key.starts_with("__") || key.starts_with("branch:to:") || key.starts_with("join:") {
                return Err(Error::invalid(format!(
                    "a key may not be named `{key}`: the graph has that name for itself"
                )));
            }
            plan.add_channel(key, kind.clone());
        }
        Ok(plan)
    }

    fn add_channel(&mut self, name: &str, kind: Kind) -> usize {
        let place = self.channels.len();
        self.channels.push(name.into());
        self.kinds.push(kind);
        self.places.insert(name.into(), place);
        place
    }

    fn add_node(&mut self, name: &Arc<str>, run: &Arc<dyn Node>, options: &NodeOptions) -> Result<()> {
        if name.starts_with("__") || name.is_empty() || name.contains(['|', ':']) {
            return Err(Error::invalid(format!("a node may not be named `{name}`"))
                .hint("names begin with something else than __ and have neither | nor :"));
        }
        let kind = if options.defer { Kind::AfterFinish } else { Kind::Ephemeral };
        let goto = self.add_channel(&format!("branch:to:{name}"), kind);
        self.by_name.insert(name.clone(), self.nodes.len());
        self.nodes.push(Placed {
            name: name.clone(),
            run: run.clone(),
            retry: options.retry.clone(),
            goto,
            triggers: vec![goto],
            edges: Vec::new(),
            routers: Vec::new(),
        });
        Ok(())
    }

    fn trigger(&mut self, node: usize, channel: usize) {
        self.nodes[node].triggers.push(channel);
    }

    fn order(&mut self) {
        let mut sorted: Vec<usize> = (0..self.nodes.len()).collect();
        sorted.sort_by(|a, b| self.nodes[*a].name.cmp(&self.nodes[*b].name));
        self.sorted = sorted;
    }

    /// Names of the nodes, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|n| &*n.name)
    }

    /// Gives the graph another name.
    pub(crate) fn rename(&mut self, name: &str) {
        self.name = name.into();
    }

    /// The graph's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn empty_channels(&self) -> Vec<Channel> {
        self.kinds.iter().map(|k| Channel::new(k.clone())).collect()
    }
}

//! State graphs and chains from YAML: read, checked with line and column, and made into what [`crate::graph`] runs.
//!
//! ```yaml
//! description: Answers a ticket from the handbook.
//! state:
//!   ticket: object
//!   documents: {type: list, reducer: append}
//!   reply: text
//! input: [ticket]
//! output: [reply]
//! nodes:
//!   look_up: {retrieve: handbook, query: "{{ ticket.subject }}", k: 2, save: documents}
//!   draft:
//!     model: base
//!     prompt: "Answer from this page.\n{{ documents[0].text }}\n{{ ticket.body }}"
//!     save: reply
//! edges:
//!   - START -> look_up -> draft -> END
//! ```
//!
//! All keys are in `docs/graphs.md`. What a file names and does not hold (models, predictors, retrievers, tools) comes
//! from [`Parts`]. Nothing here opens a file but the graph's own.

mod check;
mod edges;
mod keys;
mod nodes;
mod parts;
mod place;
mod schema;
mod steps;
mod wired;
mod words;

pub use parts::{ModelOptions, NoParts, PartKind, Parts, missing};

use crate::draw::{Drawing, Line, Spot};
use crate::graph::{END, Graph, Input, Plan, RunOptions, START, Send, StateGraph, Target};
use async_trait::async_trait;
use edges::{BEGIN, FINISH, How, Link};
use keys::Keys;
use lyceum_core::{Checkpointer, Context, Error, ErrorKind, Map, Result, Runnable, Schema, Signature, Value};
use lyceum_data::yaml::{self, Node, Section};
use nodes::Made;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a file at most.
const MOST_BYTES: u64 = 4 << 20;

/// A graph that was read from a file: checked, and ready to run.
#[derive(Clone)]
pub struct GraphFile {
    name: String,
    description: Option<String>,
    keys: Arc<Keys>,
    plan: Plan,
    drawing: Drawing,
}

impl GraphFile {
    /// Reads a file; its name is the file's, unless it has one of its own.
    ///
    /// # Errors
    /// Everything that can be said before it runs, with file, line and column.
    pub fn read(path: impl AsRef<Path>, parts: &dyn Parts) -> Result<Self> {
        let path = path.as_ref();
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "read the graph", e))?;
        if meta.is_dir() || meta.len() > MOST_BYTES {
            let what = if meta.is_dir() { "is a folder, not a graph" } else { "is too large for a graph" };
            return Err(Error::invalid(what).in_file(path));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read the graph", e))?;
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("graph");
        Self::parse(&text, stem, parts).map_err(|e| e.in_file(path))
    }

    /// Reads a text under a name.
    pub fn parse(text: &str, name: &str, parts: &dyn Parts) -> Result<Self> {
        let root = yaml::parse(text)?;
        const KEYS: [&str; 7] = ["name", "description", "state", "input", "output", "nodes", "edges"];
        let top = Section::new(&root, "", &KEYS)?;
        let name = top.text("name")?.unwrap_or_else(|| name.to_string());
        let keys = Arc::new(Keys::read(&top)?);
        let entries = top.entries("nodes")?;
        if entries.is_empty() {
            return Err(Error::invalid("a graph needs a node").at_key("nodes"));
        }
        let nodes = entries.iter().map(|e| nodes::node(e, &keys, parts)).collect::<Result<Vec<_>>>()?;
        let links = edges::edges(top.need("edges")?, &keys)?;
        check::edges(&nodes, &links)?;
        let drawing = drawing(&name, &nodes, &links);
        let plan = compile(&name, &keys, nodes, links)?;
        Ok(Self { description: top.text("description")?, name, keys, plan, drawing })
    }

    /// Under another name: that of its place in a project.
    pub fn renamed(mut self, name: &str) -> Self {
        self.plan.rename(name);
        self.drawing.name = name.to_string();
        self.name = name.to_string();
        self
    }

    /// Schema of all that it holds.
    pub fn state_schema(&self) -> Schema {
        self.keys.state_schema()
    }

    /// What it is for.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Its nodes and edges, to be drawn.
    pub fn drawing(&self) -> &Drawing {
        &self.drawing
    }

    /// The graph, without checkpoints.
    pub fn graph(&self) -> Graph {
        Graph::new(self.plan.clone())
    }

    /// The graph, with a place for checkpoints.
    pub fn graph_on(&self, checkpointer: Arc<dyn Checkpointer>) -> Graph {
        Graph::with_checkpointer(self.plan.clone(), checkpointer)
    }

    /// Fails for an input that the graph does not take.
    pub fn check_input(&self, input: &Value) -> Result<()> {
        self.keys.check_input(input)
    }

    /// What of a state comes out.
    pub fn output(&self, state: &Value) -> Value {
        self.keys.output(state)
    }
}

/// Runs it once, without a thread: a question to a person is an error.
#[async_trait]
impl Runnable for GraphFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        Signature::new(self.keys.input_schema(), self.keys.output_schema())
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        self.check_input(&input)?;
        let done = self.graph().run(Input::Values(input), &RunOptions::default(), cx).await?;
        match done.interrupts.first() {
            None => Ok(self.output(&done.values)),
            Some(question) => {
                let asked: String = question.value.to_json().to_string().chars().take(200).collect();
                let message =
                    format!("graph `{}` asks a person, and nobody can answer here: {asked}", self.name);
                Err(Error::new(ErrorKind::Unsupported, message)
                    .with_code("GRAPH_INTERRUPT")
                    .hint("run it on a thread, and resume the thread with the answer"))
            }
        }
    }
}

/// Reads a chain: steps in a list, one after another, or one step.
///
/// # Errors
/// Everything that can be said before it runs, with line and column.
pub fn chain(node: &Node, key: &str, parts: &dyn Parts) -> Result<Arc<dyn Runnable>> {
    steps::steps(node, key, &words::Names::Any, parts)
}

fn compile(name: &str, keys: &Keys, nodes: Vec<Made>, links: Vec<Link>) -> Result<Plan> {
    let mut graph = StateGraph::new();
    for key in &keys.all {
        graph = graph.key(&key.name, key.channel());
    }
    for node in nodes {
        graph = graph.node_with(&node.name, node.run, node.options);
    }
    for Link { place, from, how } in links {
        let first = from.first().map_or(START, |f| outside(f));
        match how {
            How::To(to) => graph = to.iter().fold(graph, |g, to| g.edge(first, outside(to))),
            How::Join(to) => {
                let from: Vec<&str> = from.iter().map(String::as_str).collect();
                graph = to.iter().fold(graph, |g, to| g.join(&from, outside(to)));
            }
            How::When(cases) => {
                graph = graph.branch(first, move |state| {
                    let names = words::names_of(state);
                    for (condition, _, to) in &cases {
                        let holds = condition.as_ref().map_or(Ok(true), |c| c.holds(&names));
                        if holds.map_err(|e| place.put(e))? {
                            return Ok(to.iter().map(|t| target(t)).collect());
                        }
                    }
                    Err(place.put(Error::internal("no case holds")))
                });
            }
            How::Each { items, key, to } => {
                graph = graph.branch(first, move |state| {
                    let items = items.value(&words::names_of(state)).map_err(|e| place.put(e))?;
                    let Value::List(items) = items else {
                        let message = format!("`each` takes a list, it was given {}", items.type_name());
                        return Err(place.wrong(message));
                    };
                    let send = |item: &Value| {
                        let mut own: Map = state.as_map().cloned().unwrap_or_default();
                        own.insert(key.clone(), item.clone());
                        Target::Send(Send { node: to.as_str().into(), input: own.into() })
                    };
                    Ok(items.iter().map(send).collect())
                });
            }
        }
    }
    graph.compile(name)
}

/// The graph's own name of a node's name in a file.
fn outside(name: &str) -> &str {
    match name {
        BEGIN => START,
        FINISH => END,
        name => name,
    }
}

fn target(name: &str) -> Target {
    if name == FINISH { Target::End } else { Target::Node(name.into()) }
}

fn drawing(name: &str, nodes: &[Made], links: &[Link]) -> Drawing {
    let spot = |id: &str, kind: &str, label: Option<&str>| Spot {
        id: id.to_string(),
        kind: kind.to_string(),
        label: label.map(str::to_string),
    };
    let mut spots = vec![spot(BEGIN, "start", None)];
    spots.extend(nodes.iter().map(|n| spot(&n.name, n.kind, n.label.as_deref())));
    spots.push(spot(FINISH, "end", None));
    let mut lines = Vec::new();
    for link in links {
        for from in &link.from {
            lines.extend(link.targets().into_iter().map(|(to, label)| Line {
                from: from.clone(),
                to: to.to_string(),
                conditional: label.is_some(),
                label: label.map(str::to_string),
            }));
        }
    }
    // A node that no edge leaves ends its path; drawn so.
    let ends = nodes.iter().filter(|n| !links.iter().any(|l| l.from.contains(&n.name)));
    let last = |n: &Made| Line { from: n.name.clone(), to: FINISH.into(), conditional: false, label: None };
    lines.extend(ends.map(last));
    lines.dedup();
    Drawing { name: name.to_string(), nodes: spots, edges: lines }
}

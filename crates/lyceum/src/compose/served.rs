//! What a project composes, as it is served: chains and graphs at `/chains`, graphs with their threads at `/agents`.

use super::names::Toolless;
use super::{ComposeKind, ProjectParts};
use crate::project::{Engines, LearnKind, Project, Workspace};
use lyceum_compose::draw::{Bent, Drawing, Sizes};
use lyceum_compose::file::{self, GraphFile, ModelOptions, Parts};
use lyceum_core::{Checkpointer, Result, Runnable};
use lyceum_serve::{Agent, Live, Schemas};
use lyceum_store::Home;
use lyceum_store::db::Checkpoints;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Tokens of a model's answer at `/chains`, where the request does not speak of it.
const MOST_TOKENS: usize = 512;

/// Adds what a project composes, and each of its models as a chain, to its server. Models are opened when they are first
/// asked, over engines that may be open already.
pub(crate) fn serve(
    live: &Live,
    project: &Arc<Project>,
    home: Home,
    engines: Arc<Mutex<Engines>>,
) -> Result<()> {
    let parts = ProjectParts::new(Some(project.clone()), home, engines);
    let options = ModelOptions { max_tokens: Some(MOST_TOKENS), ..ModelOptions::default() };
    if project.base().is_some() {
        live.chain("base", parts.model("base", &options)?);
    }
    for item in &project.learn {
        let learnt = match item.kind {
            LearnKind::Adapter { .. } => parts.model(&item.name, &options)?,
            LearnKind::Table(_) => parts.predictor(&item.name)?,
        };
        live.chain(item.name.clone(), learnt);
    }
    let mut kept: Option<Arc<dyn Checkpointer>> = None;
    for item in &project.compose {
        match &item.kind {
            ComposeKind::Chain(node) => {
                let key = format!("compose.{}.chain", item.name);
                live.chain(item.name.clone(), file::chain(node, &key, &Toolless(&parts))?);
            }
            ComposeKind::Documents { .. } => {
                live.chain(item.name.clone(), parts.retriever(&item.name, FOUND)?);
            }
            ComposeKind::Graph(path) => {
                let graph = GraphFile::read(project.path(path), &parts)?.renamed(&item.name);
                let place = match &kept {
                    Some(place) => place.clone(),
                    None => Arc::new(Checkpoints::open(Workspace::database(&project.dir)?)?),
                };
                kept = Some(place.clone());
                let description = item.description.as_deref().or(graph.description()).map(str::to_string);
                live.agent(item.name.clone(), agent(&graph, description, place));
                live.chain(item.name.clone(), Arc::new(graph));
            }
        }
    }
    Ok(())
}

/// Documents found where a client asks for documents alone.
const FOUND: usize = 4;

fn agent(graph: &GraphFile, description: Option<String>, kept: Arc<dyn Checkpointer>) -> Agent {
    let signature = graph.signature();
    Agent {
        graph: graph.graph_on(kept),
        description,
        schemas: Schemas { input: signature.input, output: signature.output, state: graph.state_schema() },
        drawing: drawn(graph.drawing()),
    }
}

/// Nodes and edges by the protocol's names: each node's box and each edge's way in pixels.
fn drawn(drawing: &Drawing) -> Json {
    // Boxes have two lines; between rows there is room for a condition's words.
    let sizes = Sizes { height: 44.0, beside: 40.0, below: 60.0, ..Sizes::default() };
    let id = |name: &str| match name {
        "START" => "__start__".to_string(),
        "END" => "__end__".to_string(),
        name => name.to_string(),
    };
    let layout = drawing.layout(&sizes);
    let nodes: Vec<Json> = layout
        .nodes
        .iter()
        .map(|n| {
            json!({
                "id": id(&n.node.id), "type": "runnable",
                "data": { "name": id(&n.node.id), "kind": n.node.kind, "label": n.node.label },
                "layout": { "x": n.x, "y": n.y, "width": n.width, "height": n.height },
            })
        })
        .collect();
    let edges: Vec<Json> = layout
        .edges
        .iter()
        .map(|Bent { edge: e, points }| {
            json!({
                "source": id(&e.from), "target": id(&e.to), "conditional": e.conditional, "data": e.label,
                "points": points,
            })
        })
        .collect();
    json!({ "nodes": nodes, "edges": edges })
}

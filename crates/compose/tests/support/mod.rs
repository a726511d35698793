//! Tiny graphs and the golden files.
#![allow(dead_code, reason = "each test file uses its part")]

use lyceum_compose::graph::*;
use lyceum_core::{Context, Result, Value};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

/// One case of the golden file of graphs.
pub(crate) fn golden(case: &str) -> Json {
    golden_of("langgraph_semantics", case)
}

/// One case of a golden file.
pub(crate) fn golden_of(file: &str, case: &str) -> Json {
    let path = format!("{}/../../tests/golden/compose/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let all: Vec<Json> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all.into_iter().find(|c| c["case"] == case).unwrap_or_else(|| panic!("no case {case}"))
}

/// A list that is added to.
pub(crate) fn list() -> Kind {
    Kind::Reduce(Reducer::Add, Value::from(Vec::new()))
}

pub(crate) fn update(json: Json) -> Outcome {
    Outcome::Update(Value::from_json(json))
}

pub(crate) fn log<const N: usize>(names: [&str; N]) -> Value {
    Value::from_json(json!({ "log": names.to_vec() }))
}

pub(crate) fn wrote(name: &str) -> Outcome {
    Outcome::Update(log([name]))
}

/// A node that writes its name.
pub(crate) fn logs(name: &'static str) -> impl Node + 'static {
    Function(move |_, _: Scope| async move { Ok(wrote(name)) })
}

/// A node that writes nothing.
pub(crate) fn nothing() -> impl Node + 'static {
    Function(|_, _: Scope| async { Ok(Outcome::Update(Value::Null)) })
}

pub(crate) fn map() -> Value {
    Value::from_json(json!({}))
}

pub(crate) fn one() -> StateGraph {
    StateGraph::new().key("log", list()).node("a", logs("a")).edge(START, "a")
}

pub(crate) fn two() -> StateGraph {
    one().node("b", logs("b")).edge("a", "b").edge("b", END)
}

pub(crate) fn chain() -> Plan {
    two().node("c", logs("c")).edge("b", "c").compile("chain").unwrap()
}

/// With checkpoints in memory.
pub(crate) fn kept(graph: StateGraph) -> Graph {
    Graph::with_checkpointer(graph.compile("g").unwrap(), Arc::new(InMemory::new()))
}

/// Runs without checkpoints.
pub(crate) async fn run(plan: &Plan, options: RunOptions) -> Result<Finished> {
    Graph::new(plan.clone()).run(Input::Values(map()), &options, &Context::new()).await
}

/// Names of the nodes whose tasks end, as they end.
pub(crate) fn updates() -> (Arc<Mutex<Vec<String>>>, Watch) {
    let names = Arc::new(Mutex::new(Vec::new()));
    let into = names.clone();
    let watch: Watch = Arc::new(move |event| {
        if let Event::Update(node, _) = event {
            into.lock().unwrap().push(node.to_string());
        }
    });
    (names, watch)
}

//! Supersteps by the second of a loop of two nodes: without checkpoints, with checkpoints in memory, and in SQLite.
//!
//! `cargo bench -p lyceum --bench graph`

use lyceum_compose::graph::{
    Durability, Function, Graph, InMemory, Input, Kind, Outcome, Plan, RunOptions, START, Scope, StateGraph,
    Target,
};
use lyceum_core::{Context, Map, Value};
use lyceum_store::db::Checkpoints;
use std::sync::Arc;
use std::time::Instant;

/// a → b → a … until `i` reaches the limit.
fn two(limit: i64) -> Plan {
    let count = || {
        Function(|input: Value, _: Scope| async move {
            let i = input.get("i").and_then(Value::as_i64).unwrap_or(0) + 1;
            Ok(Outcome::Update(Value::from(Map::from_iter([("i".into(), Value::Int(i))]))))
        })
    };
    let graph = StateGraph::new().key("i", Kind::Last).node("a", count()).node("b", count());
    let graph = graph.edge(START, "a").edge("a", "b").branch("b", move |state| {
        let more = state.get("i").and_then(Value::as_i64).unwrap_or(0) < limit;
        Ok(vec![if more { Target::Node("a".into()) } else { Target::End }])
    });
    graph.compile("two").unwrap_or_else(|e| panic!("{e}"))
}

/// The best of five runs, each on a thread of its own.
fn best(graph: &Graph, steps: i64, durability: Durability) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|e| panic!("{e}"));
    let mut best = 0.0f64;
    for round in 0..5 {
        let thread = Some(format!("{durability:?}{round}").into());
        let options = RunOptions { recursion_limit: u64::MAX, thread, durability, ..RunOptions::default() };
        let input = Input::Values(Value::from(Map::from_iter([("i".into(), Value::Int(0))])));
        let start = Instant::now();
        let done = runtime.block_on(graph.run(input, &options, &Context::new()));
        assert_eq!(done.map(|d| d.values.get("i").cloned()).ok().flatten(), Some(Value::Int(steps)));
        best = best.max(steps as f64 / start.elapsed().as_secs_f64());
    }
    best
}

fn main() {
    let plain = best(&Graph::new(two(200_000)), 200_000, Durability::Async);
    let memory = Graph::with_checkpointer(two(20_000), Arc::new(InMemory::new()));
    let memory = best(&memory, 20_000, Durability::Async);
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let sqlite = || {
        let checkpoints = Checkpoints::open(folder.path().join("graph.db")).unwrap_or_else(|e| panic!("{e}"));
        Arc::new(checkpoints)
    };
    let later = best(&Graph::with_checkpointer(two(20_000), sqlite()), 20_000, Durability::Async);
    let at_once = best(&Graph::with_checkpointer(two(1_000), sqlite()), 1_000, Durability::Sync);
    println!(
        "supersteps/s: {plain:.0} without checkpoints, {memory:.0} in memory, SQLite {later:.0} async, {at_once:.0} sync"
    );
}

//! Supersteps by the second of a loop of two nodes: without checkpoints, and with checkpoints in memory.
//!
//! `cargo bench -p lyceum-compose --bench graph`

use lyceum_compose::graph::{
    Function, Graph, InMemory, Input, Kind, Outcome, Plan, RunOptions, START, Scope, StateGraph, Target,
};
use lyceum_core::{Context, Map, Value};
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

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|e| panic!("{e}"));
    let input = || Input::Values(Value::from(Map::from_iter([("i".into(), Value::Int(0))])));
    let steps = 200_000;
    let plain = Graph::new(two(steps));
    let kept = Graph::with_checkpointer(two(steps / 10), Arc::new(InMemory::new()));
    let (mut best_plain, mut best_kept) = (0.0f64, 0.0f64);
    for round in 0..5 {
        let options = RunOptions { recursion_limit: u64::MAX, ..RunOptions::default() };
        let start = Instant::now();
        let done = runtime.block_on(plain.run(input(), &options, &Context::new()));
        assert_eq!(done.map(|d| d.values.get("i").cloned()).ok().flatten(), Some(Value::Int(steps)));
        best_plain = best_plain.max(steps as f64 / start.elapsed().as_secs_f64());
        let options = RunOptions { thread: Some(format!("{round}").into()), ..options };
        let start = Instant::now();
        let done = runtime.block_on(kept.run(input(), &options, &Context::new()));
        assert!(done.is_ok());
        best_kept = best_kept.max(steps as f64 / 10.0 / start.elapsed().as_secs_f64());
    }
    println!("{best_plain:.0} supersteps/s without checkpoints, {best_kept:.0} with checkpoints in memory");
}

//! What recording costs: tokens by the second of a real model with and without it, in turns, and supersteps of a graph.
//!
//! `LYCEUM_TEST_SMOLLM2=model.gguf cargo bench -p lyceum --bench traces`

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use futures_util::{TryStreamExt, future};
use lyceum_compose::graph::{
    Function, Graph, Input, Kind, Outcome, RunOptions, START, Scope, StateGraph, Target,
};
use lyceum_core::{Context, Engine, GenerateRequest, Map, Prompt, Value};
use lyceum_engine::{EngineConfig, LanguageModel};
use lyceum_store::db::{TraceSettings, Traces};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

/// Rounds of each kind.
const ROUNDS: usize = 15;
/// Tokens of an answer.
const TOKENS: usize = 64;

/// Seconds of `n` answers at once.
fn answers(runtime: &Runtime, engine: &dyn Engine, n: usize, cx: &Context) -> f64 {
    let one = |i: usize| {
        let mut request = GenerateRequest::new(Prompt::Text(format!("Once upon a time, {i} friends")));
        (request.max_tokens, request.ignore_eos) = (Some(TOKENS), true);
        async move {
            let events = lyceum_core::generate(engine, request, cx).unwrap_or_else(|e| panic!("{e}"));
            events.try_for_each(|_| future::ready(Ok(()))).await.unwrap_or_else(|e| panic!("{e}"));
        }
    };
    let start = Instant::now();
    runtime.block_on(future::join_all((0..n).map(one)));
    start.elapsed().as_secs_f64()
}

/// Tokens by the second without and with records: the best of all rounds, which take turns.
fn model(runtime: &Runtime, engine: &dyn Engine, n: usize, traced: &Context) {
    let plain = Context::new();
    answers(runtime, engine, n, &plain);
    let mut best = [f64::INFINITY; 2];
    for round in 0..ROUNDS {
        // Whoever is first in a round is second in the next.
        for place in [round % 2, (round + 1) % 2] {
            let seconds = answers(runtime, engine, n, if place == 0 { &plain } else { traced });
            best[place] = best[place].min(seconds);
        }
    }
    let [without, with] = best.map(|s| (n * TOKENS) as f64 / s);
    println!(
        "{n} at once: {without:.1} tokens/s without records, {with:.1} with: ratio {:.3} (best of {ROUNDS} rounds each)",
        with / without
    );
}

/// a → b → a … until `i` reaches the limit.
fn graph(limit: i64) -> Graph {
    let count = || {
        Function(|input: Value, _: Scope| async move {
            let i = input.get("i").and_then(Value::as_i64).unwrap_or(0) + 1;
            Ok(Outcome::Update(Value::from(Map::from_iter([("i".into(), Value::Int(i))]))))
        })
    };
    let two = StateGraph::new().key("i", Kind::Last).node("a", count()).node("b", count());
    let two = two.edge(START, "a").edge("a", "b").branch("b", move |state| {
        let more = state.get("i").and_then(Value::as_i64).unwrap_or(0) < limit;
        Ok(vec![if more { Target::Node("a".into()) } else { Target::End }])
    });
    Graph::new(two.compile("two").unwrap_or_else(|e| panic!("{e}")))
}

fn steps(runtime: &Runtime, steps: i64, cx: &Context) -> f64 {
    let graph = graph(steps);
    let options = RunOptions { recursion_limit: u64::MAX, ..RunOptions::default() };
    let run = |_| {
        let input = Input::Values(Value::from(Map::from_iter([("i".into(), Value::Int(0))])));
        let start = Instant::now();
        runtime.block_on(graph.run(input, &options, cx)).unwrap_or_else(|e| panic!("{e}"));
        steps as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(run).fold(0.0, f64::max)
}

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let open = |name: &str| {
        let traces = Traces::open(folder.path().join(name), TraceSettings::default());
        Arc::new(traces.unwrap_or_else(|e| panic!("{e}")))
    };
    let traces = open("graph.db");
    let traced = Context::new().with_tracer(traces.clone());
    let (few, many) = (2_000, 100_000);
    println!(
        "supersteps/s of {many}: {:.0} without records; of {few}: {:.0} with; of {many}: {:.0} with ({} records not kept)",
        steps(&runtime, many, &Context::new()),
        steps(&runtime, few, &traced),
        steps(&runtime, many, &traced),
        traces.dropped(),
    );
    let Ok(path) = std::env::var("LYCEUM_TEST_SMOLLM2") else {
        println!("SKIPPED: the model's part (set LYCEUM_TEST_SMOLLM2 to a GGUF file)");
        return;
    };
    let loaded = lyceum_models::load(Path::new(&path)).unwrap_or_else(|e| panic!("{e}"));
    let engine = LanguageModel::new(loaded, EngineConfig::default()).unwrap_or_else(|e| panic!("{e}"));
    let traced = Context::new().with_tracer(open("model.db"));
    for n in [1, 8] {
        model(&runtime, &engine, n, &traced);
    }
}

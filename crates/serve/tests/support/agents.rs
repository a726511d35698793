//! Small graphs behind `/agents`: a sum, a question, a failure, a loop.

use lyceum_compose::graph::*;
use lyceum_core::{Checkpointer, Error, Schema, Value};
use lyceum_serve::{Agent, Limits, Schemas, Server};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn update(json: Json) -> Outcome {
    Outcome::Update(Value::from_json(json))
}

fn log() -> Kind {
    Kind::Reduce(Reducer::Add, Value::from(Vec::new()))
}

fn number(input: &Value, key: &str) -> i64 {
    input.get(key).and_then(Value::as_i64).unwrap_or(0)
}

/// n + 1, then twice that.
fn math() -> StateGraph {
    let inc = Function(|i: Value, _: Scope| async move {
        Ok(update(json!({"n": number(&i, "n") + 1, "log": ["inc"]})))
    });
    let dbl = Function(|i: Value, _: Scope| async move {
        Ok(update(json!({"n": number(&i, "n") * 2, "log": ["dbl"]})))
    });
    let graph = StateGraph::new().key("n", Kind::Last).key("log", log()).node("inc", inc).node("dbl", dbl);
    graph.edge(START, "inc").edge("inc", "dbl").edge("dbl", END)
}

/// Writes a draft, asks, ends.
fn human() -> StateGraph {
    let write = Function(|_, _: Scope| async { Ok(update(json!({"draft": "v1", "log": ["write"]}))) });
    let review = Function(|i: Value, s: Scope| async move {
        let asked = json!({"question": "ok?", "draft": i.get("draft").map(Value::to_json)});
        let answer = s.interrupt(Value::from_json(asked))?;
        let said = format!("review:{}", answer.as_str().unwrap_or_default());
        Ok(update(json!({"approved": answer.as_str() == Some("yes"), "log": [said]})))
    });
    let fin = Function(|_, _: Scope| async { Ok(update(json!({"log": ["fin"]}))) });
    let graph = StateGraph::new().key("draft", Kind::Last).key("approved", Kind::Last).key("log", log());
    let graph = graph.node("write", write).node("review", review).node("fin", fin);
    graph.edge(START, "write").edge("write", "review").edge("review", "fin")
}

/// Fails the first time that x is 1, else goes on.
fn flaky() -> StateGraph {
    let tries = Arc::new(AtomicUsize::new(0));
    let bad = Function(move |i: Value, _: Scope| {
        let tries = tries.clone();
        async move {
            if number(&i, "x") == 1 && tries.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(Error::invalid("bad input x=1").into());
            }
            Ok(update(json!({"x": number(&i, "x") + 1})))
        }
    });
    StateGraph::new().key("x", Kind::Last).node("bad", bad).edge(START, "bad")
}

/// Goes on until it is stopped.
fn forever() -> StateGraph {
    let turn = Function(|i: Value, s: Scope| async move {
        s.cx.sleep(Duration::from_millis(20)).await?;
        Ok(update(json!({"x": number(&i, "x") + 1})))
    });
    StateGraph::new().key("x", Kind::Last).node("loop", turn).edge(START, "loop").edge("loop", "loop")
}

/// A server with all of them.
pub(crate) fn server(kept: Arc<dyn Checkpointer>) -> Server {
    let server = Server::new(Limits::default());
    for (name, graph) in [("math", math()), ("human", human()), ("flaky", flaky()), ("forever", forever())] {
        let plan = graph.compile(name).unwrap();
        let nodes: Vec<Json> =
            plan.nodes().map(|n| json!({"id": n, "type": "runnable", "data": {"name": n}})).collect();
        let any = || Schema::of("object");
        let agent = Agent {
            graph: Graph::with_checkpointer(plan, kept.clone()),
            description: None,
            schemas: Schemas { input: any(), output: any(), state: any() },
            drawing: json!({"nodes": nodes, "edges": []}),
        };
        server.live().agent(name, agent);
    }
    server
}

//! What can be seen and done of a thread from outside: its state, its history, writing by hand, who runs on it.

mod support;

use lyceum_compose::graph::*;
use lyceum_core::{Checkpointer, Context, Error, ErrorKind, ThreadFilter, ThreadStatus, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::*;

/// a writes x = 1, b adds one, c writes its name.
fn counted() -> StateGraph {
    let put = |name: &'static str, x: Option<i64>| {
        Function(move |input: Value, _: Scope| async move {
            let was = input.get("x").and_then(Value::as_i64).unwrap_or(0);
            Ok(match x {
                Some(x) => update(json!({"log": [name], "x": x})),
                None => update(json!({"log": [name], "x": was + 1})),
            })
        })
    };
    let graph = StateGraph::new().key("log", list()).key("x", Kind::Last);
    let graph = graph.node("a", put("a", Some(1))).node("b", put("b", None)).node("c", logs("c"));
    graph.edge(START, "a").edge("a", "b").edge("b", "c")
}

async fn ran(graph: &Graph, thread: &str) -> Finished {
    graph.run(Input::Values(map()), &RunOptions::thread(thread), &Context::new()).await.unwrap()
}

#[tokio::test]
async fn history_tells_each_checkpoint() {
    let graph = kept(counted());
    ran(&graph, "t").await;
    let rows: Vec<Json> = graph
        .history("t", 10)
        .await
        .unwrap()
        .into_iter()
        .map(|s| {
            let next: Vec<&str> = s.next.iter().map(|n| &**n).collect();
            json!({"step": s.step, "source": s.source.as_str(), "next": next, "values": s.values.to_json()})
        })
        .collect();
    let want: Vec<Json> = golden("history")["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| json!({"step": r["step"], "source": r["source"], "next": r["next"], "values": r["values"]}))
        .collect();
    assert_eq!(rows, want);
}

#[tokio::test]
async fn a_state_written_by_hand_forks_the_thread() {
    let graph = kept(counted());
    ran(&graph, "t").await;
    let history = graph.history("t", 10).await.unwrap();
    let after_a = history.iter().find(|s| s.step == 1).unwrap();
    let update = Value::from_json(json!({"x": 100}));
    let id = graph.update_state("t", Some(&after_a.checkpoint), update, None).await.unwrap();
    let state = graph.state("t", None).await.unwrap().unwrap();
    let case = golden("fork");
    assert_eq!(state.checkpoint, id);
    assert_eq!(state.parent.as_ref(), Some(&after_a.checkpoint));
    let next: Vec<&str> = state.next.iter().map(|n| &**n).collect();
    let told = json!({"values": state.values.to_json(), "next": next, "source": state.source.as_str(), "step": state.step});
    let want = json!({"values": case["values"], "next": case["next"], "source": case["source"], "step": case["step"]});
    assert_eq!(told, want);
    let on = graph.run(Input::Continue, &RunOptions::thread("t"), &Context::new()).await.unwrap();
    assert_eq!(on.values.to_json(), case["run"]["ok"]);
}

#[tokio::test]
async fn a_state_is_written_as_a_node_or_not_at_all() {
    let graph = kept(counted());
    ran(&graph, "t").await;
    let e = graph.update_state("t", None, map(), Some("nosuch")).await.unwrap_err();
    assert_eq!(json!(e.message()), golden("update_state_as_unknown_node")["message"]);
    let after_a = graph.history("t", 10).await.unwrap().into_iter().find(|s| s.step == 1).unwrap();
    graph.update_state("t", Some(&after_a.checkpoint), Value::Null, Some(END)).await.unwrap();
    assert!(graph.state("t", None).await.unwrap().unwrap().next.is_empty());
    graph.update_state("t", Some(&after_a.checkpoint), Value::Null, Some("__copy__")).await.unwrap();
    let copy = graph.state("t", None).await.unwrap().unwrap();
    let told = json!([copy.source.as_str(), [&*copy.next[0]], {"log": copy.values.to_json()["log"]}]);
    assert_eq!(told, golden("update_state_copy")["ok"]);

    let both = StateGraph::new().key("log", list()).node("a", logs("a")).node("b", logs("b"));
    let both = kept(both.edge(START, "a").edge(START, "b"));
    ran(&both, "t").await;
    let e = both.update_state("t", None, log(["x"]), None).await.unwrap_err();
    assert_eq!(json!(e.message()), golden("update_state_ambiguous")["message"]);
}

#[tokio::test]
async fn a_failed_thread_shows_what_was_done_and_why_it_stopped() {
    let broken = Arc::new(AtomicBool::new(true));
    let bad = {
        let broken = broken.clone();
        Function(move |_, _: Scope| {
            let broken = broken.clone();
            async move {
                if broken.load(Ordering::Relaxed) {
                    Err(Error::invalid("boom").into())
                } else {
                    Ok(wrote("bad"))
                }
            }
        })
    };
    let graph = StateGraph::new().key("log", list()).node("bad", bad).node("ok", logs("ok"));
    let store = Arc::new(InMemory::new());
    let plan = graph.edge(START, "bad").edge(START, "ok").compile("g").unwrap();
    let graph = Graph::with_checkpointer(plan, store.clone());
    let options = RunOptions::thread("t");
    graph.run(Input::Values(map()), &options, &Context::new()).await.unwrap_err();
    let state = graph.state("t", None).await.unwrap().unwrap();
    assert_eq!(state.next, ["bad".into()]);
    let failed = state.tasks.iter().find(|t| &*t.node == "bad").unwrap();
    assert_eq!(failed.error.as_deref(), Some("boom"));
    let threads = store.threads().unwrap();
    let listed = async |status| {
        let filter = ThreadFilter { status: Some(status), ..ThreadFilter::default() };
        threads.threads(&filter).await.unwrap()
    };
    let known = listed(ThreadStatus::Error).await;
    assert_eq!((&*known[0].thread, &*known[0].graph, known[0].error.as_deref()), ("t", "g", Some("boom")));

    broken.store(false, Ordering::Relaxed);
    let done = graph.run(Input::Continue, &options, &Context::new()).await.unwrap();
    assert_eq!(done.values.to_json(), golden("failure_resume")["second"]["ok"]);
    assert_eq!(listed(ThreadStatus::Idle).await.len(), 1);
}

#[tokio::test]
async fn one_run_at_a_time_on_a_thread() {
    let (entered, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let waits = {
        let (entered, go) = (entered.clone(), go.clone());
        Function(move |_, _: Scope| {
            let (entered, go) = (entered.clone(), go.clone());
            async move {
                entered.notify_one();
                go.notified().await;
                Ok(wrote("a"))
            }
        })
    };
    let graph = kept(StateGraph::new().key("log", list()).node("a", waits).edge(START, "a"));
    let running = tokio::spawn({
        let graph = graph.clone();
        async move { ran(&graph, "t").await }
    });
    entered.notified().await;
    let second = graph.run(Input::Values(map()), &RunOptions::thread("t"), &Context::new()).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Conflict);
    go.notify_one();
    assert!(running.await.unwrap().next.is_empty());
}

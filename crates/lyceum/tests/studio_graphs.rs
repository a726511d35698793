//! The Studio's page of graphs in a real browser: a run is started and watched, its question answered from the keyboard
//! alone, a failed thread continued. Needs chromedriver, as `studio.rs` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

#[path = "support/browser.rs"]
mod browser;

use browser::Browser;
use lyceum_compose::graph::{END, Function, Graph, Kind, Outcome, START, Scope, StateGraph};
use lyceum_core::{Error, Schema, Value};
use lyceum_serve::{Agent, Limits, Schemas, Server};
use lyceum_store::db::Checkpoints;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn update(json: Json) -> Outcome {
    Outcome::Update(Value::from_json(json))
}

/// Looks up, asks whether money may move, sends.
fn refunds() -> StateGraph {
    let look = Function(|i: Value, s: Scope| async move {
        let slow = i.get("message").and_then(Value::as_str) == Some("slow");
        s.cx.sleep(Duration::from_millis(if slow { 3000 } else { 400 })).await?;
        Ok(update(json!({ "order": "<b>1042</b>" })))
    });
    let ask = Function(|i: Value, s: Scope| async move {
        let asked = json!({ "question": "Refund 42.00 EUR?", "order": i.get("order").map(Value::to_json) });
        let answer = s.interrupt(Value::from_json(asked))?;
        Ok(update(json!({ "approved": answer.to_json() })))
    });
    let send = Function(|_, _: Scope| async { Ok(update(json!({ "sent": true }))) });
    let graph =
        ["message", "order", "approved", "sent"].iter().fold(StateGraph::new(), |g, k| g.key(k, Kind::Last));
    let graph = graph.node("look_up", look).node("approve", ask).node("send", send);
    graph.edge(START, "look_up").edge("look_up", "approve").edge("approve", "send").edge("send", END)
}

/// Fails at its first try.
fn shaky() -> StateGraph {
    let tried = Arc::new(AtomicBool::new(false));
    let work = Function(move |_, _: Scope| {
        let first = !tried.swap(true, Ordering::SeqCst);
        async move {
            if first {
                return Err(Error::invalid("the order is not paid").into());
            }
            Ok(update(json!({ "message": "paid" })))
        }
    });
    StateGraph::new().key("message", Kind::Last).node("pay", work).edge(START, "pay").edge("pay", END)
}

fn agent(name: &str, graph: StateGraph, nodes: &[&str], kept: &Arc<Checkpoints>) -> Agent {
    let all: Vec<&str> = ["__start__"].iter().chain(nodes).chain(["__end__"].iter()).copied().collect();
    let drawn: Vec<Json> = all
        .iter()
        .enumerate()
        .map(|(y, n)| json!({ "id": n, "type": "runnable", "data": { "name": n, "kind": "function" }, "layout": { "x": 0, "y": y } }))
        .collect();
    let edges: Vec<Json> = all.windows(2).map(|w| json!({ "source": w[0], "target": w[1] })).collect();
    let input = Schema(json!({ "type": "object", "properties": { "message": { "type": "string" } } }));
    let any = || Schema::of("object");
    Agent {
        graph: Graph::with_checkpointer(graph.compile(name).unwrap(), kept.clone()),
        description: Some("Asks before money moves".into()),
        schemas: Schemas { input, output: any(), state: any() },
        drawing: json!({ "nodes": drawn, "edges": edges }),
    }
}

/// A server on threads of its own, until the test ends.
fn serve(dir: &Path) -> String {
    let kept = Arc::new(Checkpoints::open(dir.join("lyceum.db")).unwrap());
    let server = Server::new(Limits::default());
    server.live().agent("refunds", agent("refunds", refunds(), &["look_up", "approve", "send"], &kept));
    server.live().agent("shaky", agent("shaky", shaky(), &["pay"], &kept));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let bound = server.bind("127.0.0.1:0").await.unwrap();
            tell.send(bound.url()).unwrap();
            bound.serve(std::future::pending()).await.unwrap();
        });
    });
    told.recv().unwrap()
}

fn state(browser: &Browser, node: &str) -> String {
    let found = browser.js(&format!("return document.querySelector('[data-node={node}]')?.dataset.state"));
    found.as_str().unwrap_or_default().to_string()
}

#[test]
fn a_question_is_approved_from_the_keyboard_and_a_failed_thread_goes_on() {
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("studio");
    let Some(browser) = Browser::start(&shots) else { return };
    let dir = tempfile::tempdir().unwrap();
    let url = serve(dir.path());

    browser.go(&format!("{url}/#/graphs/refunds"));
    browser.tab_to("#input-message");
    browser.press(&["H", "i", "Enter"]);
    browser.wait("document.querySelector('[data-node=look_up]')?.dataset.state === 'running'");
    browser.shot("graph-running");
    browser.wait("document.querySelector('.approve')");
    assert_eq!(
        (state(&browser, "look_up").as_str(), state(&browser, "approve").as_str()),
        ("done", "interrupted")
    );
    assert!(browser.text(".question").contains("<b>1042</b>"), "a state's markup is text");
    browser.wait("document.querySelector('.badge').innerText === '1'");
    browser.shot("graph-asks");
    browser.go(&format!("{url}/#/"));
    browser.reads("Refund 42.00 EUR?");
    browser.shot("home-waiting");
    browser.tab_to("a.ask");
    browser.press(&["Enter"]);
    browser.wait("document.querySelector('.approve')");
    browser.tab_to(".approve");
    browser.press(&["Enter"]);
    browser.wait("document.querySelector('[data-node=send]')?.dataset.state === 'done'");
    browser.wait("document.querySelector('#status').innerText === 'done'");
    assert!(browser.text("#values").contains("\"approved\": true"));
    browser.wait("document.querySelector('.badge').hidden");
    browser.shot("graph-done");

    browser.go(&format!("{url}/#/graphs/shaky"));
    browser.click("#start");
    browser.wait("document.querySelector('#continue')");
    assert_eq!(state(&browser, "pay"), "failed");
    browser.reads("the order is not paid");
    browser.dark(true);
    browser.shot("graph-failed-dark");
    browser.click("#continue");
    browser.wait("document.querySelector('#status').innerText === 'done'");
    assert_eq!(state(&browser, "pay"), "done");
    assert_eq!(browser.log(), [] as [&str; 0]);
}

#[test]
fn a_run_that_another_client_began_is_watched() {
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("studio");
    let Some(browser) = Browser::start(&shots) else { return };
    let dir = tempfile::tempdir().unwrap();
    let url = serve(dir.path());
    browser.go(&format!("{url}/#/"));
    browser.wait("document.querySelector('main h1')");
    browser.js(
        "const post = (path, body) => fetch(path, { method: 'POST', body: JSON.stringify(body) });
         post('/agents/threads', { thread_id: 'theirs' })
           .then(() => post('/agents/threads/theirs/runs', { assistant_id: 'refunds', input: { message: 'slow' } }))
           .then((r) => (window.begun = r.status))",
    );
    assert_eq!(browser.wait("window.begun"), 200);
    browser.go(&format!("{url}/#/graphs/refunds/theirs"));
    browser.wait("document.querySelector('[data-node=look_up]')?.dataset.state === 'running'");
    browser.wait("document.querySelector('[data-node=approve]')?.dataset.state === 'interrupted'");
    browser.fill(".reply", "only half of it\n");
    browser.wait("document.querySelector('#status')?.innerText === 'done'");
    assert!(browser.text("#values").contains("\"approved\": \"only half of it\""));
    assert_eq!(browser.log(), [] as [&str; 0]);
}

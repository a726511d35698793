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

/// Three together, then a draft that goes out unless a person has to see it.
fn desk(kept: &Arc<Checkpoints>) -> Agent {
    let note =
        |name: &'static str| Function(move |_, _: Scope| async move { Ok(update(json!({ "notes": name }))) });
    let first = ["urgency", "triage", "search"];
    let graph = StateGraph::new().key("message", Kind::Last).key("notes", Kind::Topic { accumulate: true });
    let graph = first.into_iter().fold(graph, |g, n| g.node(n, note(n)).edge(START, n).edge(n, "draft"));
    let graph =
        graph.node("draft", note("draft")).node("approve", note("approve")).node("reply", note("reply"));
    let graph = graph.edge("draft", "reply").edge("approve", "reply").edge("reply", END);
    Agent { drawing: desk_drawing(), ..agent("desk", graph, &[], kept) }
}

/// Boxes and the ways of lines, as a layout with all measures tells them.
fn desk_drawing() -> Json {
    let node = |id: &str, kind: &str, x: i32, y: i32, width: i32| {
        let at = json!({ "x": x, "y": y, "width": width, "height": 40 });
        json!({ "id": id, "type": "runnable", "data": { "name": id, "kind": kind }, "layout": at })
    };
    let nodes = [
        node("__start__", "start", 184, 0, 112),
        node("urgency", "predict", 0, 96, 144),
        node("triage", "model", 176, 96, 128),
        node("search", "retrieve", 336, 96, 152),
        node("draft", "model", 180, 192, 120),
        node("approve", "ask", 96, 288, 120),
        node("reply", "set", 192, 384, 96),
        node("__end__", "end", 192, 480, 96),
    ];
    let line = |a: &str, b: &str, label: Option<&str>, points: Json| json!({ "source": a, "target": b, "conditional": label.is_some(), "data": label, "points": points });
    let edges = [
        line("__start__", "urgency", None, json!([[240, 40], [72, 96]])),
        line("__start__", "triage", None, json!([[240, 40], [240, 96]])),
        line("__start__", "search", None, json!([[240, 40], [412, 96]])),
        line("urgency", "draft", None, json!([[72, 136], [240, 192]])),
        line("triage", "draft", None, json!([[240, 136], [240, 192]])),
        line("search", "draft", None, json!([[412, 136], [240, 192]])),
        line("draft", "approve", Some("urgent"), json!([[240, 232], [156, 288]])),
        line("draft", "reply", Some("otherwise"), json!([[240, 232], [324, 288], [324, 328], [240, 384]])),
        line("approve", "draft", Some("denied"), json!([[156, 288], [240, 232]])),
        line("approve", "reply", None, json!([[156, 328], [240, 384]])),
        line("reply", "__end__", None, json!([[240, 424], [240, 480]])),
    ];
    json!({ "nodes": nodes, "edges": edges })
}

/// A server on threads of its own, until the test ends.
fn serve(dir: &Path) -> String {
    let kept = Arc::new(Checkpoints::open(dir.join("lyceum.db")).unwrap());
    let server = Server::new(Limits::default());
    server.live().agent("refunds", agent("refunds", refunds(), &["look_up", "approve", "send"], &kept));
    server.live().agent("desk", desk(&kept));
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

#[test]
fn a_graph_stands_as_the_server_laid_it_out() {
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("studio");
    let Some(browser) = Browser::start(&shots) else { return };
    let dir = tempfile::tempdir().unwrap();
    let url = serve(dir.path());
    browser.go(&format!("{url}/#/graphs/desk"));
    browser.fill("#input-message", "My screen is on fire\n");
    browser.wait("document.querySelector('#status')?.innerText === 'done'");
    for node in ["urgency", "triage", "search", "draft", "reply"] {
        assert_eq!(state(&browser, node), "done", "{node}");
    }
    assert_eq!(state(&browser, "approve"), "waiting", "nothing led there");
    let boxes = "const of = (n) => document.querySelector(`[data-node=${n}] rect`).getBoundingClientRect();
         const [a, b, c, d] = ['urgency', 'triage', 'search', 'draft'].map(of);
         return a.right < b.left && b.right < c.left && a.top === c.top && d.top > b.bottom";
    assert_eq!(browser.js(boxes), true);
    assert_eq!(browser.js("return document.querySelectorAll('.edge').length"), 11);
    assert_eq!(browser.js("return document.querySelectorAll('.edge.maybe').length"), 3);
    browser.shot("graph-desk");
    browser.viewport(390, 844);
    browser.shot("phone-graph-desk");
    assert_eq!(browser.log(), [] as [&str; 0]);
}

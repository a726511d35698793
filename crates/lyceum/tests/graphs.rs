//! Graphs over the database: a question outlives the process, and so does a run that is killed.

use lyceum_compose::graph::{
    Durability, Function, Graph, Input, Kind, Outcome, RunOptions, START, Scope, StateGraph, Target,
};
use lyceum_core::{Context, Map, Value};
use lyceum_store::db::{Checkpoints, Db};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const STEPS: i64 = 300;

fn value(json: serde_json::Value) -> Value {
    Value::from_json(json)
}

fn open(path: &Path) -> Arc<Checkpoints> {
    Arc::new(Checkpoints::open(path).unwrap())
}

#[tokio::test]
async fn a_question_waits_in_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let graph = || {
        let ask = Function(|input: Value, scope: Scope| async move {
            let draft = input.get("draft").cloned().unwrap_or_default();
            let verdict = scope.interrupt(value(json!({"approve?": draft.to_json()})))?;
            Ok(Outcome::Update(Value::from(Map::from_iter([("verdict".into(), verdict)]))))
        });
        let draft =
            Function(|_, _: Scope| async { Ok(Outcome::Update(value(json!({"draft": "Dear Ada"})))) });
        let graph = StateGraph::new().key("draft", Kind::Last).key("verdict", Kind::Last);
        let graph = graph.node("draft", draft).node("ask", ask).edge(START, "draft").edge("draft", "ask");
        Graph::with_checkpointer(graph.compile("answer").unwrap(), open(&path))
    };
    let (options, cx) = (RunOptions::thread("t"), Context::new());
    let asked = graph().run(Input::Values(value(json!({}))), &options, &cx).await.unwrap();
    assert_eq!(asked.interrupts[0].value.to_json(), json!({"approve?": "Dear Ada"}));
    // Everything was closed; another process would see the same.
    let done = graph().run(Input::Resume(value(json!({"ok": true}))), &options, &cx).await.unwrap();
    assert_eq!(done.values.to_json(), json!({"draft": "Dear Ada", "verdict": {"ok": true}}));
    assert!(done.next.is_empty());
    Db::open(&path).unwrap().integrity_check().unwrap();
}

/// Counts to [`STEPS`], one number a superstep; each is written to a file when it is reached.
fn counter(dir: &Path) -> Graph {
    let log = dir.join("log");
    let count = Function(move |input: Value, _: Scope| {
        let log = log.clone();
        async move {
            let i = input.get("i").and_then(Value::as_i64).unwrap_or(0) + 1;
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
            writeln!(file, "{i}").unwrap();
            Ok(Outcome::Update(value(json!({ "i": i }))))
        }
    });
    let graph = StateGraph::new().key("i", Kind::Last).node("count", count).edge(START, "count");
    let graph = graph.branch("count", |state| {
        let more = state.get("i").and_then(Value::as_i64).unwrap_or(0) < STEPS;
        Ok(vec![if more { Target::Node("count".into()) } else { Target::End }])
    });
    Graph::with_checkpointer(graph.compile("counter").unwrap(), open(&dir.join("lyceum.db")))
}

fn options() -> RunOptions {
    RunOptions { durability: Durability::Sync, ..RunOptions::thread("t") }
}

/// The process that the next test kills: it goes on from where the thread stands.
#[tokio::test]
#[ignore = "run by the test that kills it"]
async fn counts_until_killed() {
    let Some(dir) = std::env::var_os("LYCEUM_TEST_COUNTER").map(PathBuf::from) else { return };
    let (graph, cx) = (counter(&dir), Context::new());
    if graph.run(Input::Continue, &options(), &cx).await.is_err() {
        graph.run(Input::Values(value(json!({}))), &options(), &cx).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_run_loses_nothing_and_repeats_at_most_the_step_that_it_was_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut kills = 0;
    for wait in [30, 60, 45, 80, 25, 100, 50] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "counts_until_killed", "--ignored"])
            .env("LYCEUM_TEST_COUNTER", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let graph = counter(dir.path());
    let cx = Context::new();
    let done = match graph.run(Input::Continue, &options(), &cx).await {
        Ok(done) => done,
        Err(_) => graph.run(Input::Values(value(json!({}))), &options(), &cx).await.unwrap(),
    };
    assert_eq!(done.values.to_json(), json!({ "i": STEPS }));
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    let seen: Vec<i64> = log.lines().map(|l| l.parse().unwrap()).collect();
    let mut once = seen.clone();
    once.dedup();
    assert_eq!(once, (1..=STEPS).collect::<Vec<_>>(), "every step, in order");
    assert!(seen.len() - once.len() <= kills, "{} repeated in {kills} kills", seen.len() - once.len());
    Db::open(dir.path().join("lyceum.db")).unwrap().integrity_check().unwrap();
}

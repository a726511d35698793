//! Graphs behave as LangGraph's do: each case of the golden file that is named here runs on the same tiny graph.

mod support;

use lyceum_compose::RetryPolicy;
use lyceum_compose::graph::*;
use lyceum_core::{Context, Error, ErrorKind, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;

#[tokio::test]
async fn writes_apply_by_name_whoever_ends_first() {
    let slow = |name: &'static str, millis: u64| {
        Function(move |_, _: Scope| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(wrote(name))
        })
    };
    let graph = StateGraph::new().key("log", list()).node("b", slow("b", 1)).node("c", slow("c", 30));
    let graph = graph.node("a", slow("a", 60)).edge(START, "b").edge(START, "a").edge(START, "c");
    let (updates, watch) = updates();
    let got =
        run(&graph.compile("g").unwrap(), RunOptions { watch: Some(watch), ..RunOptions::default() }).await;
    let want = golden("parallel_write_order");
    assert_eq!(got.unwrap().values.to_json(), want["values"]);
    assert_eq!(json!(updates.lock().unwrap().iter().map(|n| vec![n]).collect::<Vec<_>>()), want["updates"]);
}

#[tokio::test]
async fn two_writes_of_a_plain_key_are_an_error() {
    let put = |i: i64| Function(move |_, _: Scope| async move { Ok(update(json!({"x": i}))) });
    let graph = StateGraph::new().key("x", Kind::Last).node("a", put(1)).node("b", put(2));
    let e = run(&graph.edge(START, "a").edge(START, "b").compile("g").unwrap(), RunOptions::default()).await;
    assert_eq!(json!(e.unwrap_err().message()), golden("lastvalue_conflict")["message"]);
}

#[tokio::test]
async fn what_was_sent_runs_in_order_after_what_was_pulled() {
    let worker = Function(|input: Value, _: Scope| async move {
        Ok(update(json!({"log": [format!("w{}", input.get("i").and_then(Value::as_i64).unwrap_or(0))]})))
    });
    let send = |i: i64| Target::Send(Send { node: "w".into(), input: Value::from_json(json!({"i": i})) });
    let graph =
        StateGraph::new().key("log", list()).node("w", worker).node("z", logs("z")).node("s", nothing());
    let graph =
        graph.edge(START, "s").edge("s", "z").branch("s", move |_| Ok(vec![send(3), send(1), send(2)]));
    let got = run(&graph.compile("g").unwrap(), RunOptions::default()).await.unwrap();
    assert_eq!(got.values.to_json()["log"], golden("send_order")["log"]);
}

#[tokio::test]
async fn the_recursion_limit_counts_supersteps() {
    let case = golden("recursion_limit_equal_steps");
    for (limit, key) in [(2, "limit2"), (3, "limit3"), (4, "limit4")] {
        let got = run(&chain(), RunOptions { recursion_limit: limit, ..RunOptions::default() }).await;
        match got {
            Ok(done) => assert_eq!(done.values.to_json(), case[key]["ok"]),
            Err(e) => assert_eq!(json!(e.message()), case[key]["message"], "{key}"),
        }
    }
}

#[tokio::test]
async fn a_failure_keeps_what_the_others_wrote_and_only_it_runs_again() {
    let calls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (ok, bad) = (calls.clone(), calls.clone());
    let ok = Function(move |_, _: Scope| {
        ok[0].fetch_add(1, Ordering::Relaxed);
        async { Ok(wrote("ok")) }
    });
    let bad = Function(move |_, _: Scope| {
        let first = bad[1].fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if first { Err(Error::invalid("boom").into()) } else { Ok(wrote("bad")) }
        }
    });
    let graph = StateGraph::new().key("log", list()).node("ok", ok).node("bad", bad);
    let graph = kept(graph.edge(START, "ok").edge(START, "bad"));
    let options = RunOptions::thread("1");
    let first = graph.run(Input::Values(map()), &options, &Context::new()).await;
    assert_eq!(json!(first.unwrap_err().message()), golden("failure_resume")["first"]["message"]);
    let second = graph.run(Input::Continue, &options, &Context::new()).await.unwrap();
    assert_eq!(second.values.to_json(), golden("failure_resume")["second"]["ok"]);
    assert_eq!((calls[0].load(Ordering::Relaxed), calls[1].load(Ordering::Relaxed)), (1, 2));
}

#[tokio::test]
async fn one_node_asks_twice_and_runs_from_its_top_each_time() {
    let node = Function(|_, scope: Scope| async move {
        let a = scope.interrupt("q1".into())?;
        let b = scope.interrupt("q2".into())?;
        let both = format!("{}{}", a.as_str().unwrap_or_default(), b.as_str().unwrap_or_default());
        Ok(update(json!({"log": [both]})))
    });
    let graph = kept(StateGraph::new().key("log", list()).node("n", node).edge(START, "n"));
    let case = golden("interrupt_twice_one_node");
    let (options, cx) = (RunOptions::thread("1"), Context::new());
    let one = graph.run(Input::Values(map()), &options, &cx).await.unwrap();
    assert_eq!(json!(one.interrupts[0].value.to_json()), case["out1"]["__interrupt__"][0]["value"]);
    assert_eq!((one.interrupts[0].id.len(), one.values.to_json()), (32, json!({"log": []})));
    let two = graph.run(Input::Resume("A".into()), &options, &cx).await.unwrap();
    assert_eq!(json!(two.interrupts[0].value.to_json()), case["out2"]["__interrupt__"][0]["value"]);
    assert_ne!(one.interrupts[0].id, two.interrupts[0].id);
    let three = graph.run(Input::Resume("B".into()), &options, &cx).await.unwrap();
    assert_eq!(three.values.to_json(), case["out3"]);
    assert!(three.interrupts.is_empty() && three.next.is_empty());
}

#[tokio::test]
async fn questions_asked_together_are_answered_by_their_ids() {
    let ask = |name: &'static str| {
        Function(move |_, scope: Scope| async move {
            let answer = scope.interrupt(format!("q{name}").into())?;
            Ok(update(json!({"log": [format!("{name}{}", answer.as_i64().unwrap_or(0))]})))
        })
    };
    let build = || {
        StateGraph::new()
            .key("log", list())
            .node("a", ask("a"))
            .node("b", ask("b"))
            .edge(START, "a")
            .edge(START, "b")
    };
    let case = golden("parallel_interrupts");
    let (options, cx) = (RunOptions::thread("1"), Context::new());
    let graph = kept(build());
    let asked = graph.run(Input::Values(map()), &options, &cx).await.unwrap();
    let values: Vec<_> = asked.interrupts.iter().map(|i| i.value.to_json()).collect();
    assert_eq!(json!(values), case["values"]);
    let one = graph.run(Input::Resume(Value::Int(1)), &options, &cx).await.unwrap_err();
    assert!(case["resume_single"]["message"].as_str().unwrap().starts_with(one.message()));
    let ids: Vec<_> = asked.interrupts.iter().map(|i| i.id.clone()).collect();
    let part = graph.run(Input::Resume(Value::from_json(json!({&ids[0]: 1}))), &options, &cx).await.unwrap();
    let partial = golden("parallel_interrupts_partial");
    assert_eq!(part.values.to_json()["log"], partial["resume_one"]["ok"]["log"]);
    assert_eq!(
        json!(part.interrupts[0].value.to_json()),
        partial["resume_one"]["ok"]["__interrupt__"][0]["value"]
    );
    let all = graph.run(Input::Resume(Value::from_json(json!({&ids[1]: 2}))), &options, &cx).await.unwrap();
    assert_eq!(all.values.to_json(), case["resume_map"]["ok"]);
    let without = run(&build().compile("g").unwrap(), RunOptions::default()).await.unwrap();
    assert_eq!(without.values.to_json()["log"], golden("interrupt_without_checkpointer")["ok"]["log"]);
    assert_eq!(without.interrupts.len(), 2);
}

#[tokio::test]
async fn a_run_stops_before_and_after_nodes_and_goes_on() {
    let cx = Context::new();
    let stop = |before: &[&str], after: &[&str]| RunOptions {
        interrupt_before: before.iter().map(|s| s.to_string()).collect(),
        interrupt_after: after.iter().map(|s| s.to_string()).collect(),
        ..RunOptions::thread("1")
    };
    for (case, options) in [("interrupt_before", stop(&["b"], &[])), ("interrupt_after", stop(&[], &["a"]))] {
        let graph = kept(two());
        let first = graph.run(Input::Values(map()), &options, &cx).await.unwrap();
        assert_eq!(
            (first.values.to_json(), json!(first.next)),
            (golden(case)["first"].clone(), golden(case)["next"].clone())
        );
        let second = graph.run(Input::Continue, &options, &cx).await.unwrap();
        assert_eq!(second.values.to_json(), json!({"log": ["a", "b"]}));
    }
    let (graph, options, case) = (kept(two()), stop(&["*"], &[]), golden("interrupt_before_star"));
    for (input, key) in
        [(Input::Values(map()), "first"), (Input::Continue, "second"), (Input::Continue, "third")]
    {
        assert_eq!(graph.run(input, &options, &cx).await.unwrap().values.to_json(), case[key], "{key}");
    }
}

#[tokio::test]
async fn joins_wait_and_separate_edges_do_not() {
    let base = || {
        let g = StateGraph::new()
            .key("log", list())
            .node("a", logs("a"))
            .node("b", logs("b"))
            .node("b2", logs("b2"));
        g.edge(START, "a").edge(START, "b").edge("b", "b2")
    };
    let cases = [
        ("join_list_edge", base().node("c", logs("c")).join(&["a", "b2"], "c")),
        ("two_edges_no_join", base().node("c", logs("c")).edge("a", "c").edge("b2", "c")),
        (
            "deferred_node",
            base()
                .node_with("c", Arc::new(logs("c")), NodeOptions { defer: true, ..NodeOptions::default() })
                .edge("a", "c")
                .edge("b2", "c"),
        ),
    ];
    for (case, graph) in cases {
        let got = run(&graph.compile("g").unwrap(), RunOptions::default()).await.unwrap();
        assert_eq!(got.values.to_json()["log"], golden(case)["log"], "{case}");
    }
}

#[tokio::test]
async fn commands_go_beside_edges_and_routers_see_their_own_write() {
    let goto = Function(|_, _: Scope| async {
        Ok(Outcome::Command(Command { update: log(["a"]), goto: vec![Target::Node("c".into())] }))
    });
    let graph =
        StateGraph::new().key("log", list()).node("a", goto).node("b", logs("b")).node("c", logs("c"));
    let got = run(&graph.edge(START, "a").edge("a", "b").compile("g").unwrap(), RunOptions::default())
        .await
        .unwrap();
    assert_eq!(got.values.to_json()["log"], golden("command_goto_plus_edge")["log"]);

    let one = Function(|_, _: Scope| async { Ok(update(json!({"x": 1}))) });
    let graph = StateGraph::new()
        .key("x", Kind::Last)
        .key("log", list())
        .node("a", one)
        .node("b", logs("b"))
        .edge(START, "a");
    let graph = graph.branch("a", |state| {
        Ok(if state.get("x").and_then(Value::as_i64) == Some(1) {
            vec![Target::Node("b".into())]
        } else {
            vec![]
        })
    });
    let got = run(&graph.compile("g").unwrap(), RunOptions::default()).await.unwrap();
    assert_eq!(got.values.to_json()["log"], golden("router_sees_own_write")["out"]);

    let lost = Function(|_, _: Scope| async {
        Ok(Outcome::Command(Command { update: Value::Null, goto: vec![Target::Node("zz".into())] }))
    });
    let graph = StateGraph::new().key("log", list()).node("a", lost).edge(START, "a").compile("g").unwrap();
    assert_eq!(
        run(&graph, RunOptions::default()).await.unwrap().values.to_json(),
        golden("goto_unknown")["ok"]
    );
}

#[tokio::test]
async fn what_a_node_may_answer() {
    let answer = |json: Json| {
        Function(move |_, _: Scope| {
            let json = json.clone();
            async move { Ok(update(json)) }
        })
    };
    let build = |json: Json| {
        StateGraph::new().key("log", list()).node("a", answer(json)).edge(START, "a").compile("g").unwrap()
    };
    let got = run(&build(json!({"zz": 1})), RunOptions::default()).await.unwrap();
    assert_eq!(got.values.to_json(), golden("node_returns_unknown_key")["ok"]);
    let e = run(&build(json!(5)), RunOptions::default()).await.unwrap_err();
    assert_eq!(json!(e.message()), golden("node_returns_non_dict")["message"]);
    let over =
        run(&build(json!({"log": {"__overwrite__": ["reset"]}})), RunOptions::default()).await.unwrap();
    assert_eq!(over.values.to_json(), golden("overwrite")["ok"]);
}

#[tokio::test]
async fn inputs_known_and_unknown() {
    for (case, input) in [("empty_input", json!({})), ("unknown_key_input", json!({"zz": 1}))] {
        let (graph, options, cx) = (Graph::new(chain()), RunOptions::default(), Context::new());
        let got = graph.run(Input::Values(Value::from_json(input)), &options, &cx).await;
        assert_eq!(got.unwrap().values.to_json(), golden(case)["ok"], "{case}");
    }
    let none = kept(two()).run(Input::Continue, &RunOptions::thread("1"), &Context::new()).await.unwrap_err();
    assert_eq!(json!(none.message()), golden("none_input_no_checkpoint")["message"]);
    let nameless =
        kept(two()).run(Input::Continue, &RunOptions::default(), &Context::new()).await.unwrap_err();
    assert!(nameless.to_string().contains("thread_id"));
    let resumed =
        kept(one()).run(Input::Resume("v".into()), &RunOptions::thread("1"), &Context::new()).await.unwrap();
    assert_eq!(resumed.values.to_json(), golden("invoke_with_unknown_resume_no_interrupt")["ok"]);
}

#[tokio::test]
async fn threads_go_on_from_turn_to_turn_and_from_old_checkpoints() {
    let checkpoints = Arc::new(InMemory::new());
    let graph = Graph::with_checkpointer(two().compile("g").unwrap(), checkpoints.clone());
    let (options, cx) = (RunOptions::thread("1"), Context::new());
    graph.run(Input::Values(map()), &options, &cx).await.unwrap();
    let turn = Input::Values(Value::from_json(json!({"log": ["turn2"]})));
    let second = graph.run(turn, &options, &cx).await.unwrap();
    assert_eq!(second.values.to_json(), golden("invoke_second_turn_keeps_state")["values"]);

    use lyceum_core::{Checkpointer, ThreadKey};
    let key = ThreadKey { thread: "1".into(), namespace: "".into() };
    let rows: Vec<_> =
        checkpoints.list(&key, 4).await.unwrap().iter().rev().map(|c| (c.step, c.source.as_str())).collect();
    assert_eq!(rows, [(3, "input"), (4, "loop"), (5, "loop"), (6, "loop")]);

    let fresh = Arc::new(InMemory::new());
    let graph = Graph::with_checkpointer(chain(), fresh.clone());
    graph.run(Input::Values(map()), &options, &cx).await.unwrap();
    let all = fresh.list(&key, 10).await.unwrap();
    let steps: Vec<_> = all.iter().map(|c| json!([c.step, c.source.as_str()])).collect();
    assert_eq!(steps.len(), 5);
    assert_eq!(steps[4], golden("durability_sync")["checkpoints"][3]);
    let after_a = all.iter().find(|c| c.step == 1).unwrap().id.to_string();
    let (names, watch) = updates();
    let again = RunOptions { checkpoint: Some(after_a.clone()), watch: Some(watch), ..options };
    let replayed = graph.run(Input::Continue, &again, &cx).await.unwrap();
    assert_eq!(*names.lock().unwrap(), ["b", "c"]);
    assert_eq!(replayed.values.to_json()["log"], json!(["a", "b", "c"]));
    let rows = fresh.list(&key, 10).await.unwrap();
    assert_eq!(rows.len(), 7, "the replay is appended");
    assert_eq!(rows[1].parent.as_deref(), Some(after_a.as_str()));
}

#[tokio::test]
async fn a_new_turn_drops_the_question_of_the_last() {
    let ask = Function(|_, scope: Scope| async move {
        scope.interrupt("qa".into())?;
        Ok(wrote("a"))
    });
    let graph = kept(StateGraph::new().key("log", list()).node("a", ask).edge(START, "a"));
    let (options, cx) = (RunOptions::thread("1"), Context::new());
    graph.run(Input::Values(map()), &options, &cx).await.unwrap();
    let turn = Input::Values(Value::from_json(json!({"log": ["new"]})));
    let got = graph.run(turn, &options, &cx).await.unwrap();
    assert_eq!(got.values.to_json()["log"], golden("input_over_pending_interrupt")["ok"][0]["log"]);
    assert_eq!(got.interrupts.len(), 1);
    let done = graph.run(Input::Resume(Value::Null), &options, &cx).await.unwrap();
    assert_eq!(done.values.to_json()["log"], json!(["new", "a"]));
}

/// An answer reaches the question that waits in the checkpoint that is named.
#[tokio::test]
async fn an_answer_may_name_the_checkpoint_that_waits() {
    let ask = Function(|_, scope: Scope| async move {
        let answer = scope.interrupt("qa".into())?;
        Ok(wrote(answer.as_str().unwrap_or("none")))
    });
    let checkpoints = Arc::new(InMemory::new());
    let state = StateGraph::new().key("log", list()).node("a", ask).edge(START, "a");
    let graph = Graph::with_checkpointer(state.compile("g").unwrap(), checkpoints.clone());
    let (options, cx) = (RunOptions::thread("1"), Context::new());
    let asked = graph.run(Input::Values(map()), &options, &cx).await.unwrap();
    assert_eq!(asked.interrupts.len(), 1);
    use lyceum_core::{Checkpointer, ThreadKey};
    let key = ThreadKey { thread: "1".into(), namespace: "".into() };
    let newest = checkpoints.list(&key, 1).await.unwrap()[0].id.to_string();
    let named = RunOptions { checkpoint: Some(newest), ..options };
    let done = graph.run(Input::Resume("yes".into()), &named, &cx).await.unwrap();
    assert_eq!(done.values.to_json()["log"], json!(["yes"]));
    assert!(done.interrupts.is_empty());
}

#[tokio::test]
async fn transient_errors_are_tried_again_and_others_not() {
    let fails = |kind: ErrorKind, calls: Arc<AtomicUsize>| {
        Function(move |_, _: Scope| {
            let n = calls.fetch_add(1, Ordering::Relaxed) + 1;
            async move { if n < 3 { Err(Error::new(kind, "v").into()) } else { Ok(wrote("ok3")) } }
        })
    };
    let policy = RetryPolicy { initial_interval: Duration::from_millis(1), ..RetryPolicy::default() };
    let build = |kind, calls: &Arc<AtomicUsize>| {
        let options = NodeOptions { retry: Some(policy.clone()), ..NodeOptions::default() };
        let g = StateGraph::new().key("log", list()).node_with(
            "a",
            Arc::new(fails(kind, calls.clone())),
            options,
        );
        g.edge(START, "a").compile("g").unwrap()
    };
    let calls = Arc::new(AtomicUsize::new(0));
    let got = run(&build(ErrorKind::Unavailable, &calls), RunOptions::default()).await.unwrap();
    assert_eq!(got.values.to_json(), golden("retry_connection_error")["ok"]);
    let calls = Arc::new(AtomicUsize::new(0));
    assert!(run(&build(ErrorKind::Invalid, &calls), RunOptions::default()).await.is_err());
    assert_eq!(json!(calls.load(Ordering::Relaxed)), golden("retry_value_error_not_retried")["calls"]);
}

#[test]
fn wrong_graphs_are_refused_before_they_run() {
    let e = two().edge("b", "zz").compile("g").map(|_| ()).unwrap_err();
    assert_eq!(json!(e.message()), golden("compile_unknown_edge")["message"]);
    let e = StateGraph::new().node("a", logs("a")).compile("g").map(|_| ()).unwrap_err();
    assert_eq!(json!(e.message()), golden("compile_no_entry")["message"]);
    let e = two().edge("b", "aa").compile("g").map(|_| ()).unwrap_err();
    assert!(e.to_string().contains("`a`"), "{e}");
}

/// Keeps the first checkpoint and forgets the rest: the process ended there.
struct OnlyTheInput(InMemory);

#[async_trait::async_trait]
impl lyceum_core::Checkpointer for OnlyTheInput {
    async fn get(
        &self,
        key: &lyceum_core::ThreadKey,
        id: Option<&str>,
    ) -> lyceum_core::Result<Option<(lyceum_core::Checkpoint, Vec<lyceum_core::TaskWrites>)>> {
        self.0.get(key, id).await
    }
    async fn put(
        &self,
        key: &lyceum_core::ThreadKey,
        checkpoint: &lyceum_core::Checkpoint,
    ) -> lyceum_core::Result<()> {
        if checkpoint.source == lyceum_core::CheckpointSource::Input {
            return self.0.put(key, checkpoint).await;
        }
        Err(Error::new(ErrorKind::Unavailable, "gone"))
    }
    async fn put_writes(
        &self,
        _: &lyceum_core::ThreadKey,
        _: &str,
        _: &lyceum_core::TaskWrites,
    ) -> lyceum_core::Result<()> {
        Ok(())
    }
    async fn list(
        &self,
        key: &lyceum_core::ThreadKey,
        limit: usize,
    ) -> lyceum_core::Result<Vec<lyceum_core::Checkpoint>> {
        self.0.list(key, limit).await
    }
}

#[tokio::test]
async fn an_input_that_was_kept_is_not_lost() {
    use lyceum_core::{Checkpointer, ThreadKey};
    let (options, cx) = (RunOptions::thread("1"), Context::new());
    let dead = Arc::new(OnlyTheInput(InMemory::new()));
    let graph = Graph::with_checkpointer(two().compile("g").unwrap(), dead.clone());
    let input = Input::Values(Value::from_json(json!({"log": ["in"]})));
    assert_eq!(graph.run(input, &options, &cx).await.unwrap_err().message(), "gone");
    let key = ThreadKey { thread: "1".into(), namespace: "".into() };
    let alive = Arc::new(InMemory::new());
    let kept = dead.list(&key, 9).await.unwrap();
    assert_eq!(kept.len(), 1);
    alive.put(&key, &kept[0]).await.unwrap();
    let graph = Graph::with_checkpointer(two().compile("g").unwrap(), alive);
    // Where it was to stop, it has not stopped yet.
    let stops = RunOptions { interrupt_before: vec!["a".into()], ..options.clone() };
    let stopped = graph.run(Input::Continue, &stops, &cx).await.unwrap();
    assert_eq!((stopped.values.to_json(), stopped.next), (json!({"log": ["in"]}), vec!["a".into()]));
    let done = graph.run(Input::Continue, &stops, &cx).await.unwrap();
    assert_eq!(done.values.to_json(), json!({"log": ["in", "a", "b"]}));
}

//! Runs in the database: trees, ids, filters, many and large ones, retention, and a writer that is killed.
#![allow(clippy::unwrap_used, reason = "tests")]

use lyceum_core::{Context, Error, ErrorKind, Map, Run, RunId, RunKind, RunStatus, Tracer, Value, facts};
use lyceum_store::db::{Db, Filter, TraceContent, TraceReader, TraceSettings, Traces};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

fn open(path: &Path, settings: TraceSettings) -> (Arc<Traces>, Context) {
    let traces = Arc::new(Traces::open(path, settings).unwrap());
    let cx = Context::new().with_tracer(traces.clone());
    (traces, cx)
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.into_iter().map(|(k, v)| (k.into(), v)).collect()
}

fn names(reader: &TraceReader, filter: &Filter) -> Vec<String> {
    reader.list(filter).unwrap().runs.into_iter().map(|r| r.name).collect()
}

/// A conversation of one model call and a tool that fails, and one root that waits.
/// No ids where a full queue kept a run out.
fn small_tree(cx: &Context) -> Option<(RunId, RunId)> {
    let root = cx.span(RunKind::Chain, "answer", || ("why?".into(), map([(facts::THREAD, "t1".into())])));
    let model =
        root.cx().span(RunKind::Model, "smollm2", || ("why?".into(), map([("temperature", 0.5.into())])));
    let ids = root.id().zip(model.id());
    model.finish(Ok(&"because".into()), || {
        map([
            (facts::PROMPT_TOKENS, Value::Int(3)),
            (facts::COMPLETION_TOKENS, Value::Int(5)),
            (facts::ADAPTER, "triage".into()),
            (facts::COST, Value::Float(0.25)),
        ])
    });
    let tool = root.cx().span(RunKind::Tool, "search", || (Value::Int(1), Map::new()));
    tool.event("tried", || Value::Int(1));
    tool.finish(Err(&Error::new(ErrorKind::Unavailable, "nobody answers")), Map::new);
    root.finish(Ok(&"because".into()), Map::new);
    let asks = cx.span(RunKind::Chain, "asks", || (Value::Null, Map::new()));
    asks.finish_as(RunStatus::Interrupted, &"sure?".into(), None, Map::new);
    ids
}

#[test]
fn trees_contents_and_events_are_read_back_while_the_writer_lives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let (traces, cx) = open(&path, TraceSettings::default());
    let (root, model) = small_tree(&cx).unwrap();
    let under_way = cx.span(RunKind::Training, "teach", || (Value::Null, Map::new()));
    under_way.event("step", || map([("loss", 0.5.into())]).into());
    assert!(traces.flush());
    let reader = TraceReader::open(&path).unwrap();

    let tree = reader.trace(&model.to_string()).unwrap();
    let lines: Vec<_> =
        tree.iter().map(|r| (r.name.as_str(), r.run_type.as_str(), r.status.as_str())).collect();
    let expected =
        [("answer", "chain", "success"), ("smollm2", "llm", "success"), ("search", "tool", "error")];
    assert_eq!(lines, expected);
    assert!(tree.iter().all(|r| r.trace_id == root.to_string()));
    assert_eq!(tree[0].thread_id.as_deref(), Some("t1"));
    assert_eq!((tree[1].prompt_tokens, tree[1].completion_tokens), (Some(3), Some(5)));
    assert_eq!((tree[1].adapter.as_deref(), tree[1].cost), (Some("triage"), Some(0.25)));
    assert_eq!(tree[1].metadata["temperature"], 0.5);
    assert_eq!(tree[2].error.as_deref(), Some("unavailable: nobody answers"));
    assert_eq!(tree[1].parent_run_id, Some(root.to_string()));

    let id = root.to_string();
    assert_eq!(reader.content(&id[24..32]).unwrap().outputs.unwrap().text, "\"because\"");
    assert_eq!(reader.find(&id[..20]).unwrap().id, id);
    assert_eq!(reader.events(&tree[2].id, 0).unwrap()[0].name, "tried");
    let steps = reader.events(&under_way.id().unwrap().to_string(), 0).unwrap();
    assert_eq!(steps[0].data["loss"], 0.5);
    assert!(reader.events(&under_way.id().unwrap().to_string(), steps[0].id).unwrap().is_empty());
    assert_eq!(reader.find("ffff0000").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(reader.find("'; drop").unwrap_err().kind(), ErrorKind::Invalid);

    let all = Filter::default();
    assert_eq!(names(&reader, &all), ["teach", "asks", "search", "smollm2", "answer"]);
    let only = |f: Filter| names(&reader, &f);
    assert_eq!(only(Filter { root_only: true, ..all.clone() }), ["teach", "asks", "answer"]);
    assert_eq!(only(Filter { kind: Some(RunKind::Model), ..all.clone() }), ["smollm2"]);
    for (status, name) in
        [(RunStatus::Running, "teach"), (RunStatus::Interrupted, "asks"), (RunStatus::Error, "search")]
    {
        assert_eq!(only(Filter { status: Some(status), ..all.clone() }), [name]);
    }
    assert_eq!(only(Filter { thread: Some("t1".into()), ..all.clone() }), ["answer"]);
    assert_eq!(only(Filter { name: Some("search".into()), ..all.clone() }), ["search"]);
    assert_eq!(only(Filter { parent: Some(id), ..all.clone() }), ["search", "smollm2"]);
    assert_eq!(only(Filter { text: Some("NOBODY".into()), ..all.clone() }), ["search"]);
    let later = SystemTime::now() + Duration::from_secs(60);
    assert!(only(Filter { since: Some(later), ..all.clone() }).is_empty());
    let page = reader.list(&Filter { limit: 3, ..all.clone() }).unwrap();
    assert_eq!(only(Filter { before: page.next, ..all }), ["smollm2", "answer"]);

    assert_eq!(traces.dropped(), 0);
    let stats = reader.stats().unwrap();
    assert_eq!((stats.runs, stats.running, stats.dropped), (5, 1, 0));
}

#[test]
fn what_has_not_ended_when_its_writer_ends_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let traces = Traces::open(&path, TraceSettings::default()).unwrap();
    assert!(traces.start(Run {
        id: RunId::next(),
        parent: None,
        kind: RunKind::Chain,
        name: "left".into(),
        input: Value::Null,
        metadata: Map::new(),
        start: SystemTime::now(),
    }));
    assert!(traces.flush());
    let reader = TraceReader::open(&path).unwrap();
    assert_eq!(reader.list(&Filter::default()).unwrap().runs[0].status, RunStatus::Running);
    drop(traces);
    assert_eq!(reader.list(&Filter::default()).unwrap().runs[0].status, RunStatus::Interrupted);
}

#[test]
fn redacted_and_off_keep_no_words_and_nothing_keeps_keys() {
    for content in TraceContent::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lyceum.db");
        let (traces, cx) = open(&path, TraceSettings { content, ..TraceSettings::default() });
        let secret = "sk-abcdefghijklmnopqrstuvwx";
        let said = format!("my canary says {secret}");
        let about =
            || (said.as_str().into(), map([("note", secret.into()), ("api_key", "plain-canary-key".into())]));
        let span = cx.span(RunKind::Model, "m", about);
        span.event("said", || map([("text", said.as_str().into()), ("n", Value::Int(7))]).into());
        span.finish(Err(&Error::invalid(format!("cannot read {said}"))), Map::new);
        let span = cx.span(RunKind::Model, "m", || (Value::Null, Map::new()));
        span.finish(Ok(&map([("role", "user".into()), ("content", said.as_str().into())]).into()), Map::new);
        drop(cx);
        drop(traces);
        let file = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&file);
        assert!(!text.contains("abcdefghijklmnop") && !text.contains("plain-canary-key"), "{content:?}");
        assert_eq!(text.contains("my canary says"), content == TraceContent::Full, "{content:?}");
        let reader = TraceReader::open(&path).unwrap();
        let runs = reader.list(&Filter::default()).unwrap().runs;
        assert_eq!(runs.len(), 2);
        let outputs = reader.content(&runs[0].id).unwrap().outputs.map(|b| b.text);
        match content {
            TraceContent::Full => assert!(outputs.unwrap().contains("my canary says sk-***")),
            TraceContent::Redacted => {
                assert_eq!(outputs.unwrap(), r#"{"role":"user","content":"<42 characters>"}"#);
            }
            TraceContent::Off => assert_eq!(outputs, None),
        }
        assert_eq!(reader.events(&runs[1].id, 0).unwrap()[0].data["n"], 7);
    }
}

#[test]
fn ten_thousand_runs_and_outputs_of_five_megabytes_list_fast() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let settings = TraceSettings { max_content_bytes: 6 << 20, ..TraceSettings::default() };
    let (traces, cx) = open(&path, settings);
    let big: Value = "x".repeat(5 << 20).into();
    let mut id = String::new();
    for i in 0..10_050 {
        let span = cx.span(RunKind::Model, "m", || (format!("question {i}").into(), Map::new()));
        let large = i % 1000 == 0;
        if large {
            id = span.id().unwrap().to_string();
        }
        span.finish(Ok(if large { &big } else { &Value::Int(1) }), Map::new);
        if i % 1000 == 0 {
            assert!(traces.flush());
        }
    }
    assert!(traces.flush());
    assert_eq!(traces.dropped(), 0);
    let reader = TraceReader::open(&path).unwrap();
    let began = Instant::now();
    let page = reader.list(&Filter { root_only: true, ..Filter::default() }).unwrap();
    eprintln!("the newest 100 of 10,050 runs: {:.2?}", began.elapsed());
    assert_eq!(page.runs.len(), 100);
    let (began, mut all, mut filter) = (Instant::now(), 0, Filter { limit: 1000, ..Filter::default() });
    loop {
        let page = reader.list(&filter).unwrap();
        all += page.runs.len();
        filter.before = page.next;
        if filter.before.is_none() {
            break;
        }
    }
    eprintln!("all 10,050 runs in pages of 1000: {:.2?}", began.elapsed());
    assert_eq!(all, 10_050);
    let whole = reader.content(&id).unwrap().outputs.unwrap();
    assert!(!whole.is_cut() && whole.bytes == (5 << 20) + 2);
    let shown = reader.find(&id).unwrap().output_preview.unwrap();
    assert!(shown.len() < 700, "{}", shown.len());
}

#[test]
fn what_is_longer_than_the_limit_is_cut_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let (traces, cx) = open(&path, TraceSettings { max_content_bytes: 100, ..TraceSettings::default() });
    let span = cx.span(RunKind::Model, "m", || ("é".repeat(500).into(), Map::new()));
    let id = span.id().unwrap().to_string();
    span.finish(Ok(&"short".into()), Map::new);
    assert!(traces.flush());
    let reader = TraceReader::open(&path).unwrap();
    let content = reader.content(&id).unwrap();
    let inputs = content.inputs.unwrap();
    assert!(inputs.is_cut() && inputs.bytes == 1002 && inputs.text.len() <= 100);
    assert_eq!(inputs.to_json()["bytes"], 1002);
    assert_eq!(content.outputs.unwrap().to_json(), "short");
}

#[test]
fn old_trees_go_whole_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let (traces, cx) = open(&path, TraceSettings::default());
    for i in 0..100 {
        let root = cx.span(RunKind::Chain, &format!("root {i}"), || (Value::Int(i), Map::new()));
        for _ in 0..4 {
            let below = root.cx().span(RunKind::Model, "m", || (Value::Int(i), Map::new()));
            below.event("e", || Value::Null);
            below.finish(Ok(&Value::Int(i)), Map::new);
        }
        root.finish(Ok(&Value::Int(i)), Map::new);
    }
    drop(cx);
    drop(traces);
    let (traces, cx) = open(&path, TraceSettings { keep_runs: 50, ..TraceSettings::default() });
    let reader = TraceReader::open(&path).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while reader.stats().unwrap().runs > 50 && Instant::now() < until {
        // It removes a batch whenever it has written.
        cx.span(RunKind::Tool, "tick", || (Value::Null, Map::new())).finish(Ok(&Value::Null), Map::new);
        assert!(traces.flush());
    }
    let roots = names(&reader, &Filter { root_only: true, kind: Some(RunKind::Chain), ..Filter::default() });
    assert_eq!(roots[0], "root 99");
    assert!(roots.len() <= 10, "{}", roots.len());
    for run in reader.list(&Filter { limit: 1000, ..Filter::default() }).unwrap().runs {
        let tree = reader.trace(&run.id).unwrap();
        assert!(tree[0].parent_run_id.is_none(), "a run without its top");
        assert_eq!(reader.events(&run.id, 0).unwrap().len(), usize::from(run.name == "m"));
    }
    Db::open(&path).unwrap().integrity_check().unwrap();
}

#[test]
fn reading_goes_on_beside_writing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let (traces, cx) = open(&path, TraceSettings::default());
    let reader = TraceReader::open(&path).unwrap();
    let writing = std::thread::spawn(move || {
        for tree in 0..3000 {
            small_tree(&cx);
            // Recording never waits and drops what a slow disk cannot take: here every run is counted, so wait for it.
            if tree % 100 == 99 && !traces.flush() {
                return false;
            }
        }
        true
    });
    let mut seen = 0;
    while !writing.is_finished() {
        let page = reader.list(&Filter { root_only: true, ..Filter::default() }).unwrap();
        for run in page.runs.iter().filter(|r| r.name == "answer" && r.status == RunStatus::Success).take(2) {
            assert_eq!(reader.trace(&run.id).unwrap().len(), 3);
        }
        let now = reader.stats().unwrap().runs;
        assert!(now >= seen, "runs vanish: {now} after {seen}");
        seen = now;
    }
    assert!(writing.join().unwrap());
    assert_eq!(reader.stats().unwrap().runs, 12_000);
}

/// The process that the next test kills.
#[test]
#[ignore = "run by the test that kills it"]
fn writes_until_killed() {
    let path = PathBuf::from(std::env::var("LYCEUM_TRACES").unwrap());
    let (_traces, cx) = open(&path, TraceSettings::default());
    let root = cx.span(RunKind::Training, "long", || ("begun".into(), Map::new()));
    loop {
        small_tree(root.cx());
        std::thread::sleep(Duration::from_micros(50));
    }
}

#[test]
fn a_killed_writer_leaves_whole_rows_and_its_runs_are_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    for kills in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_killed", "--ignored"])
            .env("LYCEUM_TRACES", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        let begun = || {
            let list =
                |r: TraceReader| r.list(&Filter { name: Some("long".into()), ..Filter::default() }).ok();
            TraceReader::open(&path).ok().and_then(list).map_or(0, |p| p.runs.len())
        };
        while begun() < kills {
            assert!(Instant::now() < until, "it writes nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(150));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let reader = TraceReader::open(&path).unwrap();
    let long = reader.list(&Filter { name: Some("long".into()), ..Filter::default() }).unwrap().runs;
    assert_eq!(long.len(), 3);
    for run in &long {
        assert_eq!(run.status, RunStatus::Interrupted);
        assert!(run.error.as_deref().unwrap().contains("process ended"));
    }
    let running = Filter { status: Some(RunStatus::Running), ..Filter::default() };
    assert!(names(&reader, &running).is_empty());
    let good = Filter { status: Some(RunStatus::Success), limit: 1000, ..Filter::default() };
    for run in reader.list(&good).unwrap().runs {
        assert!(run.end_ns.is_some() && reader.content(&run.id).unwrap().outputs.is_some());
    }
    Db::open(&path).unwrap().integrity_check().unwrap();
    // The next writer says it in the rows themselves.
    drop(Traces::open(&path, TraceSettings::default()).unwrap());
    assert!(!dir.path().join("lyceum.db.writers").exists(), "locks of the dead are left");
    let db = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM runs WHERE status = 'running'"), 0);
    assert_eq!(count("SELECT count(*) FROM trace_writers"), 0);
}

#[test]
fn a_tracer_of_a_broken_database_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    std::fs::write(&path, vec![7u8; 8192]).unwrap();
    assert_eq!(Traces::open(&path, TraceSettings::default()).err().unwrap().kind(), ErrorKind::Corrupt);
    assert_eq!(TraceReader::open(&path).err().unwrap().kind(), ErrorKind::Corrupt);
    let none = TraceReader::open(dir.path().join("none.db")).err().unwrap();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let quiet: &dyn Tracer = &lyceum_core::NoTracer;
    assert!(!quiet.wants(RunKind::Chain));
}

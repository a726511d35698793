//! `lyceum graph` as a process: runs, questions and threads that outlive it, faults at their lines, drawings.

mod support;

use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{end_of, lyceum, refused};

const PROJECT: &str = "\
compose:
  answer: {graph: answer.yaml}
  pages: {documents: pages, size: 200, overlap: 20}
  shout: {chain: [{expr: input | upper}]}
";

const ANSWER: &str = "\
description: Answers from the pages.
state:
  question: text
  pages: list
  approved: any
  reply: text
input: [question]
output: [reply]
nodes:
  look_up: {retrieve: pages, query: \"{{ question }}\", k: 1, save: pages}
  approve: {ask: {question: Send?, page: \"{{ pages[0].source }}\"}, save: approved}
  send: {set: {reply: \"pages[0].text if approved else 'no'\"}}
edges:
  - START -> look_up -> approve -> send -> END
";

/// A project with a graph, documents and a chain.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("pages")).unwrap();
    for (name, text) in [
        ("lyceum.yaml", PROJECT),
        ("answer.yaml", ANSWER),
        ("pages/tea.md", "# Tea\nTea is served at five.\n"),
        ("pages/rooms.md", "# Rooms\nRooms are booked in the calendar.\n"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// What the program says with `--json`; fails unless it ends well.
#[track_caller]
fn answered(dir: &Path, args: &[&str]) -> Json {
    let out = lyceum(dir, &[args, &["--json"]].concat()).output().unwrap();
    let (code, said) = end_of(&out);
    assert_eq!(code, 0, "{args:?}: {said}");
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn a_question_outlives_the_process_and_is_answered_once() {
    let dir = project();
    let run = ["graph", "run", "answer", "--thread", "t1"];
    let question = json!({"question": "when is tea?"}).to_string();
    let asked = answered(dir.path(), &[&run[..], &["--input", &question]].concat());
    assert_eq!((&asked["status"], &asked["ran"]), (&json!("waiting"), &json!(["look_up"])));
    assert_eq!(asked["interrupts"][0]["value"], json!({"question": "Send?", "page": "tea.md"}));
    assert_eq!((&asked["thread"], &asked["next"]), (&json!("t1"), &json!(["approve"])));

    // Asked again without an answer, it still waits.
    assert_eq!(answered(dir.path(), &run)["interrupts"], asked["interrupts"]);
    let done = answered(dir.path(), &[&run[..], &["--resume", "true"]].concat());
    assert_eq!((&done["status"], &done["ran"]), (&json!("done"), &json!(["approve", "send"])));
    assert_eq!(done["output"], json!({"reply": "Tea is served at five."}));

    let resume = [&run[..], &["--resume", "true"]].concat();
    let says = "nothing waits for an answer on thread `t1`\n  hint: --input begins a new turn";
    refused(dir.path(), &resume, 2, says);
    let says = "thread `t1` has ended: there is nothing to go on with\n  hint: --input begins a new turn";
    refused(dir.path(), &run, 2, says);
    let says = "graph `answer` has no thread `t2`\n  hint: --input begins it";
    refused(dir.path(), &["graph", "run", "answer", "--thread", "t2"], 2, says);
    let unknown = ["graph", "run", "answer", "--thread", "t2", "--resume", "1"];
    refused(dir.path(), &unknown, 2, "graph `answer` has no thread `t2`");
}

#[test]
fn a_person_is_told_how_to_answer() {
    let dir = project();
    let input = ["--input", r#"{"question": "rooms"}"#];
    let out = lyceum(dir.path(), &[&["graph", "run", "answer"][..], &input].concat()).output().unwrap();
    let (code, said) = end_of(&out);
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(code == 0 && said.contains("look_up: pages = ["), "{said}");
    let again = shown.lines().last().unwrap().strip_prefix("answer: lyceum ").unwrap();
    let again: Vec<&str> = again.split(' ').map(|w| if w == "JSON" { "false" } else { w }).collect();
    assert_eq!(answered(dir.path(), &again)["output"], json!({"reply": "no"}));
}

#[test]
fn a_run_that_is_killed_goes_on_from_its_last_superstep() {
    let dir = tempfile::tempdir().unwrap();
    let text = "\
state: {n: {type: integer, default: 0}}
nodes: {count: {set: {n: n + 1}}}
edges: [START -> count, {from: count, when: [{if: n < 9000, to: count}, {else: END}]}]
";
    std::fs::write(dir.path().join("count.yaml"), text).unwrap();
    let args = ["graph", "run", "count.yaml", "--thread", "t", "-q"];
    let begin = [&args[..], &["--input", "{}"]].concat();
    let mut child = lyceum(dir.path(), &begin).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let database = dir.path().join(".lyceum/lyceum.db-wal");
    let began = Instant::now();
    while !database.metadata().is_ok_and(|m| m.len() > 200_000) && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed while it counted");
    let done = answered(dir.path(), &args);
    assert_eq!(done["output"], json!({"n": 9000}));
    let ran = done["ran"].as_array().unwrap().len();
    assert!(ran > 0 && ran < 9000, "it went on from where it stood, {ran} left");
}

#[test]
fn an_error_leaves_the_thread_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let text = "\
state: {a: object, b: any, c: any}
nodes:
  one: {set: {b: \"'once'\"}}
  two: {set: {c: a.kez}}
edges: [START -> one -> two]
";
    let file = dir.path().join("g.yaml");
    std::fs::write(&file, text).unwrap();
    let run = ["graph", "run", "g.yaml", "--thread", "t", "-q"];
    let begin = [&run[..], &["--input", r#"{"a": {"key": 3}}"#]].concat();
    let says = "line 4:18: nodes.two.set.c: `a.kez` has no value\n  hint: `a` has the keys key\n  hint: the thread waits there: \
                `lyceum graph run g.yaml --thread t` goes on with it";
    refused(dir.path(), &begin, 2, says);
    std::fs::write(&file, text.replace("kez", "key")).unwrap();
    let done = answered(dir.path(), &run);
    assert_eq!((&done["ran"], &done["output"]["c"]), (&json!(["two"]), &json!(3)));
}

#[test]
fn faults_are_told_at_their_lines_before_anything_runs() {
    let dir = project();
    let write = |text: &str| std::fs::write(dir.path().join("answer.yaml"), text).unwrap();
    let check = ["graph", "check", "answer"];
    let says = "no graph is called `anser`\n  hint: did you mean `answer`?\n  hint: graphs are answer";
    refused(dir.path(), &["graph", "run", "anser"], 2, says);
    refused(dir.path(), &["graph", "draw", "pages"], 2, "`pages` is no graph");
    let says = "`question` is missing in the input\n  hint: --input JSON gives it";
    refused(dir.path(), &["graph", "run", "answer"], 2, says);
    let says =
        "`qestion` is no input of this graph\n  hint: did you mean `question`?\n  hint: inputs are question";
    refused(dir.path(), &["graph", "run", "answer", "--input", r#"{"qestion": "x"}"#], 2, says);
    let says = "--input: not JSON: expected value at line 1 column 1\n  hint: text is written in quotes of its own: '\"yes\"'";
    refused(dir.path(), &["graph", "run", "answer", "--input", "say tea"], 2, says);
    let says = "--thread: `../t` cannot be the name of a thread\n  hint: 1 to 128 letters, digits, -, _ and . are taken";
    refused(dir.path(), &["graph", "run", "answer", "--thread", "../t"], 2, says);
    for (from, to, says) in [
        (
            "send ->",
            "sned ->",
            "answer.yaml:14:5: edges[0]: an edge leads to `sned`, which is no node\n  hint: did you mean `send`?\n  hint: nodes are look_up, approve, send",
        ),
        (
            "retrieve: pages",
            "retrieve: page",
            "answer.yaml:10:23: nodes.look_up.retrieve: no retriever is called `page`\n  hint: did you mean `pages`?\n  hint: there are pages",
        ),
        (
            "save: approved",
            "save: aproved",
            "answer.yaml:11:74: nodes.approve.save: `aproved` is no key of the state\n  hint: did you mean `approved`?\n  hint: keys are question, pages, approved, reply",
        ),
    ] {
        write(&ANSWER.replacen(from, to, 1));
        let says = format!("./{says}");
        refused(dir.path(), &check, 2, &says);
        // The project's other commands see it too.
        refused(dir.path(), &["status"], 2, &says);
    }
    write(ANSWER);
    let checked = answered(dir.path(), &check);
    assert_eq!((&checked["nodes"], &checked["input"]["required"]), (&json!(3), &json!(["question"])));
    for (from, to, says) in [
        ("graph: answer", "graph: nswer", "lyceum.yaml:2:3: compose.answer: no graph ./nswer.yaml"),
        ("documents: pages", "documents: page", "lyceum.yaml:3:3: compose.pages: no folder ./page"),
        (
            "graph: answer.yaml",
            "grap: answer.yaml",
            "lyceum.yaml:2:12: compose.answer.grap: unknown key `grap`\n  hint: did you mean `graph`?",
        ),
        (
            "overlap: 20",
            "overlap: 200",
            "lyceum.yaml:3:49: compose.pages.overlap: 200 characters do not fit twice into 200",
        ),
        (
            "size: 200, overlap: 20",
            "language: englisch",
            "lyceum.yaml:3:39: compose.pages.language: unknown language `englisch`\n  hint: did you mean `english`?",
        ),
        ("input | upper", "input |", "lyceum.yaml:4:26: compose.shout.chain.expr: expression `input |`:"),
    ] {
        std::fs::write(dir.path().join("lyceum.yaml"), PROJECT.replacen(from, to, 1)).unwrap();
        let out = lyceum(dir.path(), &check).output().unwrap();
        let (code, said) = end_of(&out);
        let begins = said.strip_prefix("error: ").unwrap().trim_start_matches("./");
        assert!(code == 2 && begins.starts_with(says), "{to}: {said}");
    }
    assert!(!dir.path().join(".lyceum").exists(), "checks and refusals leave nothing behind");
}

#[test]
fn what_is_not_learnt_yet_is_told_when_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("rows.csv", "x,y\n1,yes\n2,no\n");
    write(
        "lyceum.yaml",
        "learn:\n  urgency:\n    model_type: gbm\n    data: rows.csv\n    input_features: [{name: x, type: number}]\n    output_features: [{name: y, type: binary}]\n",
    );
    write(
        "g.yaml",
        "state: {row: object, p: any}\nnodes:\n  ask: {predict: urgency, input: row, save: p}\nedges: [START -> ask]\n",
    );
    answered(dir.path(), &["graph", "check", "g.yaml"]);
    let run = ["graph", "run", "g.yaml", "--thread", "t", "-q", "--input", r#"{"row": {"x": 1}}"#];
    let says = "line 3:3: nodes.ask: `urgency` is not learnt yet\n  hint: run `lyceum up`\n  hint: the thread waits there: `lyceum graph run g.yaml --thread t` goes on with it";
    refused(dir.path(), &run, 2, says);
}

#[test]
fn graphs_are_drawn_and_files_without_a_project_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("g.yaml"),
        "state: {a: integer}\nnodes: {one: {set: {a: 3}}}\nedges: [START -> one]\n",
    )
    .unwrap();
    let draw = |format: &str| {
        let out = lyceum(dir.path(), &["graph", "draw", "g.yaml", "--format", format]).output().unwrap();
        assert_eq!(end_of(&out), (0, String::new()));
        String::from_utf8(out.stdout).unwrap()
    };
    assert!(draw("text").contains("│ one (set) │") && draw("svg").starts_with("<svg "));
    assert!(draw("mermaid").starts_with("flowchart TD\n    n0([\"START\"])\n    n1[\"one (set)\"]\n"));
    let drawn = answered(dir.path(), &["graph", "draw", "g.yaml"]);
    assert_eq!(drawn["layout"]["nodes"][1]["id"], "one");
    let done = answered(dir.path(), &["graph", "run", "g.yaml"]);
    assert_eq!((&done["thread"], &done["output"]), (&Json::Null, &json!({"a": 3})));
    assert!(!dir.path().join(".lyceum").exists());
}

#[test]
fn questions_are_listed_approved_and_denied() {
    let dir = project();
    assert_eq!(answered(dir.path(), &["approvals", "list"]), json!({"waiting": []}));
    refused(dir.path(), &["approvals", "approve"], 2, "nothing waits for an answer");
    let question = json!({"question": "when is tea?"}).to_string();
    for thread in ["one", "two", "three"] {
        answered(dir.path(), &["graph", "run", "answer", "--thread", thread, "--input", &question]);
    }
    let listed = answered(dir.path(), &["approvals", "list"]);
    let waiting = listed["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 3);
    assert_eq!((&waiting[0]["graph"], &waiting[0]["thread"]), (&json!("answer"), &json!("three")));
    assert_eq!(waiting[0]["questions"][0]["value"], json!({"question": "Send?", "page": "tea.md"}));
    let several = "3 threads wait for an answer: name one\n  hint: threads that ask are three, two, one";
    refused(dir.path(), &["approvals", "deny"], 2, several);
    refused(
        dir.path(),
        &["approvals", "deny", "twoo"],
        2,
        "nothing waits for an answer on thread `twoo`\n  hint: did you mean `two`?\n  hint: threads that ask are three, two, one",
    );

    let reply = |args: &[&str]| answered(dir.path(), args)["output"]["reply"].clone();
    assert_eq!(reply(&["approvals", "deny", "two"]), json!("no"));
    assert_eq!(reply(&["approvals", "approve", "one"]), json!("Tea is served at five."));
    assert_eq!(reply(&["approvals", "approve", "--answer", "\"yes, do\""]), json!("Tea is served at five."));
    assert_eq!(answered(dir.path(), &["approvals", "list"]), json!({"waiting": []}));
}

#[test]
fn a_chain_of_the_project_is_a_tool_of_its_graphs() {
    let dir = project();
    let graph = "\
state: {word: text, loud: text}
input: [word]
nodes:
  say: {tool: call, arguments: {text: \"{{ word }}!\"}, save: loud}
edges: [START -> say -> END]
";
    std::fs::write(dir.path().join("say.yaml"), graph).unwrap();
    let with = PROJECT.to_string() + "  call: {chain: [{expr: text | upper}]}\n";
    std::fs::write(dir.path().join("lyceum.yaml"), with).unwrap();
    let word = json!({"word": "tea"}).to_string();
    let done = answered(dir.path(), &["graph", "run", "say.yaml", "--input", &word]);
    assert_eq!(done["output"]["loud"], json!("TEA!"));
    let runs = answered(dir.path(), &["traces", "--all", "--kind", "tool"]);
    assert_eq!(runs["runs"][0]["name"], json!("call"));

    std::fs::write(dir.path().join("say.yaml"), graph.replace("tool: call", "tool: cal")).unwrap();
    let says = "say.yaml:4:15: nodes.say.tool: no tool is called `cal`\n  hint: did you mean `call`?\n  hint: there are shout, call";
    refused(dir.path(), &["graph", "check", "say.yaml"], 2, says);
}

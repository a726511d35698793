//! Graphs from YAML: what they do, and what is refused with which words at which line.

use async_trait::async_trait;
use lyceum_compose::file::{GraphFile, ModelOptions, NoParts, PartKind, Parts, chain, missing};
use lyceum_compose::graph::{Event, Finished, InMemory, Input, RunOptions};
use lyceum_core::{Context, Result, Runnable, Signature, Value, laws};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

fn value(json: Json) -> Value {
    Value::from_json(json)
}

/// Says what it was given, after its name; a model called `json` answers with JSON.
struct Echo(String);

#[async_trait]
impl Runnable for Echo {
    fn name(&self) -> &str {
        &self.0
    }
    fn signature(&self) -> Signature {
        Signature::any()
    }
    async fn invoke(&self, input: Value, _: &Context) -> Result<Value> {
        Ok(match self.0.as_str() {
            "json" => "```json\n{\"product\": \"billing\", \"n\": 3}\n```".into(),
            "urgency" => value(json!({"urgent_predictions": true, "urgent_probabilities_True": 0.9})),
            "handbook" => {
                value(json!([{"text": format!("page about {}", input.as_str().unwrap()), "score": 1.0}]))
            }
            "add" => {
                let n = |k| input.get(k).and_then(Value::as_i64).unwrap();
                Value::Int(n("a") + n("b"))
            }
            name => format!("{name}: {}", input.to_json()).into(),
        })
    }
}

struct Fixed;

impl Parts for Fixed {
    fn names(&self, kind: PartKind) -> Vec<String> {
        let names: &[&str] = match kind {
            PartKind::Model => &["base", "json"],
            PartKind::Predictor => &["urgency"],
            PartKind::Retriever => &["handbook"],
            PartKind::Tool => &["add"],
        };
        names.iter().map(|n| n.to_string()).collect()
    }
    fn model(&self, name: &str, _: &ModelOptions) -> Result<Arc<dyn Runnable>> {
        Ok(Arc::new(Echo(name.into())))
    }
    fn predictor(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        Ok(Arc::new(Echo(name.into())))
    }
    fn retriever(&self, name: &str, _: usize) -> Result<Arc<dyn Runnable>> {
        Ok(Arc::new(Echo(name.into())))
    }
    fn tool(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        Ok(Arc::new(Echo(name.into())))
    }
}

const ANSWER: &str = r#"
name: answer
description: Answers a ticket.
state:
  ticket: object
  urgency: number
  triage: object
  documents: {type: list, reducer: append}
  draft: text
  approval: any
  sum: {type: integer, reducer: sum}
  reply: text
input: [ticket]
output: [reply, sum]
nodes:
  urgency: {predict: urgency, input: ticket, save: {urgency: output.urgent_probabilities_True}}
  triage:
    model: json
    messages:
      - {role: system, content: Triage.}
      - {role: user, content: "{{ ticket.subject }}"}
    schema: {type: object, required: [product], properties: {n: {type: integer}}}
    save: triage
  look_up: {retrieve: handbook, query: "{{ ticket.subject }}", save: documents}
  count: {tool: add, arguments: {a: 1, b: "{{ triage.n }}"}, save: sum}
  draft: {model: base, prompt: "{{ documents[0].text }} for {{ triage.product }}", save: draft}
  approve: {ask: {question: Send this?, draft: "{{ draft }}", sum: "{{ sum }}"}, save: approval}
  reply: {set: {reply: "approval.text if approval else draft"}}
edges:
  - START -> urgency & triage & look_up -> count -> draft
  - from: draft
    when:
      - {if: urgency >= 0.5, to: approve}
      - {else: reply}
  - approve -> reply -> END
"#;

async fn run(graph: &GraphFile, input: Json) -> Result<Finished> {
    graph.graph().run(Input::Values(value(input)), &RunOptions::default(), &Context::new()).await
}

#[tokio::test]
async fn a_graph_of_every_kind_runs_asks_and_goes_on() {
    let file = GraphFile::parse(ANSWER, "file", &Fixed).unwrap();
    assert_eq!((file.name(), file.description()), ("answer", Some("Answers a ticket.")));
    let graph = file.graph_on(Arc::new(InMemory::new()));
    let (cx, seen) = (Context::new(), Arc::new(Mutex::new(Vec::new())));
    let watch = seen.clone();
    let options = RunOptions {
        watch: Some(Arc::new(move |e| {
            if let Event::Update(node, _) = e {
                watch.lock().unwrap().push(node.to_string());
            }
        })),
        ..RunOptions::thread("t")
    };
    let input = value(json!({"ticket": {"subject": "refunds"}}));
    let asked = graph.run(Input::Values(input), &options, &cx).await.unwrap();
    let question =
        json!({"question": "Send this?", "draft": "base: \"page about refunds for billing\"", "sum": 4});
    assert_eq!(asked.interrupts[0].value.to_json(), question);
    let done = graph.run(Input::Resume(value(json!({"text": "No."}))), &options, &cx).await.unwrap();
    assert_eq!(file.output(&done.values).to_json(), json!({"reply": "No.", "sum": 4}));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert_eq!(seen[3..], ["count", "draft", "approve", "reply"]);
}

#[tokio::test]
async fn a_graph_is_a_runnable_with_schemas() {
    let calm = ANSWER.replace("urgency >= 0.5", "urgency > 0.95");
    let file = GraphFile::parse(&calm, "file", &Fixed).unwrap();
    let input = value(json!({"ticket": {"subject": "seats"}}));
    laws::runnable(&file, std::slice::from_ref(&input)).await.unwrap();
    let out = file.invoke(input.clone(), &Context::new()).await.unwrap();
    assert_eq!(out.to_json(), json!({"reply": "base: \"page about seats for billing\"", "sum": 4}));
    let Signature { input: schema, output, .. } = file.signature();
    assert_eq!(schema.0["required"], json!(["ticket"]));
    assert_eq!(schema.0["properties"]["ticket"]["type"], "object");
    assert_eq!(output.0["properties"]["sum"]["type"], "integer");
    let asks = GraphFile::parse(ANSWER, "file", &Fixed).unwrap();
    let e = asks.invoke(input, &Context::new()).await.unwrap_err();
    assert!(e.code() == "GRAPH_INTERRUPT" && e.to_string().contains("Send this?"), "{e}");
    for (input, says) in [
        (json!({}), "`ticket` is missing in the input"),
        (json!({"ticket": {}, "x": 1}), "`x` is no input of this graph"),
        (json!({"ticket": "text"}), "`ticket` is of type object, it was given \"text\""),
        (json!([]), "expected an object of keys, found array"),
    ] {
        let e = file.invoke(value(input), &Context::new()).await.unwrap_err();
        assert_eq!(e.message(), says);
    }
}

#[tokio::test]
async fn each_item_of_a_list_gets_a_task_and_defaults_hold() {
    let text = r#"
state:
  names: list
  name: text
  greeting: {type: text, default: Hello}
  all: {type: list, reducer: append}
  most: {type: integer, reducer: max}
  log: {type: text, reducer: concat, default: "log:"}
nodes:
  split: {set: {names: "['Ada', 'Grace']", log: "' split'"}}
  greet: {set: {all: "greeting ~ ' ' ~ name", most: "name | length"}}
  close: {set: {log: "' ' ~ all | length"}, defer: true}
edges:
  - START -> split
  - {from: split, each: names, as: name, to: greet}
  - greet -> close
"#;
    let graph = GraphFile::parse(text, "each", &NoParts).unwrap();
    let done = run(&graph, json!({})).await.unwrap().values.to_json();
    assert_eq!((&done["all"], &done["most"]), (&json!(["Hello Ada", "Hello Grace"]), &json!(5)));
    assert_eq!((&done["log"], &done["greeting"]), (&json!("log: split 2"), &json!("Hello")));
}

#[tokio::test]
async fn a_loop_ends_where_its_branch_says() {
    let text = r#"
state: {n: {type: integer, default: 0}, text: {type: text, default: ""}}
nodes:
  step: {set: {n: n + 1, text: "{{ text }}{{ n }}"}}
edges:
  - START -> step
  - {from: step, when: [{if: n < 4, to: step}, {else: END}]}
"#;
    let graph = GraphFile::parse(text, "loop", &NoParts).unwrap();
    let done = run(&graph, json!({"n": 1})).await.unwrap();
    assert_eq!(done.values.to_json(), json!({"n": 4, "text": "123"}));
}

#[tokio::test]
async fn faults_while_it_runs_name_the_line_of_the_node() {
    let text = "state: {a: object, b: number}\nnodes:\n  x:\n    set:\n      b: a.key\nedges: [START -> x]\n";
    let graph = GraphFile::parse(text, "g", &NoParts).unwrap();
    let e = run(&graph, json!({"a": {"kez": 1}})).await.unwrap_err();
    assert_eq!(e.to_string(), "line 5:10: nodes.x.set.b: `a.key` has no value\n  hint: `a` has the keys kez");
    let e = run(&graph, json!({"a": {"key": "word"}})).await.unwrap_err();
    assert_eq!(e.to_string(), "line 3:3: nodes.x: `b` is of type number, it was given \"word\"");
    let text = "state: {a: object}\nnodes:\n  x: {model: json, prompt: x, schema: {required: [other]}, save: a}\nedges: [START -> x]\n";
    let e = run(&GraphFile::parse(text, "g", &Fixed).unwrap(), json!({})).await.unwrap_err();
    assert!(e.code() == "OUTPUT_PARSING_FAILURE" && e.to_string().contains("\"other\" is a required"), "{e}");
}

#[tokio::test]
async fn chains_are_steps_one_after_another() {
    let text = r#"
- parallel:
    page: [{retrieve: handbook, query: "{{ input }}"}, {expr: "input[0].text"}]
    shout: {expr: "input | upper"}
- assign: {both: {expr: "page ~ '/' ~ shout"}}
- branch:
    - {if: "shout == 'NONE'", then: {expr: "'none'"}}
    - else: [{model: base, prompt: "{{ both }}", parse: text}, {expr: "[input, 'x']"}]
- each: {expr: "input | length"}
- fallback: [{expr: "input.no.such"}, {expr: "input | sum"}]
"#;
    let node = lyceum_data::yaml::parse(text).unwrap();
    let steps = chain(&node, "answer.chain", &Fixed).unwrap();
    let cx = Context::new();
    let out = steps.invoke("tea".into(), &cx).await.unwrap();
    assert_eq!(out, Value::Int("base: \"page about tea/TEA\"".len() as i64 + 1));
    let e = steps.invoke("none".into(), &cx).await.unwrap_err();
    assert_eq!(e.message(), "each takes a list, it was given string");
    let wrong = |text: &str| {
        chain(&lyceum_data::yaml::parse(text).unwrap(), "c", &Fixed).map(|_| ()).unwrap_err().to_string()
    };
    assert!(
        wrong("[{modl: base}]")
            .starts_with("line 1:3: c: nothing here says what the step does\n  hint: did you mean `model`?")
    );
    assert!(wrong("[]").contains("at least one step"));
    assert!(wrong("{model: base, promt: x}").contains("did you mean `prompt`?"));
}

/// A graph of two nodes with one thing changed, and what is said of it.
#[track_caller]
fn refused(from: &str, to: &str, says: &str) {
    let good = "state:\n  a: text\n  b: {type: list, reducer: append}\nnodes:\n  one: {set: {a: b.x1}}\n  two: {model: base, prompt: \"{{ a }}\", save: b}\nedges:\n  - START -> one -> two\n  - {from: two, when: [{if: a, to: one}, {else: END}]}\n";
    GraphFile::parse(good, "g", &Fixed).unwrap();
    assert!(good.contains(from), "{from}");
    let e = GraphFile::parse(&good.replacen(from, to, 1), "g", &Fixed).map(|_| ()).unwrap_err().to_string();
    assert!(e.starts_with(says), "{from} => {to}\n{e}");
}

#[test]
fn faults_of_the_state_are_told() {
    refused("a: text", "a: texd", "line 2:6: state.a: unknown type `texd`\n  hint: did you mean `text`?");
    refused(
        "a: text",
        "a: {typ: text}",
        "line 2:7: state.a.typ: unknown key `typ`\n  hint: did you mean `type`?",
    );
    refused(
        "reducer: append",
        "reducer: apend",
        "line 3:28: state.b.reducer: unknown reducer `apend`\n  hint: did you mean `append`?",
    );
    refused(
        "reducer: append",
        "reducer: sum",
        "line 3:28: state.b.reducer: `sum` joins writes of type number or integer, `b` is of type list",
    );
    refused(
        "reducer: append",
        "default: 3",
        "line 3:28: state.b.default: `b` is of type list, its default is a whole number",
    );
    refused("a: text", "output: text", "line 2:3: state.output: `output` cannot be a key of the state");
    refused("a: text", "a-b: text", "line 2:3: state.a-b: `a-b` cannot be a key");
    refused(
        "nodes:",
        "input: [aa]\nnodes:",
        "line 4:9: input: `aa` is no key of the state\n  hint: did you mean `a`?",
    );
    refused("nodes:", "node:", "line 4:1: node: unknown key `node`\n  hint: did you mean `nodes`?");
}

#[test]
fn faults_of_nodes_are_told() {
    refused("a: b.x1", "c: b.x1", "line 5:15: nodes.one.set.c: `c` is no key of the state");
    refused("a: b.x1", "a: c.x1", "line 5:18: nodes.one.set.a: unknown name `c`");
    refused("a: b.x1", "a: 'b['", "line 5:18: nodes.one.set.a: expression `b[`:");
    refused(
        "{{ a }}",
        "{{ aa }}",
        "line 6:30: nodes.two.prompt: unknown name `aa`\n  hint: did you mean `a`?",
    );
    refused("{{ a }}", "x {{ a", "line 6:30: nodes.two.prompt: the template cannot be used (line 1)");
    refused("save: b", "save: c", "line 6:47: nodes.two.save: `c` is no key of the state");
    refused(", save: b", "", "line 6:3: nodes.two: `save` is missing: what comes out would be lost");
    refused(
        "save: b",
        "save: {b: outptu.x}",
        "line 6:51: nodes.two.save.b: unknown name `outptu`\n  hint: did you mean `output`?",
    );
    refused(
        "model: base",
        "model: bse",
        "line 6:16: nodes.two.model: no model is called `bse`\n  hint: did you mean `base`?\n  hint: there are base, json",
    );
    refused(
        "model: base",
        "modl: base",
        "line 6:9: nodes.two: nothing here says what the node does\n  hint: did you mean `model`?",
    );
    refused("save: b", "sav: b", "line 6:41: nodes.two.sav: unknown key `sav`\n  hint: did you mean `save`?");
    refused("set: {a: b.x1}", "set: {a: b.x1}, save: a", "line 5:31: nodes.one.save: `set` writes by itself");
    refused(
        "set: {a: b.x1}",
        "predict: urgncy, save: a",
        "line 5:18: nodes.one.predict: no predictor is called `urgncy`\n  hint: did you mean `urgency`?",
    );
    refused(
        "set: {a: b.x1}",
        "retrieve: handbok, save: a",
        "line 5:19: nodes.one.retrieve: no retriever is called `handbok`",
    );
    refused("set: {a: b.x1}", "retrieve: handbook, save: a", "line 5:8: nodes.one.query: is missing");
    refused("set: {a: b.x1}", "tool: ad, save: a", "line 5:15: nodes.one.tool: no tool is called `ad`");
    refused("save: b", "save: b, retry: 0", "line 6:57: nodes.two.retry: expected a number of attempts");
    refused(
        "save: b",
        "save: b, retry: {errors: some}",
        "line 6:66: nodes.two.retry.errors: unknown errors `some`",
    );
    refused(
        "save: b",
        "save: b, max_tokens: x",
        "line 6:62: nodes.two.max_tokens: expected a whole number from 1, found text",
    );
    refused("save: b", "save: b, schema: {type: objct}", "line 6:58: nodes.two.schema: not a JSON schema:");
    refused("save: b", "save: b, parse: xml", "line 6:57: nodes.two.parse: unknown parser `xml`");
    refused(
        "prompt: \"{{ a }}\"",
        "messages: [{role: usr, content: x}]",
        "line 6:40: nodes.two.messages[0].role: unknown role `usr`\n  hint: did you mean `user`?",
    );
    refused(", prompt: \"{{ a }}\"", "", "line 6:16: nodes.two.model: what the model is asked is missing");
    refused("one: {", "END: {", "line 5:3: nodes.END: `END` cannot be the name of a node");
}

#[test]
fn faults_of_edges_are_told() {
    refused(
        "one -> two",
        "one -> tow",
        "line 8:5: edges[0]: an edge leads to `tow`, which is no node\n  hint: did you mean `two`?",
    );
    refused(
        "START -> one",
        "STRT -> one",
        "line 8:5: edges[0]: an edge leads on from `STRT`, which is no node\n  hint: did you mean `START`?",
    );
    refused(
        "to: one",
        "to: ones",
        "line 9:5: edges[1]: an edge leads to `ones`, which is no node\n  hint: did you mean `one`?",
    );
    refused("START -> one -> two", "START -> one -> END", "line 6:3: nodes.two: nothing leads to `two`");
    refused("START -> one", "two -> one", "edges: no edge leads on from START");
    refused(", {else: END}", "", "line 9:23: edges[1].when: the last case must be an `else`");
    refused("{if: a, to: one}", "{if: a}", "line 9:24: edges[1].when[0]: `to` is missing");
    refused("{if: a,", "{if: c,", "line 9:29: edges[1].when[0].if: unknown name `c`");
    refused(
        "{else: END}",
        "{else: one}",
        "line 5:3: nodes.one: no path leads from `one` to END: one, two would run for ever",
    );
    refused("to: one}", "to: END}, {else: one}", "line 9:42: edges[1].when[1]: `else` is the last case");
    refused("START -> one", "START - one", "line 8:5: edges[0]: an edge leads on from `START - one`");
    refused(
        "{from: two, when: [{if: a, to: one}, {else: END}]}",
        "END -> one",
        "line 9:5: edges[1]: nothing comes after END",
    );
    refused(
        "{from: two, when: [{if: a, to: one}, {else: END}]}",
        "one & -> two",
        "line 9:5: edges[1]: a name is missing in `one &`",
    );
}

#[test]
fn errors_of_parts_keep_their_kind() {
    let e = missing(PartKind::Tool, "x");
    assert_eq!((e.message(), e.kind().exit_code()), ("no tool is called `x`", 2));
}

#[test]
fn the_example_of_the_documentation_is_a_graph() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/graphs.md");
    let page = std::fs::read_to_string(path).unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let graph = GraphFile::parse(example, "example", &Fixed).unwrap();
    assert_eq!(graph.drawing().nodes.len(), 6);
}

//! `/chains/NAME` answers what LangServe answered: recorded exchanges of small runnables, replayed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use lyceum_core::{Context, Error, Result, Runnable, Schema, Signature, Value, ValueStream};
use lyceum_serve::{Limits, Server};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use support::{Running, client, get, post, send, start};

/// A runnable of a function from JSON to the chunks that it streams.
struct Small {
    name: &'static str,
    input: Json,
    output: Json,
    work: fn(Json) -> Result<Vec<Json>>,
}

#[async_trait]
impl Runnable for Small {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> Signature {
        Signature::new(Schema(self.input.clone()), Schema(self.output.clone()))
    }
    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        lyceum_core::gather(self.transform(stream::iter([Ok(input)]).boxed(), cx)).await
    }
    fn transform<'a>(&'a self, input: ValueStream<'a>, _: &'a Context) -> ValueStream<'a> {
        let chunks = async move {
            let whole = lyceum_core::gather(input).await?;
            Ok::<_, Error>(stream::iter(
                (self.work)(whole.to_json())?.into_iter().map(|c| Ok(Value::from_json(c))),
            ))
        };
        use futures_util::TryStreamExt;
        stream::once(chunks).try_flatten().boxed()
    }
}

fn recorded() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/compose/langserve.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn server() -> Running {
    let question = json!({"properties": {"question": {"title": "Question", "type": "string"}},
        "required": ["question"], "title": "PromptInput", "type": "object"});
    let typed = json!({"$defs": {"St": {"properties": {"a": {"title": "A", "type": "integer"},
        "b": {"title": "B", "type": "string"}}, "required": ["a", "b"], "title": "St", "type": "object"}},
        "$ref": "#/$defs/St", "title": "struct_input"});
    let text = |title: &str| json!({"title": title, "type": "string"});
    let small = [
        Small {
            name: "plus",
            input: json!({"title": "plus_input", "type": "integer"}),
            output: json!({"title": "plus_output", "type": "integer"}),
            work: |i| Ok(vec![json!(i.as_i64().unwrap_or(0) + 1)]),
        },
        Small {
            name: "qa",
            input: question,
            output: text("StrOutputParserOutput"),
            work: |_| Ok(["The", " ", "answer", " ", "is", " ", "42"].map(|w| json!(w)).to_vec()),
        },
        Small {
            name: "typed",
            input: typed,
            output: json!({"additionalProperties": true, "title": "struct_output", "type": "object"}),
            work: |i| Ok(vec![json!({"sum": i["a"], "s": i["b"]})]),
        },
        Small {
            name: "docs_of",
            input: text("docs_input"),
            output: json!({}),
            work: |i| {
                let about = format!("about {}", i.as_str().unwrap_or_default());
                Ok(vec![json!([
                    {"id": null, "metadata": {"source": "a.txt", "n": 1}, "page_content": about, "type": "Document"},
                    {"id": "d2", "metadata": {}, "page_content": "more", "type": "Document"}
                ])])
            },
        },
        Small {
            name: "par",
            input: json!({"type": "integer"}),
            output: json!({"type": "object"}),
            work: |i| Ok(vec![json!({"y": i}), json!({"x": i.as_i64().unwrap_or(0) + 1})]),
        },
        Small {
            name: "boom",
            input: json!({"type": "integer"}),
            output: json!({}),
            work: |_| Err(Error::internal("the secret reason")),
        },
        Small {
            name: "sboom",
            input: json!({}),
            output: json!({}),
            work: |_| Err(Error::internal("the secret reason")),
        },
    ];
    let server = Server::new(Limits::default());
    let live = server.live();
    for chain in small {
        live.chain(chain.name, Arc::new(chain));
    }
    start(server).await
}

/// What is replayed: these runnables, on the routes that are served.
fn is_ours(path: &str) -> bool {
    let routes = ["invoke", "batch", "stream", "input_schema", "output_schema", "nothing"];
    let known = ["plus", "qa", "typed", "docs_of", "par", "boom", "sboom"];
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        // The schema of documents is the reference's own class, written out.
        ["docs_of", "output_schema"] => false,
        [name, route] => known.contains(&name) && routes.contains(&route),
        _ => false,
    }
}

/// Identifiers replaced by a word, so that what differs each time is equal.
fn without_ids(mut json: Json) -> Json {
    fn walk(json: &mut Json) {
        match json {
            Json::Object(o) => {
                for (key, value) in o.iter_mut() {
                    match (key.as_str(), &mut *value) {
                        ("run_id", v) => *v = json!("id"),
                        ("run_ids", Json::Array(ids)) => ids.iter_mut().for_each(|i| *i = json!("id")),
                        (_, v) => walk(v),
                    }
                }
            }
            Json::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut json);
    json
}

/// The events of a stream as the recording writes them.
fn events(text: &str) -> Json {
    let event = |block: &str| {
        let of = |lead: &str| block.lines().find_map(|l| l.strip_prefix(lead)).map(str::trim);
        match of("data:") {
            Some(data) => json!({"event": of("event:"), "data": serde_json::from_str::<Json>(data).unwrap()}),
            None => json!({"event": of("event:")}),
        }
    };
    let blocks: Vec<Json> =
        text.split("\r\n\r\n").filter(|b| !b.trim().is_empty() && !b.starts_with(':')).map(event).collect();
    json!({ "sse_events": blocks })
}

#[tokio::test]
async fn recorded_exchanges_are_answered_alike() {
    let server = server().await;
    let mut replayed = 0;
    for exchange in recorded() {
        let (asked, told) = (&exchange["request"], &exchange["response"]);
        let path = asked["path"].as_str().unwrap();
        if !is_ours(path) {
            continue;
        }
        let path = format!("/chains{path}");
        let got = match asked["method"].as_str().unwrap() {
            "POST" => match asked["body"].get("text") {
                Some(raw) => post(&server, &path, raw.as_str().unwrap()).await,
                None => post(&server, &path, &asked["body"]).await,
            },
            _ => get(&server, &path).await,
        };
        let case = format!("{path} {}", asked["body"]);
        assert_eq!(json!(got.status), told["status"], "{case}: {}", got.text);
        for (name, value) in told["headers"].as_object().unwrap() {
            assert_eq!(got.headers[name].to_str().unwrap(), value.as_str().unwrap(), "{case}");
        }
        let (got, want) = match &told["body"] {
            Json::Object(o) if o.contains_key("text") => (json!({"text": got.text}), told["body"].clone()),
            want if want.get("sse_events").is_some() => (events(&got.text), want.clone()),
            want => (got.json(), want.clone()),
        };
        assert_eq!(without_ids(got), without_ids(want), "{case}");
        replayed += 1;
    }
    assert!(replayed >= 29, "only {replayed} exchanges were replayed");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_the_nearest_name() {
    let server = server().await;
    let got = post(&server, "/chains/pluss/invoke", json!({"input": 1})).await;
    assert_eq!(got.status, 404);
    let detail = got.json()["detail"].as_str().unwrap().to_string();
    assert!(detail.contains("no chain `pluss`") && detail.contains("did you mean `plus`"), "{detail}");
    let many = post(&server, "/chains/plus/batch", json!({"inputs": vec![1; 3000]})).await;
    assert_eq!((many.status, many.text.contains("at most 2048")), (413, true), "{}", many.text);
    let foreign =
        client().post(format!("{}/chains/plus/invoke", server.url)).header("origin", "https://evil.example");
    assert_eq!(send(foreign.body("{}")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_is_content() {
    let server = server().await;
    support::python("chains.py", &[&server.url]).await;
}

//! What a server records: model calls with their adapters, chains under the ids that they answer with, graphs with their
//! threads and tasks, predictions, embeddings.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod support;

use async_trait::async_trait;
use lyceum_compose::graph::InMemory;
use lyceum_core::{Context, Error, Result, RunKind, RunStatus, Runnable, Signature, Traced, Value};
use lyceum_serve::{Limits, Server};
use lyceum_store::db::{Filter, RunRow, TraceReader, TraceSettings, Traces};
use serde_json::json;
use std::sync::Arc;
use support::{Running, post, script, start};

/// Asks a tool; fails on what is no text.
struct Asks(Traced);

struct Shout;

#[async_trait]
impl Runnable for Shout {
    fn name(&self) -> &str {
        "shout"
    }
    fn signature(&self) -> Signature {
        Signature::any()
    }
    async fn invoke(&self, input: Value, _: &Context) -> Result<Value> {
        let text = input.as_str().ok_or_else(|| Error::invalid("expected text"))?;
        Ok(text.to_uppercase().into())
    }
}

#[async_trait]
impl Runnable for Asks {
    fn name(&self) -> &str {
        "asks"
    }
    fn signature(&self) -> Signature {
        Signature::any()
    }
    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        self.0.invoke(input, cx).await
    }
}

struct Recorded {
    server: Running,
    traces: Arc<Traces>,
    reader: TraceReader,
    _folder: tempfile::TempDir,
}

async fn recorded(server: Server) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lyceum.db");
    let traces = Arc::new(Traces::open(&path, TraceSettings::default()).unwrap());
    let server = start(server.tracer(traces.clone())).await;
    Recorded { server, traces, reader: TraceReader::open(&path).unwrap(), _folder: folder }
}

impl Recorded {
    fn runs(&self) -> Vec<RunRow> {
        assert!(self.traces.flush());
        let mut runs = self.reader.list(&Filter::default()).unwrap().runs;
        runs.reverse();
        runs
    }
}

#[tokio::test]
async fn model_calls_have_tokens_adapter_and_generation() {
    let r = recorded(Server::new(Limits::default()).engine(Arc::new(script("hello")))).await;
    let ask = |model: &str, stream: bool| json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "why?"}]});
    assert_eq!(post(&r.server, "/v1/chat/completions", ask("loud", false)).await.status, 200);
    assert_eq!(post(&r.server, "/v1/chat/completions", ask("base", true)).await.status, 200);
    let long = json!({"model": "base", "prompt": "x".repeat(300)});
    assert_eq!(post(&r.server, "/v1/completions", long).await.status, 400);
    let generate = json!({"inputs": "hi", "parameters": {"max_new_tokens": 2}});
    assert_eq!(post(&r.server, "/generate", generate).await.status, 200);
    let embed = json!({"model": "base", "input": ["a", "bc"]});
    assert_eq!(post(&r.server, "/v1/embeddings", embed).await.status, 200);

    let runs = r.runs();
    let kinds: Vec<_> = runs.iter().map(|r| (r.run_type, r.name.as_str(), r.status)).collect();
    let (llm, ok) = (RunKind::Model, RunStatus::Success);
    let expected = [
        (llm, "loud", ok),
        (llm, "base", ok),
        (llm, "base", RunStatus::Error),
        (llm, "base", ok),
        (RunKind::Embedding, "base", ok),
    ];
    assert_eq!(kinds, expected);
    let first = &runs[0];
    assert_eq!((first.adapter.as_deref(), first.generation.as_deref()), (Some("loud"), Some("g1")));
    assert_eq!((first.prompt_tokens, first.completion_tokens), (Some(11), Some(6)));
    assert!(first.first_token_ms.is_some() && first.model.as_deref() == Some("base"));
    assert_eq!(first.input_preview.as_deref(), Some("why?"));
    let content = r.reader.content(&first.id).unwrap();
    assert_eq!(content.outputs.unwrap().text, "\"HELLO\"");
    assert_eq!(content.inputs.unwrap().text, r#"{"messages":[{"role":"user","content":"why?"}]}"#);
    assert_eq!(r.reader.content(&runs[1].id).unwrap().outputs.unwrap().text, "\"hello\"");
    assert!(runs[2].error.as_deref().unwrap().contains("300 tokens"));
    assert_eq!(runs[3].metadata["finish_reason"], "length");
    assert_eq!(
        r.reader.content(&runs[4].id).unwrap().outputs.unwrap().text,
        r#"{"vectors":2,"dimensions":3}"#
    );
}

#[tokio::test]
async fn chains_answer_with_the_id_of_their_record_and_tools_stand_below() {
    let chain = Arc::new(Asks(Traced::new(RunKind::Tool, Arc::new(Shout))));
    let server = Server::new(Limits::default());
    server.live().chain("asks", chain);
    let r = recorded(server).await;
    let invoked = post(&r.server, "/chains/asks/invoke", json!({"input": "a"})).await.json();
    let streamed = post(&r.server, "/chains/asks/stream", json!({"input": "b"})).await;
    let batch = post(&r.server, "/chains/asks/batch", json!({"inputs": ["c", "d"]})).await.json();
    post(&r.server, "/chains/asks/invoke", json!({"input": 3})).await;
    assert_eq!(batch["output"], json!(["C", "D"]));
    r.runs();
    let tree = |id: &str| r.reader.trace(id).unwrap();
    let mut ids = vec![invoked["metadata"]["run_id"].as_str().unwrap().to_string()];
    ids.push(streamed.events()[0]["run_id"].as_str().unwrap().to_string());
    ids.extend(batch["metadata"]["run_ids"].as_array().unwrap().iter().map(|i| i.as_str().unwrap().into()));
    for (id, output) in ids.iter().zip(["A", "B", "C", "D"]) {
        let tree = tree(id);
        assert_eq!(tree.len(), 2);
        assert_eq!((tree[0].id.as_str(), tree[0].name.as_str()), (id.as_str(), "asks"));
        assert_eq!((tree[1].name.as_str(), tree[1].run_type), ("shout", RunKind::Tool));
        assert!(tree.iter().all(|r| r.output_preview.as_deref() == Some(output)));
    }
    let failed = Filter { status: Some(RunStatus::Error), root_only: true, ..Filter::default() };
    let failed = r.reader.list(&failed).unwrap().runs;
    assert_eq!(failed[0].error.as_deref(), Some("invalid: expected text"));
}

#[tokio::test]
async fn graphs_are_recorded_under_their_run_ids_with_threads_and_tasks() {
    let r = recorded(support::agents::server(Arc::new(InMemory::new()))).await;
    let body = json!({"assistant_id": "human", "input": {}, "if_not_exists": "create"});
    let asked = post(&r.server, "/agents/threads/t1/runs/wait", body).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let resume = json!({"assistant_id": "human", "command": {"resume": "yes"}});
    let location = post(&r.server, "/agents/threads/t1/runs/wait", resume).await;
    let told = location.headers["content-location"].to_str().unwrap().rsplit('/').next().unwrap().to_string();
    r.runs();
    let tops = r.reader.list(&Filter { thread: Some("t1".into()), ..Filter::default() }).unwrap().runs;
    let stand: Vec<_> = tops.iter().map(|r| (r.name.as_str(), r.status)).collect();
    assert_eq!(stand, [("human", RunStatus::Success), ("human", RunStatus::Interrupted)]);
    assert_eq!(tops[0].id, told);
    let tasks = |id: &str| -> Vec<(String, RunStatus)> {
        r.reader.trace(id).unwrap().into_iter().skip(1).map(|r| (r.name, r.status)).collect()
    };
    let ok = RunStatus::Success;
    assert_eq!(tasks(&tops[1].id), [("write".into(), ok), ("review".into(), RunStatus::Interrupted)]);
    assert_eq!(tasks(&tops[0].id), [("review".into(), ok), ("fin".into(), ok)]);
    let review = &r.reader.trace(&told).unwrap()[1];
    assert!(review.metadata["step"].is_i64() && review.metadata["task"].is_string());
    assert!(tops[1].metadata["interrupts"][0]["value"]["question"] == "ok?");
}

#[tokio::test]
async fn predictions_are_recorded() {
    let model = Arc::new(Asks(Traced::new(RunKind::Tool, Arc::new(Shout))));
    let r = recorded(Server::new(Limits::default()).tabular("shout", model)).await;
    post(&r.server, "/predict/shout", json!([{"x": 1}])).await;
    let runs = r.runs();
    assert_eq!((runs[0].name.as_str(), runs[0].run_type), ("asks", RunKind::Chain));
    assert_eq!(runs[0].status, RunStatus::Error);
    assert_eq!(r.reader.content(&runs[0].id).unwrap().inputs.unwrap().text, r#"{"x":1}"#);
}

//! `/agents`: threads, runs, questions and answers, as the agent server's clients expect them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use lyceum_compose::graph::InMemory;
use lyceum_core::{ThreadInfo, ThreadStatus, Threads};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use support::{Answer, Running, agents, client, get, post, send, start};

async fn server() -> Running {
    start(agents::server(Arc::new(InMemory::new()))).await
}

async fn thread(server: &Running) -> String {
    let made = post(server, "/agents/threads", json!({})).await.json();
    made["thread_id"].as_str().unwrap().to_string()
}

/// Event names and data of a stream.
fn events(answer: &Answer) -> Vec<(String, Json)> {
    let of = |block: &str, lead: &str| {
        block.lines().find_map(|l| l.strip_prefix(lead)).unwrap_or_default().to_string()
    };
    let blocks = answer.text.split("\r\n\r\n").filter(|b| b.starts_with("event"));
    blocks.map(|b| (of(b, "event: "), serde_json::from_str(&of(b, "data: ")).unwrap())).collect()
}

#[tokio::test]
async fn a_run_streams_values_and_updates() {
    let server = server().await;
    let thread = thread(&server).await;
    let body = json!({"assistant_id": "math", "input": {"n": 1}, "stream_mode": ["values", "updates"]});
    let got = post(&server, &format!("/agents/threads/{thread}/runs/stream"), body).await;
    let told = events(&got);
    assert_eq!(told[0].0, "metadata");
    let rest: Vec<Json> = told[1..].iter().map(|(e, d)| json!([e, d])).collect();
    let want = json!([
        ["values", {"n": 1, "log": []}],
        ["updates", {"inc": {"n": 2, "log": ["inc"]}}],
        ["values", {"n": 2, "log": ["inc"]}],
        ["updates", {"dbl": {"n": 4, "log": ["dbl"]}}],
        ["values", {"n": 4, "log": ["inc", "dbl"]}]
    ]);
    assert_eq!(json!(rest), want);
    let place = got.headers["content-location"].to_str().unwrap();
    let run = get(&server, &format!("/agents{place}")).await.json();
    assert_eq!((&run["status"], &run["run_id"]), (&json!("success"), &told[0].1["run_id"]));
    let again = get(&server, &format!("/agents{place}/stream?stream_mode=updates")).await;
    assert_eq!(events(&again).len(), 2, "{}", again.text);
    let state = get(&server, &format!("/agents/threads/{thread}/state")).await.json();
    assert_eq!((&state["values"]["n"], &state["next"]), (&json!(4), &json!([])));
    let history = post(&server, &format!("/agents/threads/{thread}/history"), json!({})).await.json();
    assert_eq!(history.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_question_waits_and_is_answered_once() {
    let server = server().await;
    let thread = thread(&server).await;
    let wait = format!("/agents/threads/{thread}/runs/wait");
    let early = post(&server, &wait, json!({"assistant_id": "human", "command": {"resume": "yes"}})).await;
    assert_eq!(early.status, 409, "{}", early.text);
    assert!(early.json()["detail"].as_str().unwrap().contains("no question waits"));

    let asked = post(&server, &wait, json!({"assistant_id": "human", "input": {}})).await.json();
    assert_eq!(asked["__interrupt__"][0]["value"], json!({"question": "ok?", "draft": "v1"}));
    let found = post(&server, "/agents/threads/search", json!({"status": "interrupted"})).await.json();
    assert_eq!(found.as_array().unwrap().len(), 1);
    let waiting = found[0]["interrupts"].as_object().unwrap().values().next().unwrap();
    assert_eq!(waiting[0]["id"], asked["__interrupt__"][0]["id"]);

    let body = json!({"assistant_id": "human", "command": {"resume": "yes"}, "stream_mode": "updates"});
    let told = events(&post(&server, &format!("/agents/threads/{thread}/runs/stream"), body).await);
    assert_eq!(told[1].1, json!({"review": {"approved": true, "log": ["review:yes"]}}));
    let late = post(&server, &wait, json!({"assistant_id": "human", "command": {"resume": "yes"}})).await;
    assert_eq!(late.status, 409);
    let after = get(&server, &format!("/agents/threads/{thread}")).await.json();
    assert_eq!(
        (&after["status"], &after["values"]["log"]),
        (&json!("idle"), &json!(["write", "review:yes", "fin"]))
    );
}

#[tokio::test]
async fn a_failed_thread_says_why_and_goes_on() {
    let server = server().await;
    let thread = thread(&server).await;
    let wait = format!("/agents/threads/{thread}/runs/wait");
    let failed = post(&server, &wait, json!({"assistant_id": "flaky", "input": {"x": 1}})).await.json();
    assert_eq!(failed["__error__"]["message"], "bad input x=1");
    let seen = get(&server, &format!("/agents/threads/{thread}")).await.json();
    assert_eq!((&seen["status"], &seen["error"]["message"]), (&json!("error"), &json!("bad input x=1")));
    let state = get(&server, &format!("/agents/threads/{thread}/state")).await.json();
    assert_eq!((&state["next"], &state["tasks"][0]["error"]), (&json!(["bad"]), &json!("bad input x=1")));
    let on = post(&server, &wait, json!({"assistant_id": "flaky", "input": null})).await.json();
    assert_eq!(on, json!({"x": 2}));
}

#[tokio::test]
async fn a_thread_whose_process_has_ended_can_go_on() {
    let kept = Arc::new(InMemory::new());
    let mut left = ThreadInfo::new("left", "math");
    left.status = ThreadStatus::Busy;
    kept.put_thread(&left).await.unwrap();
    let server = start(agents::server(kept.clone())).await;
    let seen = get(&server, "/agents/threads/left").await.json();
    assert_eq!(seen["status"], "error");
    assert!(seen["error"]["message"].as_str().unwrap().contains("has ended"));
    let held = kept.hold("left").unwrap();
    assert_eq!(get(&server, "/agents/threads/left").await.json()["status"], "busy");
    drop(held);
}

#[tokio::test]
async fn runs_are_told_apart_cancelled_and_followed() {
    let server = server().await;
    let thread = thread(&server).await;
    let base = format!("/agents/threads/{thread}/runs");
    let follow = {
        let url = format!("{}/agents/threads/{thread}/stream?stream_mode=tasks", server.url);
        tokio::spawn(async move {
            let mut response = client().get(url).send().await.unwrap();
            let mut text = String::new();
            while !text.contains("run_done") {
                text += &String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap());
            }
            text
        })
    };
    let run = post(&server, &base, json!({"assistant_id": "forever", "input": {"x": 0}})).await.json();
    let id = run["run_id"].as_str().unwrap();
    let second = json!({"assistant_id": "forever", "input": {"x": 0}, "multitask_strategy": "reject"});
    assert_eq!(post(&server, &base, second).await.status, 409);
    let cancel = post(&server, &format!("{base}/{id}/cancel?wait=1"), "").await;
    assert_eq!(cancel.status, 200, "{}", cancel.text);
    assert_eq!(get(&server, &format!("{base}/{id}")).await.json()["status"], "interrupted");
    assert!(follow.await.unwrap().contains("\"name\":\"loop\""));
    let removed = send(client().delete(format!("{}/agents/threads/{thread}", server.url))).await;
    assert_eq!(removed.status, 204);
    assert_eq!(get(&server, &format!("/agents/threads/{thread}")).await.status, 404);
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let server = server().await;
    let thread = thread(&server).await;
    let wait = format!("/agents/threads/{thread}/runs/wait");
    let said = |answer: &Answer| answer.json()["detail"].as_str().unwrap().to_string();
    let unknown = post(&server, &wait, json!({"assistant_id": "mathh", "input": {}})).await;
    assert!(unknown.status == 404 && said(&unknown).contains("did you mean `math`"), "{}", unknown.text);
    let missing = post(&server, &wait, json!({"input": {}})).await;
    assert!(missing.status == 422 && said(&missing).contains("assistant_id"), "{}", missing.text);
    let mode = json!({"assistant_id": "math", "input": {}, "stream_mode": "value"});
    let mode = post(&server, &format!("/agents/threads/{thread}/runs/stream"), mode).await;
    assert!(mode.status == 422 && said(&mode).contains("did you mean `values`"), "{}", mode.text);
    let hook = json!({"assistant_id": "math", "input": {}, "webhook": "http://localhost"});
    assert_eq!(post(&server, &wait, hook).await.status, 422);
    let nobody =
        post(&server, "/agents/threads/nobody/runs/wait", json!({"assistant_id": "math", "input": {}})).await;
    assert_eq!(nobody.status, 404);
    let odd = post(&server, "/agents/threads", json!({"thread_id": "../../etc"})).await;
    assert_eq!(odd.status, 422, "{}", odd.text);
}

#[tokio::test]
async fn the_python_client_is_content() {
    let server = server().await;
    support::python("agents.py", &[&server.url]).await;
}

//! Many clients of one tabular model: what they get, and how fast (`--ignored --nocapture` prints requests a second).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use async_trait::async_trait;
use futures_util::future::join_all;
use lyceum_core::{Context, Error, Result, Runnable, Signature, Value};
use lyceum_serve::{Limits, Server};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{client, post, start};

/// Gives `x` back; every call costs `call`, every row `row`, in the time of a processor.
struct Costly {
    call: Duration,
    row: Duration,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Runnable for Costly {
    fn name(&self) -> &str {
        "costly"
    }
    fn signature(&self) -> Signature {
        Signature::any()
    }
    async fn invoke(&self, input: Value, _: &Context) -> Result<Value> {
        input.get("x").and_then(Value::as_i64).map(Value::Int).ok_or_else(|| Error::invalid("no x"))
    }
    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let end = Instant::now() + self.call + self.row * inputs.len() as u32;
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        join_all(inputs.into_iter().map(|i| self.invoke(i, cx))).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_gets_its_own_answer() {
    let calls = Arc::new(AtomicUsize::new(0));
    let model = Costly { call: Duration::from_millis(100), row: Duration::ZERO, calls: calls.clone() };
    let limits = Limits { lanes: 1, ..Limits::default() };
    let server = start(Server::new(limits).tabular("m", Arc::new(model))).await;
    let all = (0..40).map(|i| {
        let row = if i == 7 { json!({"z": i}) } else { json!({"x": i}) };
        post(&server, "/predict/m", row)
    });
    for (i, answer) in join_all(all).await.into_iter().enumerate() {
        match i {
            7 => assert!(answer.status == 400 && answer.text.contains("no x"), "{}", answer.text),
            _ => assert_eq!(answer.json(), json!(i)),
        }
    }
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls < 30, "{calls} calls for 40 requests");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn requests_a_second() {
    // 64 lanes: nobody ever waits for the model, every request is a call of its own.
    let together = Limits::default().lanes;
    let ways = [("a call each", 64, 200), ("together", together, 200)];
    let dear = [("a call each", 64, 4000), ("together", together, 4000)];
    for (name, lanes, cost) in ways.into_iter().chain(dear) {
        let calls = Arc::new(AtomicUsize::new(0));
        let (call, row) = (Duration::from_micros(cost), Duration::from_micros(5));
        let model = Costly { call, row, calls: calls.clone() };
        let limits = Limits { lanes, ..Limits::default() };
        let server = start(Server::new(limits).tabular("m", Arc::new(model))).await;
        let url = format!("{}/predict/m", server.url);
        for connections in [1, 16, 64] {
            calls.store(0, Ordering::SeqCst);
            let end = Instant::now() + Duration::from_secs(3);
            let clients = (0..connections).map(|_| {
                let (client, url) = (client(), url.clone());
                tokio::spawn(async move {
                    let mut done = 0;
                    while Instant::now() < end {
                        let sent = client.post(&url).body(r#"{"x":1}"#).send().await.unwrap();
                        assert_eq!(sent.text().await.unwrap(), "1");
                        done += 1;
                    }
                    done
                })
            });
            let done: usize = join_all(clients).await.into_iter().map(|n| n.unwrap()).sum();
            let (rate, calls) = (done as f64 / 3.0, calls.load(Ordering::SeqCst));
            println!(
                "{cost} µs a call, {name}, {connections} connections: {rate:.0} requests/s, {calls} calls for {done}"
            );
        }
    }
}

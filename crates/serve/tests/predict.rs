//! Tabular models over HTTP, in our form and in Ludwig's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use async_trait::async_trait;
use lyceum_core::{Context, Error, Map, Result, Runnable, Schema, Signature, Value};
use lyceum_serve::{Limits, Server};
use serde_json::json;
use std::sync::Arc;
use support::{Running, client, get, post, send, start};

/// Doubles `x`.
struct Doubler;

#[async_trait]
impl Runnable for Doubler {
    fn name(&self) -> &str {
        "doubler"
    }
    fn signature(&self) -> Signature {
        Signature::new(
            Schema::object([("x", Schema::of("number"))]),
            Schema::object([("y", Schema::of("number"))]),
        )
    }
    async fn invoke(&self, input: Value, _: &Context) -> Result<Value> {
        let x = input.get("x").and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok()));
        let x = x.ok_or_else(|| Error::invalid("`x` is not a number").at_key("x"))?;
        Ok(Map::from_iter([("y".into(), Value::Float(2.0 * x))]).into())
    }
}

async fn one() -> Running {
    start(Server::new(Limits::default()).tabular("double", Arc::new(Doubler))).await
}

#[tokio::test]
async fn rows_by_name() {
    let server = one().await;
    assert_eq!(post(&server, "/predict/double", json!({"x": 2})).await.json(), json!({"y": 4.0}));
    assert_eq!(
        post(&server, "/predict/double", json!([{"x": 1}, {"x": 2}])).await.json(),
        json!([{"y": 2.0}, {"y": 4.0}])
    );
    let a = post(&server, "/predict/double", json!([{"x": 1}, {"x": "a"}])).await;
    assert!(a.status == 400 && a.text.contains("row 1"), "{}", a.text);
    let a = post(&server, "/predict/duble", json!({})).await;
    assert!(a.status == 404 && a.text.contains("did you mean `double`"), "{}", a.text);
    assert_eq!(post(&server, "/predict/double", "3").await.status, 400);
    assert_eq!(get(&server, "/predict/double").await.json()["input"]["required"], json!(["x"]));
}

#[tokio::test]
async fn ludwigs_forms() {
    let server = one().await;
    assert_eq!(get(&server, "/").await.json(), json!({"message": "Ludwig server is up"}));
    let url = |path: &str| format!("{}{path}", server.url);
    let form = |path: &str, body: &str| {
        let request = client().post(url(path)).header("content-type", "application/x-www-form-urlencoded");
        send(request.body(body.to_string()))
    };
    assert_eq!(form("/predict", "x=2.5").await.json(), json!({"y": 5.0}));
    let a = form("/predict", "z=1").await;
    assert_eq!(
        a.json()["error"],
        "Data received does not contain all input features. Missing features: {'x'}."
    );
    let boundary = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n3\r\n--b--\r\n";
    let request = client()
        .post(url("/predict"))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(boundary);
    assert_eq!(send(request).await.json(), json!({"y": 6.0}));
    let table = r#"dataset={"columns":["x"],"index":[7,8],"data":[[1],[2]]}"#;
    let split = form("/batch_predict", table).await.json();
    assert_eq!(split, json!({"columns": ["y"], "index": [7, 8], "data": [[2.0], [4.0]]}));
    assert_eq!(form("/batch_predict", r#"dataset={"columns":["x"],"data":[[1,2]]}"#).await.status, 400);
    assert_eq!(form("/batch_predict", "x=1").await.status, 400);

    let two = Server::new(Limits::default()).tabular("a", Arc::new(Doubler)).tabular("b", Arc::new(Doubler));
    let two = start(two).await;
    let request = client()
        .post(format!("{}/predict", two.url))
        .header("content-type", "application/x-www-form-urlencoded");
    let a = send(request.body("x=1")).await;
    assert!(a.status == 404 && a.text.contains("/predict/a, /predict/b"), "{}", a.text);
}

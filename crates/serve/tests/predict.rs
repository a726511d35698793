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

/// Says a label and, when the setting asks for it, what `x` and `z` added.
struct Explained;

#[async_trait]
impl Runnable for Explained {
    fn name(&self) -> &str {
        "explained"
    }
    fn signature(&self) -> Signature {
        Signature::new(
            Schema::object([("x", Schema::of("number")), ("z", Schema::of("number"))]),
            Schema::any(),
        )
    }
    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        let part = |k: &str| input.get(k).and_then(Value::as_f64).unwrap_or(0.0);
        let mut out = json!({"y_predictions": part("x") + part("z")});
        if cx.setting("contributions").and_then(Value::as_bool) == Some(true) {
            out["y_contributions"] = json!({"x": part("x"), "z": part("z")});
        }
        Ok(Value::from_json(out))
    }
}

async fn csv(server: &Running, path: &str, accept: &str, body: impl Into<reqwest::Body>) -> support::Answer {
    let request = client().post(format!("{}{path}", server.url)).header("content-type", "text/csv");
    send(request.header("accept", accept).body(body)).await
}

#[tokio::test]
async fn csv_comes_and_goes() {
    let server = one().await;
    let a = csv(&server, "/predict/double", "*/*", "x,note\r\n1,\"a, b\"\r\n2.5,c\r\n").await;
    assert_eq!(a.json(), json!([{"y": 2.0}, {"y": 5.0}]));
    let a = csv(&server, "/predict/double", "text/csv", "x\n1\n2.5\n").await;
    assert_eq!((a.status, a.text.as_str()), (200, "y\n2\n5\n"));
    assert_eq!(a.headers["content-type"], "text/csv; charset=utf-8");
    let url = format!("{}/predict/double", server.url);
    let a = send(client().post(&url).header("accept", "text/csv").body(r#"{"x": 3}"#)).await;
    assert_eq!(a.text, "y\n6\n");

    let a = csv(&server, "/predict/double", "*/*", "x\n1\nwide,2\n").await;
    assert!(a.status == 400 && a.text.contains("line 3 has 2 fields"), "{}", a.text);
    let a = csv(&server, "/predict/double", "*/*", "x\nmuch\n").await;
    assert!(a.status == 400 && a.text.contains("\\\"much\\\" is not a number"), "{}", a.text);
    assert_eq!(csv(&server, "/predict/double", "*/*", "x\n").await.json(), json!([]));
    let a = csv(&server, "/predict/double", "image/png", "x\n1\n").await;
    assert!(a.status == 406 && a.text.contains("text/csv"), "{}", a.text);
    let a = send(client().post(&url).header("content-type", "image/png").body("x")).await;
    assert!(a.status == 415 && a.text.contains("text/csv"), "{}", a.text);
    let many = format!("x\n{}", "1\n".repeat(100_001));
    assert_eq!(csv(&server, "/predict/double", "*/*", many).await.status, 413);
}

#[tokio::test]
async fn contributions_are_asked_for_and_spread() {
    let server = start(Server::new(Limits::default()).tabular("m", Arc::new(Explained))).await;
    let ask = |query: &str| {
        let path = format!("/predict/m{query}");
        let server = &server;
        async move { post(server, &path, json!({"x": 1, "z": 0.5})).await }
    };
    let told = json!({"y_predictions": 1.5, "y_contributions": {"x": 1.0, "z": 0.5}});
    assert_eq!(ask("?contributions=true").await.json(), told);
    assert_eq!(ask("?contributions=false").await.json(), json!({"y_predictions": 1.5}));
    assert_eq!(ask("").await.json(), json!({"y_predictions": 1.5}));
    let a = ask("?contributions=maybe").await;
    assert!(a.status == 400 && a.text.contains("expected true or false"), "{}", a.text);
    let a = ask("?contribution=true").await;
    assert!(a.status == 400 && a.text.contains("contributions"), "{}", a.text);
    let a = csv(&server, "/predict/m?contributions=true", "text/csv", "x,z\n1,0.5\n").await;
    assert_eq!(a.text, "y_predictions,y_contributions_x,y_contributions_z\n1.5,1,0.5\n");
}

#[tokio::test]
async fn arrow_by_pyarrow() {
    let server = one().await;
    support::python("arrow.py", &[&server.url]).await;
}

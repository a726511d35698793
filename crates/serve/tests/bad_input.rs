//! Wrong requests over real sockets: status and the whole body, in the words of each protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use lyceum_serve::{Limits, Server};
use serde_json::{Value, json};
use std::sync::Arc;
use support::{Running, client, post, script, send, start};

async fn server() -> Running {
    start(Server::new(Limits { body_bytes: 2000, ..Limits::default() }).engine(Arc::new(script("x")))).await
}

/// The error body of OpenAI's dialect.
fn openai(message: &str, param: Option<&str>, code: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})
}

fn lorax(message: &str) -> Value {
    json!({"error": format!("Input validation error: {message}"), "error_type": "validation"})
}

const CHAT: &str = r#"{"model":"base","messages":[{"role":"user","content":"hi"}]}"#;
const TEXT: &str = r#"{"model":"base","prompt":"hi"}"#;

fn with(body: &str, extra: &str) -> String {
    body.replacen('{', &format!("{{{extra},"), 1)
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let server = server().await;
    let ask =
        |path: &'static str, body: Vec<u8>| send(client().post(format!("{}{path}", server.url)).body(body));
    for (body, status, message, code) in [
        (
            b"".to_vec(),
            400,
            "the body is not JSON: EOF while parsing a value at line 1 column 0",
            "invalid_value",
        ),
        (
            b"{\"model\":".to_vec(),
            400,
            "the body is not JSON: EOF while parsing a value at line 1 column 9",
            "invalid_value",
        ),
        (b"{\"model\":\"\xff\"}".to_vec(), 400, "the body is not UTF-8 (byte 11)", "invalid_value"),
        (vec![b' '; 2001], 413, "the body is larger than 2000 bytes", "request_too_large"),
    ] {
        for path in ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"] {
            let a = ask(path, body.clone()).await;
            assert_eq!((a.status, a.json()), (status, openai(message, None, code)), "{path}");
        }
        for path in ["/generate", "/generate_stream", "/"] {
            let a = ask(path, body.clone()).await;
            let told = match status {
                413 => json!({"error": message, "error_type": "request_too_large"}),
                _ => lorax(message),
            };
            assert_eq!((a.status, a.json()), (if status == 413 { 413 } else { 422 }, told), "{path}");
        }
    }
}

#[tokio::test]
async fn keys_of_the_wrong_type_are_named_wherever_they_stand() {
    let server = server().await;
    for (path, body) in [("/v1/chat/completions", CHAT), ("/v1/completions", TEXT)] {
        for (extra, param, message) in [
            (
                "\"temperature\":\"hot\"",
                "temperature",
                "`temperature`: invalid type: string \"hot\", expected f64",
            ),
            (
                "\"max_tokens\":1.5",
                "max_tokens",
                "`max_tokens`: invalid type: floating point `1.5`, expected i64",
            ),
            ("\"stop\":[1]", "stop", "`stop`: expected a string or a list of strings"),
            (
                "\"stream_options\":{\"include_usage\":3}",
                "stream_options.include_usage",
                "`stream_options.include_usage`: invalid type: integer `3`, expected a boolean",
            ),
            (
                "\"logit_bias\":{\"5\":\"x\"}",
                "logit_bias.5",
                "`logit_bias.5`: invalid type: string \"x\", expected f64",
            ),
        ] {
            let a = post(&server, path, with(body, extra)).await;
            let error = a.json()["error"].clone();
            let said = error["message"].as_str().unwrap();
            assert_eq!((a.status, error["param"].as_str()), (400, Some(param)), "{said}");
            assert!(said.starts_with(message), "{path}: {said}");
        }
    }
}

#[tokio::test]
async fn numbers_that_cannot_be() {
    let server = server().await;
    for (path, body, least) in [("/v1/chat/completions", CHAT, 1), ("/v1/completions", TEXT, 0)] {
        let refused = |extra: &'static str, param: Option<&'static str>, message: String| {
            let server = &server;
            async move {
                let a = post(server, path, with(body, extra)).await;
                assert_eq!((a.status, a.json()), (400, openai(&message, param, "invalid_value")), "{path}");
            }
        };
        let tokens =
            |n: i64| format!("max_tokens is {n}, expected a number from {least}, or -1 for no limit");
        refused("\"max_tokens\":-2", Some("max_tokens"), tokens(-2)).await;
        refused("\"max_tokens\":-9223372036854775808", Some("max_tokens"), tokens(i64::MIN)).await;
        refused(
            "\"temperature\":NaN",
            None,
            "the body is not JSON: expected value at line 1 column 16".into(),
        )
        .await;
        refused(
            "\"temperature\":1e999",
            None,
            "the body is not JSON: number out of range at line 1 column 20".into(),
        )
        .await;
        refused(
            "\"temperature\":1e99",
            Some("temperature"),
            "temperature is inf, expected a finite number".into(),
        )
        .await;
        refused(
            "\"temperature\":-0.5",
            Some("temperature"),
            "temperature is -0.5, expected a finite number from 0".into(),
        )
        .await;
        refused("\"top_p\":0", Some("top_p"), "top_p is 0, expected over 0 and at most 1".into()).await;
        refused("\"n\":17", Some("n"), "n is 17, expected 1 to 16".into()).await;
    }
    let a = post(&server, "/generate", json!({"inputs": "hi", "parameters": {"max_new_tokens": -1}})).await;
    assert_eq!((a.status, a.json()), (422, lorax("`max_new_tokens` must be strictly positive")));
}

#[tokio::test]
async fn minus_one_is_no_limit() {
    let long =
        start(Server::new(Limits::default()).engine(Arc::new(script("a text of more than sixteen tokens"))))
            .await;
    let chat = post(&long, "/v1/chat/completions", with(CHAT, "\"max_tokens\":-1")).await.json();
    assert_eq!(chat["choices"][0]["finish_reason"], "stop", "{chat}");
    let chat = post(&long, "/v1/chat/completions", with(CHAT, "\"max_completion_tokens\":-1")).await.json();
    assert_eq!(chat["choices"][0]["finish_reason"], "stop", "{chat}");
    let text = post(&long, "/v1/completions", TEXT).await.json();
    assert_eq!(text["choices"][0]["finish_reason"], "length", "sixteen by default");
    let text = post(&long, "/v1/completions", with(TEXT, "\"max_tokens\":-1")).await.json();
    assert_eq!(text["choices"][0]["text"], "a text of more than sixteen tokens");
}

#[tokio::test]
async fn prompts_longer_than_the_context() {
    let server = server().await;
    let x = "x".repeat(300);
    let chat = json!({"model": "base", "messages": [{"role": "user", "content": x}]});
    let said = "the prompt has 307 tokens, more than the context of 200";
    let a = post(&server, "/v1/chat/completions", chat).await;
    assert_eq!((a.status, a.json()), (400, openai(said, None, "context_length_exceeded")));
    let said = "the prompt has 300 tokens, more than the context of 200";
    let a = post(&server, "/v1/completions", json!({"model": "base", "prompt": x})).await;
    assert_eq!((a.status, a.json()), (400, openai(said, None, "context_length_exceeded")));
    let said = "the prompt has 2 tokens, which with max_tokens 500 is more than the context of 200";
    let a = post(&server, "/v1/completions", with(TEXT, "\"max_tokens\":500")).await;
    assert_eq!((a.status, a.json()), (400, openai(said, Some("max_tokens"), "context_length_exceeded")));
    let a = post(&server, "/generate", json!({"inputs": x})).await;
    assert_eq!((a.status, a.json()), (422, lorax("`inputs` must have less than 200 tokens. Given: 300")));
    let said = "input 0 has 300 tokens, the model reads at most 200; set truncate_prompt_tokens to cut it";
    let a = post(&server, "/v1/embeddings", json!({"model": "base", "input": x})).await;
    assert_eq!((a.status, a.json()), (400, openai(said, Some("input"), "context_length_exceeded")));
}

#[tokio::test]
async fn unknown_names_come_with_the_list() {
    let server = server().await;
    let said = "The model `lout` does not exist; served are base, loud; did you mean `loud`?";
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": "lout", "messages": [{"role": "user", "content": "hi"}]})),
        ("/v1/completions", json!({"model": "lout", "prompt": "hi"})),
        ("/v1/embeddings", json!({"model": "lout", "input": "hi"})),
    ] {
        let a = post(&server, path, body).await;
        assert_eq!((a.status, a.json()), (404, openai(said, Some("model"), "model_not_found")), "{path}");
    }
    let said = "The adapter `x` does not exist; served are base, loud";
    let a = post(&server, "/v1/chat/completions", with(CHAT, "\"adapter_id\":\"x\"")).await;
    assert_eq!((a.status, a.json()), (404, openai(said, Some("adapter_id"), "adapter_not_found")));
    let a = post(&server, "/generate", json!({"inputs": "hi", "parameters": {"adapter_id": "x"}})).await;
    assert_eq!((a.status, a.json()), (404, json!({"error": said, "error_type": "adapter_not_found"})));
    let a = post(&server, "/predict/late", json!({})).await;
    assert_eq!((a.status, a.json()), (404, json!({"error": "no tabular model `late`; none is served"})));
}

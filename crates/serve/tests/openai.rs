//! The OpenAI dialect over real sockets, against a scripted engine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use serde_json::json;
use support::{get, post, script, start_script};

fn chat(extra: serde_json::Value) -> serde_json::Value {
    let mut body = json!({"model": "base", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_chat_answers_whole() {
    let server = start_script(script("hello")).await;
    let a = post(&server, "/v1/chat/completions", chat(json!({"max_tokens": 100, "n": 2}))).await;
    assert_eq!(a.status, 200, "{}", a.text);
    let body = a.json();
    assert_eq!(body["choices"][1]["message"]["content"], "hello");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["completion_tokens"], 12, "two answers of five letters and the end");
    assert_eq!(body["usage"]["prompt_tokens"], "user: hi\n".len());
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(a.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    assert!(a.headers.get("access-control-allow-origin").is_none());

    let cut = post(&server, "/v1/chat/completions", chat(json!({"max_completion_tokens": 2}))).await.json();
    assert_eq!(cut["choices"][0]["message"]["content"], "he");
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    let stopped = post(&server, "/v1/chat/completions", chat(json!({"stop": ["lo"]}))).await.json();
    assert_eq!(stopped["choices"][0]["message"]["content"], "hel");
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_chat_streams() {
    let server = start_script(script("hi!")).await;
    let body = chat(
        json!({"stream": true, "stream_options": {"include_usage": true}, "logprobs": true, "top_logprobs": 2}),
    );
    let a = post(&server, "/v1/chat/completions", body).await;
    assert_eq!(a.headers["content-type"], "text/event-stream");
    assert!(a.text.ends_with("data: [DONE]\n\n"));
    let events = a.events();
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert_eq!(events[0]["usage"], json!(null));
    let text: String = events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "hi!");
    let entry = &events[1]["choices"][0]["logprobs"]["content"][0];
    assert_eq!((&entry["token"], &entry["bytes"]), (&json!("h"), &json!([104])));
    assert_eq!(entry["top_logprobs"].as_array().unwrap().len(), 2);
    let last = events.len() - 1;
    assert_eq!(events[last - 1]["choices"][0]["delta"], json!({}));
    assert_eq!(events[last - 1]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&events[last]["choices"], &events[last]["usage"]["total_tokens"]), (&json!([]), &json!(13)));
    assert!(events.iter().all(|e| e["id"] == events[0]["id"]));
    let plain = post(&server, "/v1/chat/completions", chat(json!({"stream": true}))).await.events();
    assert!(plain.iter().all(|e| e.get("usage").is_none()));
}

#[tokio::test]
async fn adapters_are_chosen_and_unknown_names_listed() {
    let server = start_script(script("hey")).await;
    for body in [
        chat(json!({"model": "loud"})),
        chat(json!({"model": "base:loud"})),
        chat(json!({"adapter_id": "loud"})),
    ] {
        let a = post(&server, "/v1/chat/completions", body).await.json();
        assert_eq!(a["choices"][0]["message"]["content"], "HEY");
    }
    let base = post(&server, "/v1/chat/completions", chat(json!({"adapter_id": ""}))).await.json();
    assert_eq!(base["choices"][0]["message"]["content"], "hey");
    let a = post(&server, "/v1/chat/completions", chat(json!({"model": "lout"}))).await;
    let error = &a.json()["error"];
    assert_eq!(
        (a.status, &error["code"], &error["param"]),
        (404, &json!("model_not_found"), &json!("model"))
    );
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("served are base, loud") && text.contains("did you mean `loud`"), "{text}");
    let a = post(&server, "/v1/chat/completions", chat(json!({"adapter_id": "x"}))).await;
    assert_eq!((a.status, &a.json()["error"]["code"]), (404, &json!("adapter_not_found")));

    let list = get(&server, "/v1/models").await.json();
    assert_eq!((&list["data"][0]["id"], &list["data"][0]["parent"]), (&json!("base"), &json!(null)));
    assert_eq!((&list["data"][1]["id"], &list["data"][1]["parent"]), (&json!("loud"), &json!("base")));
    assert_eq!(get(&server, "/v1/models/loud").await.json()["id"], "loud");
    assert_eq!(get(&server, "/v1/models/org/name").await.status, 404);
}

#[tokio::test]
async fn what_is_not_done_is_refused_and_what_is_unknown_is_named() {
    let server = start_script(script("x")).await;
    let tool = json!({"type": "function", "function": {"name": "f"}});
    for (key, value) in [
        ("tools", json!([tool])),
        ("tool_choice", json!("required")),
        ("response_format", json!({"type": "json_object"})),
        ("guided_regex", json!("a+")),
        ("modalities", json!(["audio"])),
        ("logit_bias", json!({"999": 1})),
    ] {
        let a = post(&server, "/v1/chat/completions", chat(json!({key: value}))).await;
        assert_eq!((a.status, &a.json()["error"]["param"]), (400, &json!(key)), "{}", a.text);
    }
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]);
    let a = post(&server, "/v1/chat/completions", chat(json!({"messages": image}))).await;
    assert_eq!(a.json()["error"]["code"], "unsupported_parameter");
    let a =
        post(&server, "/v1/chat/completions", chat(json!({"frobnicate": 1, "zap": null, "user": "u"}))).await;
    assert_eq!((a.status, a.headers["x-lyceum-ignored"].to_str().unwrap()), (200, "frobnicate"));
    let parts = json!([{"role": "developer", "content": [{"type": "text", "text": "be"}, {"type": "text", "text": " brief"}]}]);
    assert_eq!(post(&server, "/v1/chat/completions", chat(json!({"messages": parts}))).await.status, 200);
}

#[tokio::test]
async fn completions_take_four_kinds_of_prompt() {
    let server = start_script(script("ok")).await;
    for (prompt, n) in
        [(json!("a"), 1), (json!(["a", "b"]), 2), (json!([97, 98]), 1), (json!([[97], [98], [99]]), 3)]
    {
        let a = post(&server, "/v1/completions", json!({"model": "base", "prompt": prompt})).await.json();
        assert_eq!(a["choices"].as_array().unwrap().len(), n);
        assert_eq!(a["choices"][n - 1]["text"], "ok");
    }
    let echo = json!({"model": "base", "prompt": "ab", "echo": true, "logprobs": 1, "max_tokens": 1});
    let a = post(&server, "/v1/completions", echo).await.json();
    assert_eq!(a["choices"][0]["text"], "abo");
    let l = &a["choices"][0]["logprobs"];
    assert_eq!(l["tokens"], json!(["a", "b", "o"]));
    assert_eq!(l["token_logprobs"], json!([null, -1.0, -0.5]));
    assert_eq!(l["text_offset"], json!([0, 1, 2]));
    assert_eq!(l["top_logprobs"][0], json!(null));
    let score = json!({"model": "base", "prompt": "abc", "echo": true, "logprobs": 1, "max_tokens": 0});
    let a = post(&server, "/v1/completions", score).await.json();
    assert_eq!(a["choices"][0]["logprobs"]["token_logprobs"], json!([null, -0.25, -0.25]));
    assert_eq!(a["usage"]["completion_tokens"], 0);
    let a = post(
        &server,
        "/v1/completions",
        json!({"model": "base", "prompt": "a", "stream": true, "logprobs": 0}),
    )
    .await;
    let text: String = a.events().iter().filter_map(|e| e["choices"][0]["text"].as_str()).collect();
    assert_eq!((text.as_str(), a.text.ends_with("data: [DONE]\n\n")), ("ok", true));
    assert_eq!(a.events()[1]["choices"][0]["logprobs"]["text_offset"], json!([1]));
}

#[tokio::test]
async fn embeddings_come_in_both_encodings() {
    let server = start_script(script("")).await;
    let floats = post(&server, "/v1/embeddings", json!({"model": "base", "input": ["ab", "c"]})).await.json();
    assert_eq!(floats["data"][0]["embedding"], json!([2.0, 0.5, -0.25]));
    assert_eq!(floats["usage"]["prompt_tokens"], 3);
    let body = json!({"model": "base", "input": "ab", "encoding_format": "base64"});
    assert_eq!(
        post(&server, "/v1/embeddings", body).await.json()["data"][0]["embedding"],
        "AAAAQAAAAD8AAIC+"
    );
    let long = json!({"model": "base", "input": "x".repeat(201)});
    let a = post(&server, "/v1/embeddings", &long).await;
    assert_eq!((a.status, &a.json()["error"]["code"]), (400, &json!("context_length_exceeded")));
    let cut = json!({"model": "base", "input": "x".repeat(201), "truncate_prompt_tokens": 10});
    assert_eq!(post(&server, "/v1/embeddings", cut).await.json()["data"][0]["embedding"][0], 10.0);
    for bad in [json!({"input": []}), json!({"input": ""}), json!({"input": "a", "dimensions": 4})] {
        let mut body = json!({"model": "base"});
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        assert_eq!(post(&server, "/v1/embeddings", body).await.status, 400);
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_ends_the_stream_with_an_error() {
    let server = start_script(script("abcdef").failing_after(2)).await;
    let a = post(&server, "/v1/chat/completions", chat(json!({"stream": true}))).await;
    let events = a.events();
    assert_eq!(events.last().unwrap()["error"]["type"], "server_error");
    assert!(!a.text.contains("[DONE]") && !a.text.contains("secret"));
    let whole = post(&server, "/v1/chat/completions", chat(json!({}))).await;
    assert!(whole.status == 500 && !whole.text.contains("secret"), "{}", whole.text);
}

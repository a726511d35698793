//! The LoRAX dialect over real sockets, against a scripted engine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{client, get, post, script, start_script};
use tokio::sync::Semaphore;

#[tokio::test]
async fn generate_answers_in_both_forms() {
    let server = start_script(script("ab")).await;
    let body = json!({"inputs": "hi", "parameters": {"details": true, "decoder_input_details": true, "return_k_alternatives": 2}});
    let a = post(&server, "/generate", &body).await;
    let g = a.json();
    assert_eq!(g["generated_text"], "ab");
    let d = &g["details"];
    assert_eq!(
        (&d["finish_reason"], &d["prompt_tokens"], &d["generated_tokens"]),
        (&json!("eos_token"), &json!(2), &json!(3))
    );
    assert_eq!(
        d["prefill"],
        json!([{"id": 104, "text": "h", "logprob": null}, {"id": 105, "text": "i", "logprob": -1.0}])
    );
    assert_eq!(d["tokens"][0]["alternative_tokens"].as_array().unwrap().len(), 2);
    assert_eq!(
        (a.headers["x-generated-tokens"].to_str().unwrap(), a.headers["x-model-id"].to_str().unwrap()),
        ("3", "base")
    );
    assert!(post(&server, "/", &body).await.json().is_array(), "the root wraps it into a list");
    let full = json!({"inputs": "hi", "parameters": {"return_full_text": true, "adapter_id": "loud"}});
    let a = post(&server, "/generate", full).await;
    assert_eq!(
        (&a.json()["generated_text"], a.headers["x-adapter-id"].to_str().unwrap()),
        (&json!("hiAB"), "loud")
    );
    assert_eq!(a.json().get("details"), None);
}

#[tokio::test]
async fn streams_end_with_the_whole_text() {
    let server = start_script(script("abc")).await;
    let a = post(
        &server,
        "/",
        json!({"inputs": "hi", "parameters": {"stop": ["c"], "seed": 3, "do_sample": true}, "stream": true}),
    )
    .await;
    assert!(a.text.starts_with("data:{") && !a.text.contains("[DONE]"));
    let events = a.events();
    let texts: Vec<&Value> = events.iter().map(|e| &e["token"]["text"]).collect();
    assert_eq!(texts, ["a", "b", ""]);
    assert_eq!((&events[1]["generated_text"], &events[1]["details"]), (&Value::Null, &Value::Null));
    assert_eq!(events[2]["generated_text"], "ab");
    let d = &events[2]["details"];
    assert_eq!(
        (&d["finish_reason"], &d["generated_tokens"], &d["seed"]),
        (&json!("stop_sequence"), &json!(3), &json!(3))
    );
    let whole = post(&server, "/generate_stream", json!({"inputs": "hi"})).await.events();
    let last = whole.last().unwrap();
    assert_eq!(
        (whole.len(), &last["token"]["special"], &last["generated_text"]),
        (4, &json!(true), &json!("abc"))
    );
    let cut = json!({"inputs": "hi", "parameters": {"max_new_tokens": 2}});
    let cut = post(&server, "/generate_stream", cut).await.events();
    assert_eq!(
        (cut.len(), &cut[1]["token"]["text"], &cut[1]["generated_text"]),
        (2, &json!("b"), &json!("ab"))
    );
    assert_eq!(cut[1]["details"]["finish_reason"], "length");
    let nothing = start_script(script("")).await;
    let events = post(&nothing, "/generate_stream", json!({"inputs": "hi"})).await.events();
    assert_eq!((events.len(), &events[0]["token"]["special"]), (1, &json!(true)));
    let failing = start_script(script("abc").failing_after(1)).await;
    let last = post(&failing, "/generate_stream", json!({"inputs": "hi"})).await.events().pop().unwrap();
    assert_eq!((&last["error_type"], last.get("token")), (&json!("generation"), None));
}

#[tokio::test]
async fn each_token_leaves_before_the_next_is_made() {
    let gate = Arc::new(Semaphore::new(1));
    let server = start_script(script("abc").gated(&gate)).await;
    let body = json!({"inputs": "hi", "parameters": {"max_new_tokens": 3}}).to_string();
    let sent = client().post(format!("{}/generate_stream", server.url)).body(body).send().await.unwrap();
    let mut pieces = sent.bytes_stream();
    for (letter, last) in [("a", false), ("b", false), ("c", true)] {
        // The engine makes this one token (and for the last the end) and no other until it has come.
        gate.add_permits(if last { 2 } else { 1 });
        let next = tokio::time::timeout(Duration::from_secs(60), pieces.next())
            .await
            .expect("the token is held back");
        let event: Value = serde_json::from_slice(&next.unwrap().unwrap()["data:".len()..]).unwrap();
        assert_eq!((&event["token"]["text"], event["details"].is_object()), (&json!(letter), last));
    }
}

#[tokio::test]
async fn best_of_tells_the_others_too() {
    let server = start_script(script("ab")).await;
    let body = json!({"inputs": "hi", "parameters": {"best_of": 2, "do_sample": true, "details": true}});
    let d = post(&server, "/generate", body).await.json()["details"].clone();
    assert_eq!(d["best_of_sequences"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_wrong_parameter_is_told_in_loraxs_words() {
    let server = start_script(script("ab")).await;
    let cases = [
        (json!({"temperature": -1.0}), "`temperature` must be non-negative"),
        (json!({"repetition_penalty": 0.0}), "`repetition_penalty` must be strictly positive"),
        (json!({"frequency_penalty": 3.0}), "`frequency_penalty` must be >= -2.0 and <= 2.0"),
        (json!({"top_p": 1.5}), "`top_p` must be > 0.0 and < 1.0"),
        (json!({"top_k": 0}), "`top_k` must be strictly positive"),
        (json!({"typical_p": 1.0}), "`typical_p` must be > 0.0 and < 1.0"),
        (json!({"max_new_tokens": -1}), "`max_new_tokens` must be strictly positive"),
        (
            json!({"max_new_tokens": 1000}),
            "`inputs` tokens + `max_new_tokens` must be <= 200. Given: 2 `inputs` tokens and 1000 `max_new_tokens`",
        ),
        (json!({"truncate": 0}), "`truncate` must be strictly positive and less than 200. Given: 0"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "`stop` supports up to 4 stop sequences. Given: 5"),
        (json!({"best_of": 3}), "`best_of` must be > 0 and <= 2. Given: 3"),
        (json!({"best_of": 2}), "you must use sampling when `best_of` is > 1"),
        (json!({"watermark": true}), "`watermark` is not supported by this server"),
        (
            json!({"merged_adapters": {"ids": [], "weights": []}}),
            "at least one adapter ID must be provided when setting `adapters`",
        ),
        (
            json!({"merged_adapters": {"ids": ["loud", "loud"], "weights": [1.0]}}),
            "number of adapter IDs must match number of adapter weights",
        ),
        (
            json!({"merged_adapters": {"ids": ["loud", "loud"], "merge_strategy": "TIES"}}),
            "`density` must be > 0.0 and <= 1.0 for this strategy. Given: 0",
        ),
        (
            json!({"merged_adapters": {"ids": ["loud"]}, "adapter_id": "loud"}),
            "at most one of `adapter_id` or `adapters` may be provided",
        ),
    ];
    for (parameters, text) in cases {
        let a = post(&server, "/generate", json!({"inputs": "hi", "parameters": parameters})).await;
        assert_eq!(a.status, 422, "{}", a.text);
        assert_eq!(
            a.json(),
            json!({"error": format!("Input validation error: {text}"), "error_type": "validation"})
        );
    }
    let a = post(&server, "/generate", json!({"inputs": "x".repeat(300)})).await;
    assert_eq!(
        a.json()["error"],
        "Input validation error: `inputs` must have less than 200 tokens. Given: 300"
    );
    assert_eq!(
        post(&server, "/generate", json!({"inputs": "x".repeat(300), "parameters": {"truncate": 5}}))
            .await
            .status,
        200
    );
    assert_eq!(
        post(&server, "/generate", json!({"inputs": ""})).await.json()["error"],
        "Input validation error: `inputs` cannot be empty"
    );
    let a = post(&server, "/generate", json!({"inputs": "hi", "parameters": {"adapter_id": "lout"}})).await;
    assert_eq!((a.status, &a.json()["error_type"]), (404, &json!("adapter_not_found")));
    assert!(a.text.contains("served are base, loud"), "{}", a.text);
    assert_eq!(post(&server, "/generate", "{nope").await.status, 422);
}

#[tokio::test]
async fn facts_tokens_and_health() {
    let server = start_script(script("ab")).await;
    let info = get(&server, "/info").await.json();
    assert_eq!((&info["model_id"], &info["max_total_tokens"]), (&json!("base"), &json!(200)));
    let health = get(&server, "/health").await;
    assert_eq!((health.status, health.text.as_str()), (200, ""));
    assert_eq!(get(&server, "/startup").await.status, 200);
    let pieces = post(&server, "/tokenize", json!({"inputs": "aé"})).await.json();
    assert_eq!(pieces[0], json!({"id": 97, "text": "a", "start": 0, "stop": 1}));
    assert_eq!((&pieces[1]["stop"], &pieces[2]["stop"]), (&json!(2), &json!(2)));
    let ids = post(&server, "/tokenize", json!({"prompt": "ab"})).await.json();
    assert_eq!((&ids["count"], &ids["tokens"]), (&json!(2), &json!([97, 98])));
    assert_eq!(post(&server, "/detokenize", json!({"tokens": [97, 98]})).await.json()["prompt"], "ab");
    assert_eq!(
        post(&server, "/embed", json!({"inputs": "ab", "parameters": null})).await.json()["embeddings"][0],
        2.0
    );
    let page = get(&server, "/metrics").await.text;
    for line in [
        "vllm:num_requests_running{model_name=\"base\"}",
        "lorax_queue_length 0",
        "# TYPE lorax_request_count counter",
    ] {
        assert!(page.contains(line), "{page}");
    }
}

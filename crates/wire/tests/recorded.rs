//! Real clients' recorded traffic: every request parses, and every answer of ours has at least the keys that the
//! clients have accepted, with values of the same JSON type.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use lyceum_wire::{lorax, openai};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

fn recorded(file: &str, path: &str) -> Vec<(String, Value, Value)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/serving").join(file);
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let of_path = all["exchanges"].as_array().unwrap().iter().filter(|e| e["request"]["path"] == path);
    let parts = of_path.map(|e| {
        (e["label"].as_str().unwrap().into(), e["request"]["body"].clone(), e["response"]["body"].clone())
    });
    let parts: Vec<_> = parts.collect();
    assert!(!parts.is_empty(), "nothing was recorded of {path}");
    parts
}

/// Fails unless `ours` has every key of `theirs`, recursively, with values of the same type.
fn covers(label: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in b {
                let Some(mine) = a.get(key) else { panic!("{label}: our answer lacks `{key}`: {ours}") };
                covers(&format!("{label}.{key}"), mine, value);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if let (Some(a), Some(b)) = (a.first(), b.first()) {
                covers(&format!("{label}[0]"), a, b);
            }
        }
        (a, b) => {
            let same = std::mem::discriminant(a) == std::mem::discriminant(b) || a.is_null() || b.is_null();
            assert!(same, "{label}: {a} where the client has seen {b}");
        }
    }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn events(body: &Value) -> Vec<Value> {
    let lines = body.as_str().unwrap_or_default().lines().filter_map(|l| l.strip_prefix("data:"));
    lines.filter(|l| l.trim() != "[DONE]").map(|l| serde_json::from_str(l.trim()).unwrap()).collect()
}

fn our_chat() -> Value {
    let top = openai::TopLogProb { token: "Hi".into(), logprob: -0.1, bytes: vec![72, 105] };
    let token = openai::TokenLogProb {
        token: "Hi".into(),
        logprob: -0.1,
        bytes: vec![72, 105],
        top_logprobs: vec![top],
    };
    let logprobs = openai::ChatLogProbs { content: vec![token], refusal: None };
    let message = openai::AnswerMessage::text("Hi".into());
    json(openai::ChatAnswer {
        id: "chatcmpl-1".into(),
        object: openai::ChatAnswer::OBJECT,
        created: 1,
        model: "base".into(),
        system_fingerprint: "x".into(),
        choices: vec![openai::ChatChoice {
            index: 0,
            message,
            logprobs: Some(logprobs),
            finish_reason: "stop",
        }],
        usage: openai::Usage::new(5, 0, 3),
    })
}

fn our_chunk(delta: openai::Delta, usage: Option<openai::Usage>) -> Value {
    let choice = openai::ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None };
    json(openai::ChatChunk {
        id: "chatcmpl-1".into(),
        object: openai::ChatChunk::OBJECT,
        created: 1,
        model: "base".into(),
        system_fingerprint: "x".into(),
        choices: if usage.is_some() { vec![] } else { vec![choice] },
        usage: Some(usage),
    })
}

#[test]
fn chat_requests_parse_and_answers_have_the_keys() {
    for (label, body, answer) in recorded("openai_client.json", "/v1/chat/completions") {
        let request: openai::ChatRequest = serde_json::from_value(body).unwrap();
        assert!(!request.messages.is_empty(), "{label}");
        if label == "chat_all_params" {
            assert_eq!(request.sampling.top_k, Some(20));
            assert_eq!(request.answer.adapter_id.as_deref(), Some("org/a1"));
            assert_eq!(request.answer.stop.clone().unwrap().into_list(), ["\n", "END"]);
        }
        let tool_call = answer.to_string().contains("tool_calls");
        if label.starts_with("error") {
            serde_json::from_value::<openai::ErrorBody>(answer).unwrap();
        } else if answer.is_object() && !tool_call {
            covers(&label, &our_chat(), &answer);
        } else if label == "chat_stream_usage" {
            let seen = events(&answer);
            let first = openai::Delta { role: Some("assistant"), content: Some(String::new()) };
            covers(&label, &our_chunk(first, None), &seen[0]);
            let next = openai::Delta { role: None, content: Some("x".into()) };
            covers(&label, &our_chunk(next, None), &seen[1]);
            covers(&label, &our_chunk(openai::Delta::default(), None), &seen[3]);
            covers(&label, &our_chunk(openai::Delta::default(), Some(openai::Usage::new(5, 0, 3))), &seen[4]);
        }
    }
}

#[test]
fn completions_embeddings_and_models_too() {
    let logprobs = openai::CompletionLogProbs {
        tokens: vec!["One".into()],
        token_logprobs: vec![None],
        top_logprobs: vec![None],
        text_offset: vec![0],
    };
    let choice =
        |logprobs| openai::CompletionChoice { index: 0, text: "x".into(), logprobs, finish_reason: None };
    let whole = |usage, logprobs| {
        json(openai::Completion {
            id: "cmpl-1".into(),
            object: openai::Completion::OBJECT,
            created: 1,
            model: "base".into(),
            system_fingerprint: "x".into(),
            choices: vec![choice(logprobs)],
            usage,
        })
    };
    for (label, body, answer) in recorded("openai_client.json", "/v1/completions") {
        serde_json::from_value::<openai::CompletionRequest>(body).unwrap();
        match &answer {
            Value::String(_) => covers(&label, &whole(None, None), &events(&answer)[0]),
            _ => covers(
                &label,
                &whole(Some(Some(openai::Usage::new(1, 0, 1))), Some(logprobs.clone())),
                &answer,
            ),
        }
    }
    for (label, body, answer) in recorded("openai_client.json", "/v1/embeddings") {
        let request: openai::EmbeddingRequest = serde_json::from_value(body).unwrap();
        let vector = match request.encoding_format.as_deref() {
            Some("base64") => openai::Embedding::Base64("AAAA".into()),
            _ => openai::Embedding::Floats(vec![0.5]),
        };
        covers(&label, &json(openai::EmbeddingList::new("emb".into(), vec![vector], 4)), &answer);
    }
    let card = openai::ModelCard {
        id: "a".into(),
        object: "model",
        created: 1,
        owned_by: "lyceum",
        root: "base".into(),
        parent: Some("base".into()),
        max_model_len: 1,
        kind: "llm",
        state: "loaded",
    };
    for (label, _, answer) in recorded("openai_client.json", "/v1/models") {
        covers(&label, &json(openai::ModelList { object: "list", data: vec![card.clone()] }), &answer);
    }
}

#[test]
fn lorax_requests_parse_and_answers_have_the_keys() {
    let token = lorax::Token {
        id: 7,
        text: " a".into(),
        logprob: Some(-0.25),
        special: false,
        skipped: false,
        alternative_tokens: None,
    };
    let details = lorax::Details {
        finish_reason: "length",
        prompt_tokens: 5,
        generated_tokens: 2,
        skipped_tokens: 0,
        seed: None,
        prefill: vec![],
        tokens: vec![token.clone()],
        best_of_sequences: None,
    };
    let ours = json([lorax::Generated { generated_text: " a".into(), details: Some(details) }]);
    let end =
        lorax::StreamDetails { finish_reason: "length", prompt_tokens: 5, generated_tokens: 2, seed: None };
    let event = json(lorax::StreamEvent { token, generated_text: Some(" a".into()), details: Some(end) });
    for (label, body, answer) in recorded("lorax_client.json", "/") {
        let request: lorax::GenerateRequest = serde_json::from_value(body).unwrap();
        assert!(request.stream.is_some(), "{label}");
        match &answer {
            Value::Array(_) => covers(&label, &ours, &answer),
            Value::String(_) => {
                for seen in events(&answer) {
                    match seen.get("error") {
                        Some(_) => drop(serde_json::from_value::<lorax::LoraxError>(seen).unwrap()),
                        None => covers(&label, &event, &seen),
                    }
                }
            }
            _ => drop(serde_json::from_value::<lorax::LoraxError>(answer).unwrap()),
        }
    }
    for (_, body, _) in recorded("lorax_client.json", "/embed") {
        assert!(serde_json::from_value::<lorax::EmbedRequest>(body).unwrap().parameters.is_none());
    }
}

#[test]
fn null_is_absent_and_types_are_told() {
    let text = r#"{"model":"m","messages":[],"temperature":null,"stop":null,"made_up":1}"#;
    let r: openai::ChatRequest = serde_json::from_str(text).unwrap();
    assert!(r.sampling.temperature.is_none() && r.answer.stop.is_none());
    assert_eq!(r.extra.keys().collect::<Vec<_>>(), ["made_up"]);
    let e =
        serde_json::from_str::<openai::CompletionRequest>(r#"{"model":"m","prompt":[1,"a"]}"#).unwrap_err();
    assert!(e.to_string().contains("a list of token ids"), "{e}");
    let told = |extra: &str| {
        let text = format!("{{\"model\":\"m\",\"messages\":[],{extra}}}");
        serde_json::from_str::<openai::ChatRequest>(&text).unwrap_err().to_string()
    };
    assert!(told("\"temperature\":NaN").starts_with("expected value"));
    let hot = "`temperature`: invalid type: string \"hot\", expected f64 at line 1 column 47";
    assert_eq!(told("\"temperature\":\"hot\""), hot);
    let usage = "`stream_options.include_usage`: invalid type: integer `1`, expected a boolean";
    assert!(told("\"stream_options\":{\"include_usage\":1}").starts_with(usage));
    assert!(told("\"seed\":1,\"seed\":2").starts_with("duplicate field `seed`"));
}

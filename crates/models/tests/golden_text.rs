//! Token ids and rendered conversations equal those of the reference.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_core::{Message, RenderOptions, Role, TextCodec};
use lyceum_models::Text;
use lyceum_models::tokenizer::{Specials, Tokenizer};
use lyceum_tensor::gguf::{self, Gguf, Kind, Value};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

fn json(name: &str) -> Json {
    serde_json::from_str(&std::fs::read_to_string(golden(name)).unwrap()).unwrap()
}

fn ids(v: &Json) -> Vec<u32> {
    v.as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect()
}

fn messages(v: &Json) -> Vec<Message> {
    let message = |m: &Json| {
        let role = match m["role"].as_str().unwrap() {
            "system" => Role::System,
            "user" => Role::User,
            _ => Role::Assistant,
        };
        Message::new(role, m["content"].as_str().unwrap())
    };
    v.as_array().unwrap().iter().map(message).collect()
}

#[test]
fn every_tokenizer_json_gives_the_reference_ids() {
    let mut cases = 0;
    for (name, expected) in json("neural/tokenizers/expected.json").as_object().unwrap() {
        let t = Tokenizer::from_file(&golden(&format!("neural/tokenizers/{name}.json"))).unwrap();
        for case in expected["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(t.encode(text, Specials::Add).unwrap(), ids(&case["ids"]), "{name}: {text:?}");
            assert_eq!(
                t.encode(text, Specials::Parse).unwrap(),
                ids(&case["ids_no_special"]),
                "{name}: {text:?}"
            );
            cases += 1;
        }
    }
    assert!(cases > 30);
}

#[test]
fn token_bytes_join_to_the_text() {
    let expected = json("neural/tokenizers/expected.json");
    for name in ["bytelevel_llama3", "bytelevel_gpt2"] {
        let t = Tokenizer::from_file(&golden(&format!("neural/tokenizers/{name}.json"))).unwrap();
        for case in expected[name]["cases"].as_array().unwrap() {
            let ids = ids(&case["ids_no_special"]);
            let bytes: Vec<u8> =
                ids.iter().flat_map(|id| t.token_bytes(*id, false).unwrap().to_vec()).collect();
            assert_eq!(String::from_utf8_lossy(&bytes), t.decode(&ids, true).unwrap());
        }
    }
    let t = Tokenizer::from_file(&golden("neural/tokenizers/spm_bpe_bytefallback.json")).unwrap();
    let ids = t.encode("Hello \u{1f999} there", Specials::Parse).unwrap();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| t.token_bytes(*id, false).unwrap().to_vec()).collect();
    assert_eq!(String::from_utf8_lossy(&bytes), " Hello \u{1f999} there");
    assert!(t.token_bytes(1 << 20, false).is_err());
}

#[test]
fn names_of_control_tokens_can_be_plain_text() {
    let t = Tokenizer::from_file(&golden("neural/llama/tokenizer.json")).unwrap();
    assert_eq!(t.encode("<|user|>", Specials::Parse).unwrap(), [3]);
    let plain = t.encode("<|user|>", Specials::Literal).unwrap();
    assert!(plain.len() > 1 && !plain.contains(&3), "{plain:?}");
    assert_eq!(t.decode(&plain, true).unwrap(), "<|user|>");
}

#[test]
fn the_chat_template_renders_as_the_reference() {
    let text = Text::from_folder(&golden("neural/llama")).unwrap();
    let expected = json("neural/llama/chat.json");
    let conversation = messages(&expected["messages"]);
    let rendered = text.render(&conversation, &RenderOptions::default()).unwrap();
    assert_eq!(rendered, expected["rendered"].as_str().unwrap());
    let options = RenderOptions { add_generation_prompt: false, ..RenderOptions::default() };
    assert_eq!(
        text.render(&conversation[..3], &options).unwrap(),
        expected["rendered_no_prompt"].as_str().unwrap()
    );
    assert_eq!(text.encode_rendered(&rendered).unwrap(), ids(&expected["ids"]));
    assert_eq!(text.end_ids(), [1]);
}

/// A GGUF file with nothing but a tokenizer.
fn gguf_of(pairs: &[(&str, Value)]) -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.gguf");
    let metadata: Vec<(&str, &Value)> = pairs.iter().map(|(k, v)| (*k, v)).collect();
    gguf::write(&path, &metadata, &[]).unwrap();
    Tokenizer::from_gguf(&Gguf::open(&path).unwrap()).unwrap()
}

fn texts(items: Vec<String>) -> Value {
    Value::Array(Kind::Text, items.into_iter().map(Value::Text).collect())
}

/// Tokens by id, and merges, of a tokenizer.json.
fn vocabulary(name: &str) -> (Vec<String>, Vec<(String, String)>) {
    let t = json(&format!("neural/tokenizers/{name}.json"));
    let mut tokens: Vec<(u64, String)> = t["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (v.as_u64().unwrap(), k.clone()))
        .collect();
    for added in t["added_tokens"].as_array().unwrap() {
        tokens.push((added["id"].as_u64().unwrap(), added["content"].as_str().unwrap().to_string()));
    }
    tokens.sort();
    tokens.dedup();
    let merge = |m: &Json| match m {
        Json::Array(pair) => (pair[0].as_str().unwrap().to_string(), pair[1].as_str().unwrap().to_string()),
        m => m.as_str().unwrap().split_once(' ').map(|(a, b)| (a.to_string(), b.to_string())).unwrap(),
    };
    (
        tokens.into_iter().map(|t| t.1).collect(),
        t["model"]["merges"].as_array().unwrap().iter().map(merge).collect(),
    )
}

#[test]
fn gguf_tokenizers_give_the_same_ids_as_their_json_twins() {
    let expected = json("neural/tokenizers/expected.json");
    for (name, pre) in [("bytelevel_llama3", "llama-bpe"), ("spm_bpe_bytefallback", "")] {
        let (tokens, merges) = vocabulary(name);
        let specials =
            json(&format!("neural/tokenizers/{name}.json"))["added_tokens"].as_array().unwrap().len();
        let kinds = (0..tokens.len()).map(|i| {
            let byte = tokens[i].starts_with("<0x");
            Value::I32(if i < specials {
                3
            } else if byte {
                6
            } else {
                1
            })
        });
        let kinds = if pre.is_empty() {
            std::iter::once(Value::I32(2)).chain(kinds.skip(1)).collect()
        } else {
            kinds.collect()
        };
        let score = |t: &String| {
            let rank = merges.iter().position(|(a, b)| format!("{a}{b}") == *t);
            Value::F32(rank.map_or(-1e9, |r| -(r as f32)))
        };
        let mut pairs = vec![
            ("tokenizer.ggml.scores", Value::Array(Kind::F32, tokens.iter().map(score).collect())),
            ("tokenizer.ggml.merges", texts(merges.iter().map(|(a, b)| format!("{a} {b}")).collect())),
            ("tokenizer.ggml.tokens", texts(tokens)),
            ("tokenizer.ggml.token_type", Value::Array(Kind::I32, kinds)),
            ("tokenizer.ggml.bos_token_id", Value::U32(if pre.is_empty() { 1 } else { 0 })),
        ];
        if pre.is_empty() {
            pairs.push(("tokenizer.ggml.model", Value::Text("llama".into())));
        } else {
            pairs.push(("tokenizer.ggml.model", Value::Text("gpt2".into())));
            pairs.push(("tokenizer.ggml.pre", Value::Text(pre.into())));
        }
        let t = gguf_of(&pairs);
        for case in expected[name]["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(t.encode(text, Specials::Add).unwrap(), ids(&case["ids"]), "{name}: {text:?}");
        }
    }
}

#[test]
fn smollm2_tokenizes_and_renders_as_the_reference() {
    let Ok(path) = std::env::var("LYCEUM_TEST_SMOLLM2") else {
        eprintln!("SKIPPED: set LYCEUM_TEST_SMOLLM2 to the SmolLM2 GGUF file");
        return;
    };
    let text = Text::from_gguf(&Gguf::open(Path::new(&path)).unwrap()).unwrap();
    let expected = json("smollm2/golden.json");
    for case in expected["tokenize"].as_array().unwrap() {
        let s = case["text"].as_str().unwrap();
        let got = text.encode(s, true).unwrap();
        assert_eq!(got, ids(&case["ids"]), "{s:?}");
        assert_eq!(text.tokenizer().decode(&got, false).unwrap(), case["decoded"].as_str().unwrap());
    }
    for case in expected["chat"].as_array().unwrap() {
        let rendered = text.render(&messages(&case["messages"]), &RenderOptions::default()).unwrap();
        assert_eq!(rendered, case["rendered"].as_str().unwrap());
        assert_eq!(text.encode_rendered(&rendered).unwrap(), ids(&case["ids"]));
    }
    assert!(text.end_ids().contains(&2));
}

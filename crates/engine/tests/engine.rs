//! The engine as a whole: the laws, adapters, prefix reuse, stop strings, deadlines, scores, a small cache.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use futures_util::TryStreamExt;
use lyceum_core::{
    AdapterSource, Engine, ErrorKind, Finish, GenerateEvent, GenerateRequest, LogProb, Prompt, Result,
    Sampling, Usage, laws,
};
use lyceum_engine::{Encoder, EngineConfig, LanguageModel, Precision};
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn tiny(config: EngineConfig) -> LanguageModel {
    LanguageModel::open(&golden("llama"), config).unwrap()
}

fn exact() -> EngineConfig {
    EngineConfig { precision: Precision::Exact, ..EngineConfig::default() }
}

fn request(ids: Vec<u32>, tokens: usize) -> GenerateRequest {
    let mut r = GenerateRequest::new(Prompt::Tokens(ids));
    r.max_tokens = Some(tokens);
    r.sampling = Sampling::greedy();
    r.ignore_eos = true;
    r
}

struct Out {
    ids: Vec<u32>,
    text: String,
    logprobs: Vec<f32>,
    prompt_logprobs: Vec<f32>,
    finish: Finish,
    usage: Usage,
}

async fn run(e: &LanguageModel, r: GenerateRequest) -> Result<Out> {
    let (mut ids, mut text, mut logprobs, mut prompt) = (Vec::new(), String::new(), Vec::new(), Vec::new());
    let mut events = e.generate(r)?;
    while let Some(event) = events.try_next().await? {
        match event {
            GenerateEvent::Started { prompt_logprobs, .. } => {
                prompt = prompt_logprobs.iter().map(|l| l.logprob).collect();
            }
            GenerateEvent::Token(t) => {
                ids.push(t.id);
                text.push_str(&t.text);
                logprobs.extend(t.logprob);
            }
            GenerateEvent::Done { finish, text: rest, usage } => {
                return Ok(Out { ids, text: text + &rest, logprobs, prompt_logprobs: prompt, finish, usage });
            }
        }
    }
    panic!("no end")
}

/// The likeliest first tokens of an answer.
async fn first_top(e: &LanguageModel, r: GenerateRequest) -> Option<Vec<LogProb>> {
    let mut events = e.generate(r).ok()?;
    while let Some(event) = events.try_next().await.ok()? {
        if let GenerateEvent::Token(t) = event {
            return Some(t.top);
        }
    }
    None
}

fn prompt() -> Vec<u32> {
    let text = std::fs::read_to_string(golden("llama/expected.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    json["input_ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

#[tokio::test]
async fn keeps_the_laws() {
    laws::engine(&tiny(EngineConfig::default())).await.unwrap();
    laws::engine(&tiny(exact())).await.unwrap();
}

#[tokio::test]
async fn smollm2_keeps_the_laws_and_the_reference() {
    let Ok(path) = std::env::var("LYCEUM_TEST_SMOLLM2") else {
        eprintln!("SKIPPED: set LYCEUM_TEST_SMOLLM2 to the SmolLM2 GGUF file");
        return;
    };
    let e = LanguageModel::open(Path::new(&path), EngineConfig::default()).unwrap();
    laws::engine(&e).await.unwrap();
    let text = std::fs::read_to_string(golden("../smollm2/golden.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let ids =
        |v: &Value| v.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect::<Vec<u32>>();
    let (mut close, mut steps, mut sum) = (0, 0, 0.0);
    for case in json["chat"].as_array().unwrap().iter().chain(json["complete"].as_array().unwrap()) {
        let mut known = ids(&case["ids"]);
        for step in case["greedy"].as_array().unwrap() {
            let token = step["token"].as_u64().unwrap() as u32;
            let mut r = request(known.clone(), 1);
            r.logprobs = Some(20);
            let Some(top) = first_top(&e, r).await else { panic!("no token") };
            let margin = step["margin"].as_f64().unwrap();
            let off = top.iter().find(|l| l.id == token).map_or(9.0, |l| f64::from(l.logprob))
                - step["logprob"].as_f64().unwrap();
            if top[0].id != token {
                eprintln!(
                    "step {}: token {} for {token}, margin {margin:.4}, off by {off:.4}",
                    known.len(),
                    top[0].id
                );
            }
            assert!(top[0].id == token || margin < 0.1, "another token at a clear margin");
            steps += 1;
            sum += off.abs();
            close += usize::from(off.abs() < 0.05);
            known.push(token);
        }
    }
    eprintln!("{close} of {steps} log-probabilities within 0.05, mean {:.4}", sum / f64::from(steps));
    // Prompts in bf16, where there are matrix units, cost a little.
    let percent = if lyceum_tensor::level() >= lyceum_tensor::Level::Amx { 98 } else { 99 };
    assert!(steps > 100 && close * 100 > steps as usize * percent);
    let p = &json["perplexity"];
    let scores = e.score(&ids(&p["ids"]), None).await.unwrap();
    let nll = -scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
    let ratio = nll.exp() / p["perplexity"].as_f64().unwrap();
    eprintln!("perplexity is {ratio} of the reference");
    assert!((ratio - 1.0).abs() < 0.005, "perplexity is {ratio} of the reference");
}

#[tokio::test]
async fn many_at_once_answer_as_alone() {
    let e = tiny(exact());
    let prompts: Vec<Vec<u32>> =
        (0..12).map(|i| (0..3 + 2 * i).map(|j| (7 * i + 3 * j) % 380).collect()).collect();
    let mut alone = Vec::new();
    for p in &prompts {
        alone.push(run(&e, request(p.clone(), 20)).await.unwrap().ids);
    }
    let runs = prompts.iter().map(|p| run(&e, request(p.clone(), 20)));
    let together = futures_util::future::try_join_all(runs).await.unwrap();
    for (a, b) in alone.iter().zip(&together) {
        assert_eq!(*a, b.ids);
    }
}

#[tokio::test]
async fn a_small_cache_sets_sequences_back_and_all_end_right() {
    let small = EngineConfig { kv_bytes: 1, max_batch: 8, prompt_budget: 10, ..exact() };
    let (e, whole) = (tiny(small), tiny(exact()));
    let prompts: Vec<Vec<u32>> = (0..8).map(|i| (0..30).map(|j| (11 * i + 5 * j) % 380).collect()).collect();
    let runs = prompts.iter().map(|p| run(&e, request(p.clone(), 40)));
    let got = futures_util::future::try_join_all(runs).await.unwrap();
    for (p, got) in prompts.iter().zip(got) {
        assert_eq!(run(&whole, request(p.clone(), 40)).await.unwrap().ids, got.ids);
        assert_eq!(got.usage.completion_tokens, 40);
    }
    for _ in 0..100 {
        if e.stats().kv_bytes == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!((e.stats().kv_bytes, e.stats().running, e.stats().waiting), (0, 0, 0));
}

#[tokio::test]
async fn a_common_prefix_is_computed_once() {
    let e = tiny(exact());
    let p: Vec<u32> = (0..50).map(|i| (i * 13) % 380).collect();
    let first = run(&e, request(p.clone(), 8)).await.unwrap();
    let second = run(&e, request(p.clone(), 8)).await.unwrap();
    assert_eq!((first.usage.cached_tokens, second.usage.cached_tokens), (0, 48));
    assert_eq!(first.ids, second.ids);
    let mut other = p.clone();
    other[20] += 1;
    assert_eq!(run(&e, request(other, 1)).await.unwrap().usage.cached_tokens, 16);
}

#[tokio::test]
async fn adapters_add_what_peft_adds_and_mix_in_one_batch() {
    let e = tiny(exact());
    let folders = [
        "lora_r8_all",
        "lora_r4_qv",
        "lora_rslora",
        "lora_rank_pattern",
        "lora_regex_layers",
        "lora_bias_layers_to_transform",
        "lora_embedding",
        "lora_modules_to_save",
        "dora_r4",
        "vera_r8",
        "ia3",
        "adaption_prompt",
    ];
    for name in folders {
        let source = AdapterSource::Folder(golden("peft").join(name));
        e.adapters().unwrap().load(name, source).await.unwrap();
    }
    let ids = prompt();
    let scores = folders.iter().map(|name| e.score(&ids, Some(name)));
    let scores = futures_util::future::try_join_all(scores).await.unwrap();
    let base = e.score(&ids, None).await.unwrap();
    for (name, got) in folders.iter().zip(scores) {
        let folder = golden("peft").join(name);
        let logits = Safetensors::open(&folder.join("expected.safetensors")).unwrap();
        let key = logits.tensors().keys().find(|k| k.contains("logits")).unwrap();
        let rows = logits.f32(key).unwrap();
        let rows: Vec<&[f32]> = rows.chunks(384).collect();
        let first = ids.len() - rows.len();
        for (i, row) in rows.iter().enumerate().take(rows.len() - 1) {
            let z = row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
            let want = f64::from(row[ids[first + i + 1] as usize]) - z;
            let have = f64::from(got[first + i]);
            assert!((have - want).abs() < 2e-3, "{name} at {i}: {have} is not {want}");
        }
        assert!(got.iter().zip(&base).any(|(a, b)| (a - b).abs() > 1e-2), "{name} changes something");
    }
    let mut r = request(ids.clone(), 8);
    r.adapter = Some("lora_r8_all".into());
    let alone = run(&e, r.clone()).await.unwrap().ids;
    let mut q = r.clone();
    q.adapter = Some("lora_r4_qv".into());
    let (a, _, c) = futures_util::join!(run(&e, r.clone()), run(&e, q), run(&e, request(ids, 8)));
    assert_eq!(a.unwrap().ids, alone);
    assert_ne!(c.unwrap().ids, alone);
    r.adapter = Some("lora_r8_al".into());
    let refused = e.generate(r).err().unwrap();
    assert!(
        refused.kind() == ErrorKind::NotFound && refused.to_string().contains("did you mean `lora_r8_all`?")
    );
    assert_eq!(e.adapters().unwrap().list().len(), folders.len());
}

#[tokio::test]
async fn an_adapter_made_in_memory_answers_as_the_same_one_from_its_folder() {
    let e = tiny(exact());
    let folder = golden("peft/lora_r8_all");
    e.adapters().unwrap().load("folder", AdapterSource::Folder(folder.clone())).await.unwrap();
    let spec = lyceum_models::load(&golden("llama")).unwrap().spec;
    let made = lyceum_models::peft::read_any(&folder, &spec).unwrap();
    let info = e.add_adapter("memory", &made).unwrap();
    assert!(info.name == "memory" && info.generation == made.generation());
    let ids = prompt();
    let (a, b) = (e.score(&ids, Some("folder")).await.unwrap(), e.score(&ids, Some("memory")).await.unwrap());
    assert_eq!(a, b);
    assert_ne!(a, e.score(&ids, None).await.unwrap());
    assert_eq!(e.add_adapter("", &made).unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn stop_strings_end_the_text_before_them() {
    let e = tiny(exact());
    let mut r = request(prompt(), 12);
    let whole = run(&e, r.clone()).await.unwrap();
    let stop: String = whole.text.chars().skip(4).take(3).collect();
    r.stop = vec![stop.clone()];
    let cut = run(&e, r).await.unwrap();
    let at = whole.text.find(&stop).unwrap();
    assert_eq!((cut.text.as_str(), cut.finish), (&whole.text[..at], Finish::StopString(stop)));
}

#[tokio::test]
async fn log_probabilities_of_prompt_and_output_agree_with_scores() {
    let e = tiny(exact());
    let mut r = request(prompt(), 6);
    r.logprobs = Some(3);
    r.prompt_logprobs = true;
    let out = run(&e, r).await.unwrap();
    let all = [prompt(), out.ids].concat();
    let scores = e.score(&all, None).await.unwrap();
    for (a, b) in out.prompt_logprobs.iter().chain(&out.logprobs).zip(&scores) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }
    assert_eq!(out.prompt_logprobs.len() + out.logprobs.len(), scores.len());
}

#[tokio::test]
async fn long_texts_are_scored_in_windows() {
    let e = tiny(exact());
    let context = e.model().context_length;
    let ids: Vec<u32> = (0..3 * context as u32 + 5).map(|i| (i * 29) % 380).collect();
    let scores = e.score(&ids, None).await.unwrap();
    assert_eq!(scores.len(), ids.len() - 1);
    let head = e.score(&ids[..context], None).await.unwrap();
    assert_eq!(scores[..context - 1], head[..]);
    assert!(e.score(&ids[..1], None).await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_that_cannot_run_are_refused_at_the_door() {
    let e = tiny(EngineConfig { max_waiting: 0, ..EngineConfig::default() });
    let kind = |r| e.generate(r).err().map(|e| e.kind());
    assert_eq!(kind(request(vec![1], 1)), Some(ErrorKind::Overloaded));
    assert_eq!(kind(request(vec![], 1)), Some(ErrorKind::Invalid));
    assert_eq!(kind(request(vec![100_000], 1)), Some(ErrorKind::Invalid));
    let mut many = request(vec![1], 1);
    many.stop = vec!["x".into(); 17];
    assert_eq!(kind(many), Some(ErrorKind::Invalid));
    let long = e.generate(request(vec![1; 128], 1)).err().unwrap();
    assert_eq!(long.code(), "context_length_exceeded");
}

#[tokio::test]
async fn a_passed_deadline_ends_with_a_timeout_and_a_dropped_stream_frees_its_place() {
    let e = tiny(EngineConfig::default());
    let mut late = request(vec![1], 10);
    late.deadline = Some(Instant::now());
    assert_eq!(run(&e, late).await.err().map(|e| e.kind()), Some(ErrorKind::Timeout));
    drop(e.generate(request(vec![1], 100)).unwrap());
    for _ in 0..200 {
        if e.stats().finished >= 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!((e.stats().running, e.stats().finished), (0, 2));
    let none = run(&e, request(vec![1, 2], 0)).await.unwrap();
    assert_eq!((none.ids.len(), none.finish), (0, Finish::Length));
}

#[tokio::test]
async fn an_encoder_embeds_and_refuses_to_generate() {
    let e = Encoder::open(&golden("bert_minilm")).unwrap();
    let vectors = e.embed(&["The bread was warm.".into(), "x".into()]).await.unwrap();
    assert_eq!((vectors.len(), vectors[0].len()), (2, e.model().hidden_size));
    let length: f32 = vectors[0].iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5);
    assert_eq!(e.generate(request(vec![1], 1)).err().map(|e| e.kind()), Some(ErrorKind::Unsupported));
    assert_eq!(e.embed(&[]).await.err().map(|e| e.kind()), Some(ErrorKind::Invalid));
}

/// In the steady mode an answer's log-probabilities are the same to the last bit, alone and among others.
#[tokio::test]
async fn steady_answers_do_not_depend_on_the_batch() {
    let e = tiny(EngineConfig { precision: Precision::Steady, ..EngineConfig::default() });
    let ask = |shift: u32| {
        let mut r = request(prompt().into_iter().map(|id| (id + shift) % 300).collect(), 12);
        r.logprobs = Some(3);
        r
    };
    let alone = first_top(&e, ask(0)).await.unwrap();
    let all = futures_util::future::join_all((0..7).map(|i| first_top(&e, ask(i)))).await;
    for (a, b) in alone.iter().zip(all[0].as_ref().unwrap()) {
        assert_eq!((a.id, a.logprob.to_bits()), (b.id, b.logprob.to_bits()));
    }
}

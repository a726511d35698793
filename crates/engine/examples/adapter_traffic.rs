//! Traffic over many adapters: a thousand names of which 64 fit into memory, chosen by Zipf's law, beside the same
//! requests on one adapter; and what the first request for an adapter that is on disk waits more than the second.
//! `cargo run --release --example adapter_traffic -- MODEL [requests] [tokens]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement may fail loudly"
)]

use futures_util::{StreamExt, TryStreamExt};
use lyceum_core::{AdapterSource, Engine, GenerateEvent, GenerateRequest, Prompt, Sampling};
use lyceum_engine::{AdapterConfig, EngineConfig, LanguageModel};
use lyceum_models::decoder::load_without_text;
use lyceum_models::{DecoderSpec, Module, Projection};
use lyceum_tensor::safetensors;
use lyceum_tensor::{Format, OutTensor, quantize};
use std::path::Path;
use std::time::{Duration, Instant};

const NAMES: usize = 1000;
const RESIDENT: u64 = 64;
/// Different files; names share them, but each is loaded for itself.
const FILES: usize = 40;
const RANK: usize = 16;
const TOGETHER: usize = 16;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.02
    };
    (0..n).map(|_| next()).collect()
}

fn write(folder: &Path, spec: &DecoderSpec, seed: u64) {
    let mut tensors = Vec::new();
    for l in 0..spec.layers {
        for p in [Projection::Q, Projection::V] {
            let (out, inputs) = p.shape(spec);
            let module = Module::Layer(l, p);
            for (part, shape) in [("A", [RANK, inputs]), ("B", [out, RANK])] {
                let numbers = noise(shape[0] * shape[1], seed * 1000 + l as u64);
                let name = format!("base_model.model.{module}.lora_{part}.weight");
                tensors.push((name, shape, quantize(Format::BF16, &numbers).unwrap()));
            }
        }
    }
    let out =
        tensors.iter().map(|(name, shape, bytes)| OutTensor { name, shape, format: Format::BF16, bytes });
    std::fs::create_dir_all(folder).unwrap();
    safetensors::write(&folder.join("adapter_model.safetensors"), &out.collect::<Vec<_>>()).unwrap();
    let config = serde_json::json!({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q_proj", "v_proj"]
    });
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
}

/// The time to the first token, and to the end.
async fn ask(e: &LanguageModel, adapter: Option<&str>, n: usize, tokens: usize) -> (Duration, Duration) {
    let prompt = (0..32).map(|i| 100 + ((n * 37 + i * 11) % 5000) as u32).collect();
    let mut r = GenerateRequest::new(Prompt::Tokens(prompt));
    (r.max_tokens, r.ignore_eos, r.sampling) = (Some(tokens), true, Sampling::greedy());
    r.adapter = adapter.map(str::to_string);
    let start = Instant::now();
    let mut first = None;
    let mut events = e.generate(r).unwrap();
    while let Some(event) = events.try_next().await.unwrap() {
        if matches!(event, GenerateEvent::Token(_)) {
            first.get_or_insert_with(|| start.elapsed());
        }
    }
    (first.unwrap_or_default(), start.elapsed())
}

/// Tokens a second.
async fn traffic(e: &LanguageModel, requests: usize, tokens: usize, name: impl Fn(usize) -> String) -> f64 {
    let start = Instant::now();
    let names: Vec<String> = (0..requests).map(name).collect();
    let runs = names.iter().enumerate().map(|(n, name)| ask(e, Some(name), n, tokens));
    futures_util::stream::iter(runs).buffer_unordered(TOGETHER).collect::<Vec<_>>().await;
    (requests * tokens) as f64 / start.elapsed().as_secs_f64()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| args.get(i).map_or(default, |a| a.parse().unwrap());
    let model = Path::new(args.first().expect("a model"));
    let (requests, tokens) = (number(1, 256), number(2, 32));
    let spec = load_without_text(model).unwrap().0;
    let dir = tempfile::tempdir().unwrap();
    let folder = |i: usize| dir.path().join((i % FILES).to_string());
    (0..FILES).for_each(|i| write(&folder(i), &spec, i as u64));
    let open = |bytes| {
        let adapters = AdapterConfig { bytes, ..AdapterConfig::default() };
        LanguageModel::open(model, EngineConfig { adapters, ..EngineConfig::default() }).unwrap()
    };
    let e = open(u64::MAX);
    let one = e.adapters().unwrap().load("one", AdapterSource::Folder(folder(0))).await.unwrap().bytes;
    drop(e);
    let e = open(RESIDENT * one);
    for i in 0..NAMES {
        e.adapters().unwrap().know(&format!("n{i}"), AdapterSource::Folder(folder(i))).unwrap();
    }
    ask(&e, None, 0, 4).await;
    let mut waits: Vec<f64> = Vec::new();
    for i in 0..30 {
        let name = format!("n{}", 900 + i);
        let cold = ask(&e, Some(&name), 7000 + 2 * i, 1).await.0;
        let warm = ask(&e, Some(&name), 7001 + 2 * i, 1).await.0;
        waits.push((cold.as_secs_f64() - warm.as_secs_f64()) * 1e3);
    }
    waits.sort_by(f64::total_cmp);
    println!(
        "an adapter on disk ({:.1} MB packed) makes its first answer wait {:.1} ms more (median of 30; largest {:.1})",
        one as f64 / 1e6,
        waits[15],
        waits[29]
    );
    // Zipf's law with exponent 1, by inversion over the harmonic sums.
    let sums: Vec<f64> = (1..=NAMES)
        .scan(0.0, |s, k| {
            *s += 1.0 / k as f64;
            Some(*s)
        })
        .collect();
    let draw = |n: usize| {
        let u = (n as f64 * 0.618_033_988_749_894_9).fract() * sums[NAMES - 1];
        format!("n{}", sums.partition_point(|s| *s < u))
    };
    for round in 0..3 {
        let single = traffic(&e, requests, tokens, |_| "n0".into()).await;
        let many = traffic(&e, requests, tokens, |n| draw(n + round * requests)).await;
        println!(
            "{requests} requests of {tokens} tokens, {TOGETHER} at once: one adapter {single:.1} tokens/s, Zipf over {NAMES} with {RESIDENT} in memory {many:.1}: {:.3}",
            many / single
        );
    }
}

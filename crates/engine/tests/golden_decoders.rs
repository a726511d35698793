//! Logits and greedy tokens of tiny models of every family equal those of the reference, in f32; quantised ones
//! within bounds, on the fast path too; adapters add what PEFT adds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_engine::{Batch, Decoder, Precision, Row};
use lyceum_models::decoder::load_without_text;
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::{self, Cache};
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(v: &Value) -> Vec<u32> {
    v.as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect()
}

struct Runner {
    decoder: Decoder,
    cache: Cache,
    table: Vec<u32>,
    length: usize,
}

impl Runner {
    fn new(model: &Path, precision: Precision) -> Self {
        let (spec, weights) = load_without_text(model).unwrap();
        let a = &spec.attention;
        let cache = Cache::new(spec.layers, a.kv_heads, a.head_dim, 8, precision == Precision::Exact);
        // Blocks out of order, as a busy cache would give them.
        let table = vec![5, 2, 7, 0, 3];
        Self { decoder: Decoder::new(spec, &weights, precision), cache, table, length: 0 }
    }

    /// Logits of all given tokens, which go on where the last ones ended.
    fn feed(&mut self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let rows = tokens.iter().enumerate();
        let rows: Vec<Row> =
            rows.map(|(i, t)| Row { token: *t, position: self.length + i, table: 0 }).collect();
        self.length += tokens.len();
        let batch = Batch {
            wanted: (0..rows.len()).collect(),
            rows,
            tables: vec![self.table.clone()],
            lengths: vec![self.length],
            segments: Vec::new(),
        };
        let mut out = Vec::new();
        self.decoder.forward(&Pool::new(2), &mut self.cache, &batch, |_, logits| out.push(logits.to_vec()));
        out
    }

    fn greedy(&mut self, prompt: &[u32], n: usize) -> Vec<u32> {
        let mut next = kernels::argmax(self.feed(prompt).last().unwrap()) as u32;
        let mut out = Vec::new();
        while out.len() < n {
            out.push(next);
            next = kernels::argmax(&self.feed(&[next])[0]) as u32;
        }
        out
    }
}

/// Largest difference, relative to 1 + the largest logit.
fn distance(got: &[Vec<f32>], want: &[f32]) -> f32 {
    let flat: Vec<f32> = got.iter().flatten().copied().collect();
    assert_eq!(flat.len(), want.len());
    let size = want.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    flat.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / (1.0 + size)
}

#[test]
fn every_family_has_the_reference_logits_and_tokens() {
    for family in ["llama", "llama3_rope", "llama_bias_headdim", "mistral", "qwen2", "qwen3"] {
        let expected = json(&golden(family).join("expected.json"));
        let prompt = ids(&expected["input_ids"]);
        let want =
            Safetensors::open(&golden(family).join("expected.safetensors")).unwrap().f32("logits").unwrap();
        let whole = distance(&Runner::new(&golden(family), Precision::Exact).feed(&prompt), &want);
        assert!(whole <= 2e-4, "{family}: {whole}");
        let mut pieces = Runner::new(&golden(family), Precision::Exact);
        let got: Vec<Vec<f32>> = prompt.chunks(7).flat_map(|c| pieces.feed(c)).collect();
        let pieced = distance(&got, &want);
        assert!(pieced <= 2e-4, "{family} in pieces: {pieced}");
        let greedy = Runner::new(&golden(family), Precision::Exact).greedy(&prompt, 16);
        assert_eq!(greedy, ids(&expected["greedy_16_no_stop"]), "{family}");
        let fast = distance(&Runner::new(&golden(family), Precision::Fast).feed(&prompt), &want);
        assert!(fast <= 3e-3, "{family} with a half-precision cache: {fast}");
    }
}

#[test]
fn quantised_files_have_the_reference_logits() {
    let expected = json(&golden("gguf/expected.json"));
    let tensors = Safetensors::open(&golden("gguf/expected.safetensors")).unwrap();
    for (name, case) in expected.as_object().unwrap() {
        let Some(file) = case.get("file").and_then(Value::as_str) else { continue };
        let key =
            tensors.tensors().keys().find(|k| k.starts_with(name.as_str()) && k.contains("logits")).unwrap();
        let want = tensors.f32(key).unwrap();
        let prompt = ids(&json(&golden("llama/expected.json"))["input_ids"]);
        let last8 = |precision| {
            let all = Runner::new(&golden("gguf").join(file), precision).feed(&prompt);
            distance(&all[all.len() - 8..], &want)
        };
        let exact = last8(Precision::Exact);
        assert!(exact <= 2e-4, "{name}: {exact}");
        let fast = last8(Precision::Fast);
        assert!(fast <= 3e-3, "{name} on the fast path: {fast}");
        let greedy = Runner::new(&golden("gguf").join(file), Precision::Exact).greedy(&prompt, 16);
        assert_eq!(greedy, ids(&case["greedy_16"]), "{name}");
    }
}

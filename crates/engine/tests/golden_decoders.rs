//! Logits and greedy tokens of tiny models of every family equal those of the reference, in f32; quantised ones
//! within bounds, on the fast path too; an adapter's biases take the place of the model's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_engine::{Batch, Decoder, Precision, Prepared, Row, Segment};
use lyceum_models::decoder::load_without_text;
use lyceum_models::peft::{Adapter, Lora, LoraConfig, LoraModule};
use lyceum_models::{DecoderSpec, DecoderWeights, Module, Projection};
use lyceum_tensor::kernels::{self, Cache};
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::{Matrix, Pool};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    adapter: Option<Arc<Prepared>>,
}

impl Runner {
    fn new(model: &Path, precision: Precision) -> Self {
        let (spec, weights) = load_without_text(model).unwrap();
        Self::over(spec, &weights, precision)
    }

    fn over(spec: DecoderSpec, weights: &DecoderWeights, precision: Precision) -> Self {
        let a = &spec.attention;
        let cache = Cache::new(spec.layers, a.kv_heads, a.head_dim, 8, precision == Precision::Exact);
        // Blocks out of order, as a busy cache would give them.
        let table = vec![5, 2, 7, 0, 3];
        Self { decoder: Decoder::new(spec, weights, precision), cache, table, length: 0, adapter: None }
    }

    /// Logits of all given tokens, which go on where the last ones ended.
    fn feed(&mut self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let rows = tokens.iter().enumerate();
        let rows: Vec<Row> =
            rows.map(|(i, t)| Row { token: *t, position: self.length + i, table: 0 }).collect();
        self.length += tokens.len();
        let batch = Batch {
            wanted: (0..rows.len()).collect(),
            segments: self
                .adapter
                .iter()
                .map(|a| Segment { rows: 0..rows.len(), adapter: a.clone() })
                .collect(),
            rows,
            tables: vec![self.table.clone()],
            lengths: vec![self.length],
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

/// Half-precision caches and inputs of 15 bits; on matrix units factors of bf16.
fn fast_bound() -> f32 {
    if lyceum_tensor::level() >= lyceum_tensor::Level::Amx { 1e-2 } else { 3e-3 }
}

#[test]
fn every_family_has_the_reference_logits_and_tokens() {
    for family in [
        "llama",
        "llama3_rope",
        "llama_bias_headdim",
        "mistral",
        "qwen2",
        "qwen3",
        "phi3",
        "phi3_longrope",
        "gemma2",
        "gemma3",
    ] {
        let expected = json(&golden(family).join("expected.json"));
        let prompt = ids(&expected["input_ids"]);
        let want =
            Safetensors::open(&golden(family).join("expected.safetensors")).unwrap().f32("logits").unwrap();
        let whole = distance(&Runner::new(&golden(family), Precision::Exact).feed(&prompt), &want);
        assert!(whole <= 2e-4, "{family}: {whole}");
        let mut pieces = Runner::new(&golden(family), Precision::Exact);
        // A piece is told its own end as the sequence's length, on which some rotations depend.
        let alike = !pieces.decoder.spec().rope.depends_on_length();
        let got: Vec<Vec<f32>> = prompt.chunks(7).flat_map(|c| pieces.feed(c)).collect();
        let pieced = distance(&got, &want);
        assert!(pieced <= 2e-4 || !alike, "{family} in pieces: {pieced}");
        let greedy = Runner::new(&golden(family), Precision::Exact).greedy(&prompt, 16);
        assert_eq!(greedy, ids(&expected["greedy_16_no_stop"]), "{family}");
        let fast = distance(&Runner::new(&golden(family), Precision::Fast).feed(&prompt), &want);
        assert!(fast <= fast_bound(), "{family} with a half-precision cache: {fast}");
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
        assert!(fast <= fast_bound(), "{name} on the fast path: {fast}");
        let greedy = Runner::new(&golden("gguf").join(file), Precision::Exact).greedy(&prompt, 16);
        assert_eq!(greedy, ids(&case["greedy_16"]), "{name}");
    }
}

/// Biases of a base with biases (Qwen 2), replaced and added to by an adapter that does nothing else, against the same
/// base with those biases.
#[test]
fn biases_of_an_adapter_take_the_place_of_the_base_s() {
    let (spec, base) = load_without_text(&golden("qwen2")).unwrap();
    let prompt = ids(&json(&golden("qwen2").join("expected.json"))["input_ids"]);
    let (q, k) = (Module::Layer(0, Projection::Q), Module::Layer(1, Projection::K));
    let new: Vec<f32> = (0..q.shape(&spec).0).map(|i| (i as f32 * 0.7).sin()).collect();
    let added: Vec<f32> = (0..k.shape(&spec).0).map(|i| (i as f32 * 0.3).cos()).collect();
    let mut changed = base.clone();
    changed.layers[0].biases.set(Projection::Q, new.clone());
    let sum = base.bias(k).unwrap().iter().zip(&added).map(|(a, b)| a + b).collect();
    changed.layers[1].biases.set(Projection::K, sum);
    let zeros = |rows: usize, cols: usize| Matrix::from_f32(rows, cols, vec![0.0; rows * cols]).unwrap();
    let (out, inputs) = k.shape(&spec);
    let lora = Adapter::from(Lora {
        config: LoraConfig::from_json(&serde_json::json!({"peft_type": "LORA", "r": 1})).unwrap(),
        modules: vec![LoraModule {
            module: k,
            a: zeros(1, inputs),
            b: zeros(out, 1),
            scale: 1.0,
            magnitude: None,
            bias: Some(added),
        }],
        embedding: None,
        embed: None,
        head: None,
        biases: vec![(q, new)],
        generation: "test".into(),
    });
    let mut runner = Runner::over(spec.clone(), &base, Precision::Exact);
    let plain = runner.feed(&prompt);
    let prepare = |base| Prepared::new("biased", &lora, &spec, base, Precision::Exact);
    assert!(prepare(None).is_err());
    let mut runner = Runner::over(spec.clone(), &base, Precision::Exact);
    runner.adapter = Some(Arc::new(prepare(Some(&base)).unwrap()));
    let got = runner.feed(&prompt);
    let want: Vec<f32> = Runner::over(spec, &changed, Precision::Exact).feed(&prompt).concat();
    assert!(distance(&plain, &want) > 1e-2);
    let worst = distance(&got, &want);
    assert!(worst < 1e-5, "{worst}");
}

//! Filters keep what the reference keeps, with its probabilities.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_core::Sampling;
use lyceum_engine::{Candidates, Sampler};
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/sampling")
}

fn history(tensors: &Safetensors) -> Vec<Vec<u32>> {
    let t = tensors.tensor("history").unwrap();
    let all: Vec<u32> =
        t.bytes().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect();
    all.chunks(t.shape[1]).map(<[u32]>::to_vec).collect()
}

/// Probabilities after the settings of a case; `None` when it uses something that requests do not have.
fn ours(case: &Value, logits: &[f32], history: &[u32]) -> Option<Vec<f32>> {
    let known =
        ["temperature", "top_k", "top_p", "min_tokens_to_keep", "min_p", "typical_p", "repetition_penalty"];
    let settings = case.as_object()?;
    if settings.keys().any(|k| !known.contains(&k.as_str())) {
        return None;
    }
    let n = |key: &str| case[key].as_f64().map(|x| x as f32);
    let sampling =
        Sampling { repetition_penalty: n("repetition_penalty").unwrap_or(1.0), ..Sampling::default() };
    let mut logits = logits.to_vec();
    Sampler::new(sampling, history).penalise(&mut logits);
    let mut c = Candidates::of(&logits, n("temperature").unwrap_or(1.0));
    if let Some(k) = case["top_k"].as_u64() {
        c.top_k(k as usize);
    }
    if let Some(p) = n("top_p") {
        c.top_p(p, case["min_tokens_to_keep"].as_u64().unwrap_or(1) as usize);
    }
    if let Some(m) = n("min_p") {
        c.min_p(m);
    }
    if let Some(p) = n("typical_p") {
        c.typical(p);
    }
    let mut out = vec![0.0; logits.len()];
    for (id, p) in c.ids().iter().zip(c.probabilities()) {
        out[*id as usize] = p;
    }
    Some(out)
}

#[test]
fn every_filter_agrees() {
    let tensors = Safetensors::open(&golden().join("expected.safetensors")).unwrap();
    let cases: Value =
        serde_json::from_str(&std::fs::read_to_string(golden().join("expected.json")).unwrap()).unwrap();
    let logits = tensors.f32("logits").unwrap();
    let histories = history(&tensors);
    let mut seen = 0;
    for (name, case) in cases.as_object().unwrap() {
        let Some(key) = tensors.tensors().keys().find(|k| **k == format!("{name}.probs")) else { continue };
        let want = tensors.f32(key).unwrap();
        for (row, history) in histories.iter().enumerate() {
            let Some(got) = ours(case, &logits[row * 40..(row + 1) * 40], history) else { continue };
            for (i, (g, w)) in got.iter().zip(&want[row * 40..(row + 1) * 40]).enumerate() {
                assert!((g - w).abs() < 1e-5, "{name} row {row} token {i}: {g} is not {w}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 45, "{seen} rows compared");
}

#[test]
fn draws_follow_the_probabilities() {
    let sampler = Sampler::new(Sampling { seed: 3, ..Sampling::default() }, &[]);
    let logits: Vec<f32> = [0.5f32, 0.3, 0.2].iter().map(|p| p.ln()).collect();
    let mut counts = [0u32; 3];
    for position in 0..20_000 {
        counts[sampler.choose(&mut logits.clone(), position) as usize] += 1;
    }
    for (count, p) in counts.iter().zip([0.5, 0.3, 0.2]) {
        assert!((f64::from(*count) / 20_000.0 - p).abs() < 0.012, "{counts:?}");
    }
}

#[test]
fn penalties_count_the_output() {
    let sampling =
        Sampling { frequency_penalty: 0.5, presence_penalty: 0.25, temperature: 0.0, ..Sampling::default() };
    let mut sampler = Sampler::new(sampling, &[0]);
    sampler.saw(1);
    sampler.saw(1);
    let mut logits = vec![1.0, 2.0, 0.9];
    sampler.penalise(&mut logits);
    assert_eq!(logits, [1.0, 0.75, 0.9]);
    assert_eq!(sampler.choose(&mut [1.0, 2.0, 0.9], 0), 0);
}

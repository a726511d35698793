//! Frequencies of every scaling equal those of the reference.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_models::rope::{LongRope, RopeSpec, Scaling, Yarn};
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;
use std::path::Path;

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn scaling(kind: &str, c: &Value, max: f64, beside: Option<f64>) -> Scaling {
    let n = |key: &str| c[key].as_f64();
    let original = n("original_max_position_embeddings").or(beside).unwrap_or(max);
    match kind {
        "linear" => Scaling::Linear { factor: n("factor").unwrap() },
        "dynamic" => Scaling::Dynamic { factor: n("factor").unwrap() },
        "llama3" => Scaling::Llama3 {
            factor: n("factor").unwrap(),
            low: n("low_freq_factor").unwrap(),
            high: n("high_freq_factor").unwrap(),
            original,
        },
        "yarn" => {
            let factor = n("factor").unwrap();
            let plain = |m: f64| 0.1 * m * factor.ln() + 1.0;
            let derived = match (n("mscale"), n("mscale_all_dim")) {
                (Some(m), Some(all)) => plain(m) / plain(all),
                _ => plain(1.0),
            };
            Scaling::Yarn(Yarn {
                factor,
                original,
                beta_fast: n("beta_fast").unwrap_or(32.0),
                beta_slow: n("beta_slow").unwrap_or(1.0),
                attention_factor: n("attention_factor").unwrap_or(derived),
            })
        }
        "longrope" => Scaling::LongRope(LongRope {
            short: numbers(&c["short_factor"]),
            long: numbers(&c["long_factor"]),
            original,
            attention_factor: (1.0 + (max / original).ln() / original.ln()).sqrt(),
        }),
        _ => Scaling::None,
    }
}

#[test]
fn every_scaling_has_the_reference_frequencies() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/rope");
    let cases: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("expected.json")).unwrap()).unwrap();
    let expected = Safetensors::open(&dir.join("expected.safetensors")).unwrap();
    let mut seen = 0;
    for (name, case) in cases.as_object().unwrap() {
        if !expected.contains(&format!("{name}.inv_freq")) {
            continue;
        }
        let max = case["max_position_embeddings"].as_u64().unwrap() as usize;
        let config = &case["rope_scaling"];
        let original = case["original_max_position_embeddings"].as_f64();
        let spec = RopeSpec {
            theta: case["rope_theta"].as_f64().unwrap(),
            dim: 16,
            max_position: max,
            scaling: scaling(config["rope_type"].as_str().unwrap_or("default"), config, max as f64, original),
        };
        let got = spec.frequencies(case["seq_len"].as_u64().unwrap_or(1) as usize);
        let want = expected.f32(&format!("{name}.inv_freq")).unwrap();
        for (g, w) in got.inv_freq.iter().zip(&want) {
            assert!((g - w).abs() <= 2e-6 * w.abs(), "{name}: {g} is not {w}");
        }
        let factor = expected.f32(&format!("{name}.attention_factor")).unwrap()[0];
        assert!(
            (got.attention_factor - factor).abs() < 1e-6,
            "{name}: {} is not {factor}",
            got.attention_factor
        );
        seen += 1;
    }
    assert!(seen >= 9, "{seen}");
}

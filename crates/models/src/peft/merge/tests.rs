//! Against PEFT's merges of two adapters, with the masks that it drew.

use super::*;
use crate::decoder::load_without_text;
use crate::{Projection, peft};
use lyceum_tensor::safetensors::Safetensors;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn parts() -> Vec<(Lora, f32)> {
    let spec = load_without_text(&golden("llama")).unwrap().0;
    let read = |name: &str| peft::read(&golden("peft/weighted_merge").join(name), &spec).unwrap();
    vec![(read("a"), 0.7), (read("b"), 0.5)]
}

fn how(strategy: MergeStrategy, density: f32, sign: MajoritySign) -> AdapterMerge {
    AdapterMerge { parts: Vec::new(), strategy, density, sign, seed: 1 }
}

#[test]
fn merges_are_those_of_the_reference() {
    let file = Safetensors::open(&golden("peft/weighted_merge/expected.safetensors")).unwrap();
    use MajoritySign::{Frequency, Total};
    use MergeStrategy as S;
    for (name, strategy, density, sign) in [
        ("linear", S::Linear, 1.0, Total),
        ("cat", S::Cat, 1.0, Total),
        ("ties", S::Ties, 0.4, Total),
        ("ties_frequency", S::Ties, 0.4, Frequency),
        ("magnitude_prune", S::MagnitudePrune, 0.5, Total),
        ("dare_linear", S::DareLinear, 0.5, Total),
        ("dare_ties", S::DareTies, 0.5, Total),
    ] {
        let mut drawn = 0;
        let mut keep = |n: usize| {
            let mask = file.tensor(&format!("{name}.mask_{drawn}")).unwrap().bytes().to_vec();
            drawn += 1;
            assert_eq!(mask.len(), n);
            mask.into_iter().map(|x| x != 0).collect()
        };
        let got = merge_with(&parts(), &how(strategy, density, sign), &mut keep, 1.0).unwrap();
        assert_eq!(drawn, if name.starts_with("dare") { 16 } else { 0 });
        let q = got.modules.iter().find(|m| m.module == Module::Layer(0, Projection::Q)).unwrap();
        let near = |what: &str, got: &[f32]| {
            let want = file.f32(&format!("{name}.{what}")).unwrap();
            assert_eq!(got.len(), want.len(), "{name}.{what}");
            for (g, w) in got.iter().zip(&want) {
                assert!((g - w).abs() < 2e-6, "{name}.{what}: {g} is not {w}");
            }
        };
        let (a, b) = (q.a.to_f32(), q.b.to_f32());
        if strategy != S::Cat {
            near("A_q0", &a);
            near("B_q0", &b);
        }
        let (r, inputs) = (q.a.rows(), q.a.cols());
        let entry = |o: usize, i: usize| (0..r).map(|k| b[o * r + k] * a[k * inputs + i]).sum::<f32>();
        let delta: Vec<f32> = (0..q.b.rows())
            .flat_map(|o| (0..inputs).map(move |i| (o, i)))
            .map(|(o, i)| entry(o, i))
            .collect();
        near("delta_q0", &delta);
    }
}

#[test]
fn dare_keeps_the_share_and_the_mean() {
    let parts = parts();
    let one = merge(&parts, &how(MergeStrategy::DareLinear, 0.5, MajoritySign::Total)).unwrap();
    let again = merge(&parts, &how(MergeStrategy::DareLinear, 0.5, MajoritySign::Total)).unwrap();
    let whole = merge(&parts, &how(MergeStrategy::Linear, 1.0, MajoritySign::Total)).unwrap();
    assert_eq!(one.modules[0].a.to_f32(), again.modules[0].a.to_f32(), "one seed, one merge");
    assert_ne!(one.generation, whole.generation);
    let full = merge(&parts, &how(MergeStrategy::DareLinear, 1.0, MajoritySign::Total)).unwrap();
    assert_eq!(full.modules[0].a.to_f32(), whole.modules[0].a.to_f32(), "a density of 1 keeps all");
    let alone = merge(&parts[..1], &how(MergeStrategy::DareLinear, 0.5, MajoritySign::Total)).unwrap();
    let (got, was) = (alone.modules[0].a.to_f32(), parts[0].0.modules[0].a.to_f32());
    let kept = got.iter().filter(|x| **x != 0.0).count();
    assert!((90..166).contains(&kept), "{kept} of 256 kept");
    let root = (0.7 * parts[0].0.modules[0].scale).sqrt();
    for (g, w) in got.iter().zip(&was) {
        assert!(*g == 0.0 || (g - 2.0 * root * w).abs() < 1e-6, "kept numbers are divided by the density");
    }
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let says = |parts: &[(Lora, f32)], h: AdapterMerge| merge(parts, &h).unwrap_err().to_string();
    let ties = |density| how(MergeStrategy::Ties, density, MajoritySign::Total);
    assert!(says(&parts(), ties(0.0)).contains("the density is 0"));
    assert!(says(&[], ties(0.5)).contains("0 are named"));
    let mut other = parts();
    other[1].1 = f32::NAN;
    assert!(says(&other, ties(0.5)).contains("NaN is no weight"));
    let spec = load_without_text(&golden("llama")).unwrap().0;
    let wide = peft::read(&golden("peft/lora_r8_all"), &spec).unwrap();
    other[1] = (wide, 1.0);
    assert!(says(&other, ties(0.5)).contains("different ranks at `model.layers.0.self_attn.q_proj`: 4, 8"));
    assert_eq!(merge(&other, &how(MergeStrategy::Cat, 1.0, MajoritySign::Total)).unwrap().config.r, 12);
    other[1].0 = peft::read(&golden("peft/dora_r4"), &spec).unwrap();
    assert!(says(&other, ties(0.5)).contains("DoRA's magnitudes"));
}

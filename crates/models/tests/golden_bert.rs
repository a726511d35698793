//! Sentence vectors equal those of the reference.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_models::bert::Bert;
use lyceum_tensor::Pool;
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;
use std::path::Path;

#[test]
fn sentence_vectors_equal_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/bert_minilm");
    let bert = Bert::open(&folder).unwrap();
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let expected = Safetensors::open(&folder.join("expected.safetensors")).unwrap();
    let key = "mean_pooled_normalized";
    let want = expected.f32(key).unwrap();
    let texts = json["texts"].as_array().unwrap();
    let got: Vec<Vec<f32>> =
        texts.iter().map(|t| bert.embed(&Pool::new(2), t.as_str().unwrap()).unwrap()).collect();
    for (g, w) in got.iter().flatten().zip(&want) {
        assert!((g - w).abs() < 2e-5, "{g} is not {w}");
    }
    let cosine: f32 = got[0].iter().zip(&got[1]).map(|(a, b)| a * b).sum();
    assert!((f64::from(cosine) - json["cosine"].as_f64().unwrap()).abs() < 1e-5);
    let long = "cloud ".repeat(200);
    let ids = bert.tokens(&long).unwrap();
    assert_eq!(ids.len(), 64);
    assert_eq!(ids.last(), bert.tokens("x").unwrap().last());
}

#[test]
fn the_real_encoder_knows_what_is_alike() {
    let Ok(path) = std::env::var("LYCEUM_TEST_MINILM") else {
        eprintln!("SKIPPED: set LYCEUM_TEST_MINILM to the MiniLM folder");
        return;
    };
    let bert = Bert::open(Path::new(&path)).unwrap();
    let pool = Pool::new(2);
    let v = |t: &str| bert.embed(&pool, t).unwrap();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let (cat, kitten, tax) =
        (v("A cat sleeps."), v("The kitten is napping."), v("The tax return is due in May."));
    assert!((cosine(&cat, &cat) - 1.0).abs() < 1e-4);
    assert!(cosine(&cat, &kitten) > cosine(&cat, &tax) + 0.3);
}

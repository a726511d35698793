//! Text metrics and intervals against rouge-score, SQuAD's script and statsmodels (`tests/golden/evaluate`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use lyceum_evaluate::{normalised, rouge_l, rouge_n, student, token_f1, wilson};
use serde_json::Value;
use std::path::Path;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/evaluate").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn near(what: &str, ours: f64, theirs: &Value) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() < 1e-9, "{what}: {ours}, the reference has {theirs}");
}

#[test]
fn texts() {
    let g = golden("text.json");
    for pair in g["pairs"].as_array().unwrap() {
        let (hyp, reference) = (pair["hyp"].as_str().unwrap(), pair["ref"].as_str().unwrap());
        for (name, ours) in [
            ("rouge1", rouge_n(hyp, reference, 1)),
            ("rouge2", rouge_n(hyp, reference, 2)),
            ("rougeL", rouge_l(hyp, reference)),
        ] {
            let theirs = &pair["rouge"][name];
            near(&format!("{name} precision of {hyp:?}"), ours.precision, &theirs[0]);
            near(&format!("{name} recall of {hyp:?}"), ours.recall, &theirs[1]);
            near(&format!("{name} F of {hyp:?}"), ours.f1, &theirs[2]);
        }
        near(&format!("F1 of {hyp:?}"), token_f1(hyp, reference), &pair["squad"]["f1"]);
        let same = f64::from(normalised(hyp) == normalised(reference));
        near(&format!("EM of {hyp:?}"), same, &pair["squad"]["em"]);
    }
}

#[test]
fn intervals() {
    let g = golden("intervals.json");
    let a: Vec<f64> = g["a"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let w = wilson(a.iter().sum(), a.len()).unwrap();
    near("Wilson low", w.low, &g["wilson95"][0]);
    near("Wilson high", w.high, &g["wilson95"][1]);
    let t = student(&a).unwrap();
    let half = 1.967_929_669 * g["se_clt_ddof1"].as_f64().unwrap();
    assert!(((t.high - t.low) / 2.0 - half).abs() < 1e-8);
}

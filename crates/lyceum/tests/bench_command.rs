//! `lyceum bench` on the small model: a line for each batch, and what it refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

mod support;

use support::{golden, json, refused};

#[test]
fn each_batch_has_speeds_with_and_without_adapters() {
    let dir = tempfile::tempdir().unwrap();
    let model = golden("llama").display().to_string();
    let sizes = ["--prompt-tokens", "40", "--gen-tokens", "12", "--batch", "1,3", "--reps", "1"];
    for (adapters, used) in [("0", [0, 0]), ("2", [1, 2])] {
        let mut args = vec!["bench", "--model", &model, "--adapters", adapters, "--rank", "4"];
        args.extend(["--target-modules", "q_proj,down_proj"]);
        args.extend(sizes);
        let said = json(dir.path(), &args);
        assert_eq!(said["threads"], 2);
        assert!(["scalar", "avx2", "avx512", "amx"].contains(&said["isa"].as_str().unwrap()));
        let results = said["results"].as_array().unwrap();
        let batches: Vec<_> = results.iter().map(|r| r["batch"].as_u64().unwrap()).collect();
        assert_eq!(batches, [1, 3]);
        for (r, used) in results.iter().zip(used) {
            assert_eq!(r["adapters"], used);
            assert!(r["prompt_tps"].as_f64().unwrap() > 0.0 && r["decode_tps"].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = golden("llama").display().to_string();
    let says = "target-modules: no layer is named `q_pro`\n  hint: did you mean `q_proj`?";
    refused(dir.path(), &["bench", "--model", &model, "--target-modules", "q_pro"], 2, says);
    let says = "prompt-tokens: 120 prompt tokens and up to 9 generated ones at a batch of 1 take 129 tokens, the model's \
                context has 128\n  hint: take shorter prompts or smaller batches";
    let args = ["bench", "--model", &model, "--prompt-tokens", "120", "--gen-tokens", "8", "--batch", "1"];
    refused(dir.path(), &args, 2, says);
}

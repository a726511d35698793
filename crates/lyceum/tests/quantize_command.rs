//! `lyceum quantize`: a file in other formats, and what is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn lyceum(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command.current_dir(dir).env("LYCEUM_HOME", dir.join("home")).args(arguments).output().unwrap()
}

fn golden() -> String {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../tests/golden/neural/gguf/llama_q8_0.gguf"].iter().collect();
    path.canonicalize().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_model_is_written_in_other_formats_and_still_foresees() {
    let dir = tempfile::tempdir().unwrap();
    let input = golden();
    for (kind, format) in [("q4_0", "q4_0"), ("q4_k_m", "q5_0"), ("bf16", "bf16")] {
        let out = format!("{kind}.gguf");
        let done = lyceum(dir.path(), &["quantize", &input, &out, "--type", kind, "--json", "--quiet"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&report["type"], &report["output"]), (&kind.into(), &out.as_str().into()));
        // Rows of 64 and 80 do not fill blocks of 256: the next formats with blocks of 32 are taken, then f16.
        assert!(report["tensors"][format].as_u64() > Some(0), "{report}");
        assert!(report["bits_per_weight"].as_f64() > Some(4.0), "{report}");
        let (spec, weights) = lyceum_models::decoder::load_without_text(&dir.path().join(&out)).unwrap();
        let (_, before) = lyceum_models::decoder::load_without_text(input.as_ref()).unwrap();
        assert_eq!(weights.layers.len(), spec.layers);
        let pairs = weights.layers[0].q.to_f32().into_iter().zip(before.layers[0].q.to_f32());
        let (off, size) = pairs.fold((0.0, 0.0), |(off, size), (a, b)| (off + (a - b).powi(2), size + b * b));
        assert!(off / size < 0.02, "{kind}: {}", off / size);
    }
}

#[test]
fn what_is_there_stays_and_unknown_types_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("there.gguf"), "mine").unwrap();
    let input = golden();
    for (arguments, says) in [
        (["quantize", &input, "there.gguf", "--type", "q8_0"], "there.gguf: is there already"),
        (["quantize", &input, "new.gguf", "--type", "q4_k_x"], "did you mean `q4_k_s`?"),
        (["quantize", "absent.gguf", "new.gguf", "--type", "q8_0"], "absent.gguf"),
    ] {
        let done = lyceum(dir.path(), &arguments);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && told.contains(says), "{told}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("there.gguf")).unwrap(), "mine");
    assert!(!dir.path().join("new.gguf").exists());
}

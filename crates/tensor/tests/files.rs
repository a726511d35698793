//! Files come back as they were written; broken ones say in one line what is broken.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_core::ErrorKind;
use lyceum_tensor::gguf::{self, Gguf, Kind, Value};
use lyceum_tensor::safetensors::{self, Safetensors};
use lyceum_tensor::{Format, Matrix, quantize};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn error_of(path: &Path, bytes: &[u8]) -> String {
    std::fs::write(path, bytes).unwrap();
    Gguf::open(path).unwrap_err().to_string()
}

#[test]
fn gguf_round_trip_keeps_every_byte() {
    let source = Gguf::open(&golden("gguf/llama_q4_0.gguf")).unwrap();
    let metadata: Vec<(&str, &Value)> = source.metadata().iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<gguf::OutTensor<'_>> = source
        .tensors()
        .iter()
        .map(|(name, t)| {
            let format = t.format().unwrap();
            gguf::OutTensor { name, shape: &t.shape, format, bytes: t.bytes() }
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.gguf");
    gguf::write(&copy, &metadata, &tensors).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(golden("gguf/llama_q4_0.gguf")).unwrap());
}

#[test]
fn a_broken_gguf_is_refused_with_the_reason() {
    let whole = std::fs::read(golden("gguf/llama_q8_0.gguf")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    assert!(error_of(&path, &whole[..whole.len() / 2]).contains("the file is truncated: tensor `"));
    assert!(error_of(&path, &whole[..100]).contains("the file is truncated"));
    assert!(error_of(&path, b"GGML\x03\0\0\0").contains("does not begin with `GGUF`"));
    assert!(error_of(&path, b"GGUF\x01\0\0\0").contains("GGUF version 1; versions 2 and 3 are read"));
    assert!(error_of(&path, b"PK\x03\x04....").contains("this is a pickle file"));
    assert!(error_of(&path, b"").contains("the file is empty"));
}

#[test]
fn an_unknown_quantisation_is_named() {
    let x = quantize(Format::F32, &[0.0; 32]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let t = gguf::OutTensor { name: "w", shape: &[1, 32], format: Format::F32, bytes: &x };
    let alignment = Value::U32(32);
    gguf::write(&path, &[("general.alignment", &alignment)], &[t]).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|w| w == b"\x01\0\0\0\0\0\0\0w").unwrap() + 9 + 4 + 16;
    bytes[at] = 16;
    let e = error_of(&path, &bytes);
    assert!(e.contains("tensor `w` is quantised as IQ2_XXS, which is not read"), "{e}");
}

proptest! {
    /// A flipped byte anywhere in the head gives an error or a file, never a panic.
    #[test]
    fn a_damaged_gguf_never_panics(at in 0usize..4000, to in any::<u8>()) {
        let mut bytes = std::fs::read(golden("gguf/llama_q4_0.gguf")).unwrap();
        bytes[at] = to;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.gguf");
        std::fs::write(&path, &bytes).unwrap();
        let _ = Gguf::open(&path);
    }
}

#[test]
fn safetensors_round_trip_and_broken_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.safetensors");
    let values: Vec<f32> = (0..12).map(|i| i as f32 / 3.0).collect();
    let bytes = quantize(Format::F32, &values).unwrap();
    let t = safetensors::OutTensor { name: "a.b", shape: &[3, 4], format: Format::F32, bytes: &bytes };
    safetensors::write(&path, &[t]).unwrap();
    let read = Safetensors::open(&path).unwrap();
    assert_eq!(read.matrix("a.b").unwrap().to_f32(), values);
    assert_eq!(read.metadata()["format"], "pt");
    assert!(read.matrix("a.c").unwrap_err().to_string().contains("did you mean `a.b`?"));

    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let e = Safetensors::open(&path).unwrap_err();
    assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains("truncated"), "{e}");
    let pickle = dir.path().join("pytorch_model.bin");
    std::fs::write(&pickle, b"\x80\x02}q\0.").unwrap();
    assert!(Safetensors::open(&pickle).unwrap_err().to_string().contains("pickle"));
    assert!(Safetensors::open_folder(dir.path()).unwrap_err().to_string().contains("pickle"));
}

#[test]
fn an_index_may_not_leave_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("model.safetensors.index.json");
    std::fs::write(&index, r#"{"weight_map": {"a": "../../etc/passwd"}}"#).unwrap();
    assert!(Safetensors::open_folder(dir.path()).unwrap_err().to_string().contains("not a plain file name"));
}

#[test]
fn rows_are_selected_without_rounding() {
    let m = Matrix::from_f32(3, 32, (0..96).map(|i| i as f32).collect()).unwrap();
    let q = m.quantize(Format::Q8_0).unwrap();
    let picked = q.select_rows([2, 0]).unwrap();
    assert_eq!(picked.row_bytes(0), q.row_bytes(2));
    assert_eq!(picked.row_bytes(1), q.row_bytes(0));
    assert!(q.select_rows([3]).is_err());
    assert_eq!(q.slice_rows(1..3).unwrap().row_bytes(1), q.row_bytes(2));
    assert!(Matrix::from_f32(1, 33, vec![0.0; 33]).unwrap().quantize(Format::Q8_0).is_err());
}

#[test]
fn arrays_of_arrays_are_bounded() {
    let deep = (0..5).fold(Value::U8(1), |v, _| Value::Array(v.kind(), vec![v]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep.gguf");
    gguf::write(&path, &[("k", &deep)], &[]).unwrap();
    assert!(Gguf::open(&path).unwrap_err().to_string().contains("beyond the file or the limits"));
    let flat = Value::Array(Kind::Text, vec![Value::Text("a".into())]);
    gguf::write(&path, &[("k", &flat)], &[]).unwrap();
    assert_eq!(Gguf::open(&path).unwrap().get("k"), Some(&flat));
}

//! Adapter folders: what fits is read, what does not is refused by name, what is written is read back.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_models::decoder::load_without_text;
use lyceum_models::peft::{self, LoraConfig, OutModule};
use lyceum_models::{DecoderSpec, Module, Projection};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn base() -> DecoderSpec {
    load_without_text(&golden("llama")).unwrap().0
}

#[test]
fn reads_ranks_and_scales_of_patterns() {
    let lora = peft::read(&golden("peft/lora_rank_pattern"), &base()).unwrap();
    let of = |l, p| lora.modules.iter().find(|m| m.module == Module::Layer(l, p)).unwrap();
    assert_eq!((of(0, Projection::Q).a.rows(), of(0, Projection::Q).scale), (6, 0.5));
    assert_eq!((of(1, Projection::Down).a.rows(), of(1, Projection::Down).scale), (2, 4.0));
    assert_eq!((of(0, Projection::Down).a.rows(), of(0, Projection::Down).scale), (4, 2.0));
    let rs = peft::read(&golden("peft/lora_rslora"), &base()).unwrap();
    let m = &rs.modules[0];
    assert!((f64::from(m.scale) - rs.config.alpha / (m.a.rows() as f64).sqrt()).abs() < 1e-6);
}

#[test]
fn other_kinds_are_refused_by_name() {
    for (folder, says) in [
        ("ia3", "adapters of kind IA3 are not read"),
        ("dora_r4", "DoRA"),
        ("lora_modules_to_save", "modules stored whole"),
        ("lora_embedding", "embed_tokens"),
    ] {
        let e = peft::read(&golden(&format!("peft/{folder}")), &base()).unwrap_err().to_string();
        assert!(e.contains(says), "{folder}: {e}");
    }
}

#[test]
fn an_adapter_of_another_base_names_both_shapes() {
    let other = load_without_text(&golden("gguf/llama_k_mix.gguf")).unwrap().0;
    let e = peft::read(&golden("peft/lora_r4_qv"), &other).unwrap_err().to_string();
    assert!(e.contains("another base") || e.contains("fit no module"), "{e}");
    let mut wider = base();
    wider.hidden = 96;
    let e = peft::read(&golden("peft/lora_r4_qv"), &wider).unwrap_err().to_string();
    assert!(e.contains("it maps 64 to 64, the base maps 96 to 64"), "{e}");
}

#[test]
fn a_written_folder_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (vec![0.5f32; 2 * 64], vec![-1.0f32; 32 * 2]);
    let config = LoraConfig {
        r: 2,
        alpha: 4.0,
        rslora: false,
        target_modules: vec!["k_proj".into()],
        rank_pattern: Vec::new(),
        alpha_pattern: Vec::new(),
        base_model: "tiny".into(),
        dropout: 0.0,
    };
    let module = Module::Layer(1, Projection::K);
    peft::write(dir.path(), &config, &[OutModule { module, a: &a, b: &b, r: 2 }]).unwrap();
    let lora = peft::read(dir.path(), &base()).unwrap();
    assert_eq!(lora.config, config);
    assert_eq!((lora.modules[0].module, lora.modules[0].scale), (module, 2.0));
    assert_eq!(lora.modules[0].a.to_f32(), a);
    assert_eq!(lora.modules[0].b.to_f32(), b);

    let path = dir.path().join("adapter_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"r\": 2", "\"r\": 3")).unwrap();
    let e = peft::read(dir.path(), &base()).unwrap_err().to_string();
    assert!(e.contains("rank mismatch at `model.layers.1.self_attn.k_proj`"), "{e}");
    std::fs::remove_file(dir.path().join("adapter_model.safetensors")).unwrap();
    std::fs::write(dir.path().join("adapter_model.bin"), b"\x80\x02.").unwrap();
    assert!(peft::read(dir.path(), &base()).unwrap_err().to_string().contains("pickle"));
}

#[test]
fn split_half_rows_come_back_from_gguf() {
    let hf = load_without_text(&golden("llama")).unwrap().1;
    let gguf = load_without_text(&golden("gguf/llama_q8_0.gguf")).unwrap().1;
    for (a, b) in hf.layers.iter().zip(&gguf.layers) {
        for p in Projection::ALL {
            let (x, y) = (a.projection(p).to_f32(), b.projection(p).to_f32());
            let worst = x.iter().zip(&y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(worst < 0.01, "{p:?}: {worst}");
        }
    }
}

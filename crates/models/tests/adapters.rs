//! Adapter folders: what fits is read, what does not is refused by name, what is written is read back.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_models::decoder::load_without_text;
use lyceum_models::peft::{self, BiasKind, LoraConfig, OutModule};
use lyceum_models::{DecoderSpec, Module, Projection};
use lyceum_tensor::safetensors::{self, Safetensors};
use lyceum_tensor::{Format, OutTensor};
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
    for (folder, kind) in [
        ("loha", "LOHA"),
        ("lokr", "LOKR"),
        ("oft", "OFT"),
        ("prefix_tuning", "PREFIX_TUNING"),
        ("prompt_tuning", "PROMPT_TUNING"),
    ] {
        let e = peft::read(&golden(&format!("peft/{folder}")), &base()).unwrap_err().to_string();
        assert!(e.contains(&format!("adapters of kind {kind} are not read")), "{folder}: {e}");
    }
}

#[test]
fn what_a_lora_may_bring_along_is_read() {
    let of = |name: &str| peft::read(&golden(&format!("peft/{name}")), &base()).unwrap();
    let dora = of("dora_r4");
    assert!(dora.config.dora && dora.needs_base());
    assert!(dora.modules.iter().all(|m| m.magnitude.as_ref().unwrap().len() == m.b.rows()));
    let saved = of("lora_modules_to_save");
    assert_eq!(saved.config.modules_to_save, ["lm_head"]);
    assert_eq!((saved.head.unwrap().rows(), saved.embed.is_none()), (384, true));
    let embedding = of("lora_embedding");
    assert_eq!(embedding.embedding.as_ref().unwrap().a.cols(), 384);
    assert!(embedding.embed.is_some() && !embedding.needs_base());
}

/// A folder made from a golden one, with other settings or tensors.
struct Changed(tempfile::TempDir);

impl Changed {
    fn new(from: &str, settings: &[(&str, serde_json::Value)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = golden(&format!("peft/{from}"));
        let text = std::fs::read_to_string(from.join("adapter_config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (key, value) in settings {
            config[*key] = value.clone();
        }
        std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
        let name = "adapter_model.safetensors";
        std::fs::copy(from.join(name), dir.path().join(name)).unwrap();
        Self(dir)
    }

    /// Adds a vector to the tensors.
    fn with(self, name: &str, vector: &[f32]) -> Self {
        let path = self.0.path().join("adapter_model.safetensors");
        let file = Safetensors::open(&path).unwrap();
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        let shape = [vector.len()];
        let mut tensors: Vec<OutTensor<'_>> = file
            .tensors()
            .iter()
            .map(|(name, t)| OutTensor { name, shape: &t.shape, format: Format::F32, bytes: t.bytes() })
            .collect();
        tensors.push(OutTensor { name, shape: &shape, format: Format::F32, bytes: &bytes });
        safetensors::write(&path, &tensors).unwrap();
        self
    }

    fn read(&self) -> Result<peft::Lora, String> {
        peft::read(self.0.path(), &base()).map_err(|e| e.to_string())
    }
}

const Q0: &str = "base_model.model.model.layers.0.self_attn.q_proj";

#[test]
fn biases_are_read_and_added() {
    let config = [("bias", "all".into()), ("lora_bias", true.into())];
    let low = format!("{Q0}.lora_B.bias");
    let folder = Changed::new("lora_r4_qv", &config);
    assert!(folder.read().unwrap_err().contains("has no lora_B.bias, but `lora_bias` is true"));
    let plain = [("bias", "all".into())];
    let folder = Changed::new("lora_r4_qv", &plain).with(&format!("{Q0}.base_layer.bias"), &[0.5; 64]);
    let lora = folder.read().unwrap();
    let module = Module::Layer(0, Projection::Q);
    assert!(lora.needs_base());
    assert_eq!(lora.added_bias(module, None).unwrap(), [0.5; 64]);
    let folder = Changed::new("lora_r4_qv", &plain).with(&low, &[0.5; 64]);
    assert!(folder.read().unwrap_err().contains("has a lora_B.bias, but `lora_bias` is false"));
    let folder = Changed::new("lora_r4_qv", &[]).with(&format!("{Q0}.bias"), &[0.5; 64]);
    assert!(folder.read().unwrap_err().contains("has a bias, but adapter_config.json says none"));
    let folder = Changed::new("lora_r4_qv", &plain).with(&format!("{Q0}.bias"), &[0.5; 63]);
    assert!(folder.read().unwrap_err().contains("bias has 63 numbers, the base has 64 outputs"));
}

#[test]
fn settings_that_change_the_sums_are_refused_or_held_against_the_tensors() {
    for (from, key, value, says) in [
        ("lora_r4_qv", "use_dora", true.into(), "has no lora_magnitude_vector, but `use_dora` is true"),
        ("dora_r4", "use_dora", false.into(), "has a lora_magnitude_vector, but `use_dora` is false"),
        ("lora_r4_qv", "modules_to_save", serde_json::json!(["score"]), "`score` stored whole"),
        ("lora_r4_qv", "modules_to_save", serde_json::json!(["lm_head"]), "its weight is missing"),
        ("lora_r4_qv", "bias", "lora_onl".into(), "did you mean `lora_only`?"),
        ("lora_r4_qv", "init_lora_weights", "pissa_niter_4".into(), "a base that `pissa_niter_4` changed"),
        ("lora_r4_qv", "use_qalora", true.into(), "QA-LoRA"),
    ] {
        let e = Changed::new(from, &[(key, value)]).read().unwrap_err();
        assert!(e.contains(says), "{key}: {e}");
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
    let (a, b, lengths) = (vec![0.5f32; 2 * 64], vec![-1.0f32; 32 * 2], vec![3.0; 32]);
    let config = LoraConfig {
        r: 2,
        alpha: 4.0,
        rslora: false,
        dora: true,
        lora_bias: false,
        bias: BiasKind::None,
        modules_to_save: Vec::new(),
        target_modules: vec!["k_proj".into()],
        rank_pattern: Vec::new(),
        alpha_pattern: Vec::new(),
        base_model: "tiny".into(),
        dropout: 0.0,
    };
    let module = Module::Layer(1, Projection::K);
    let out = OutModule { module, a: &a, b: &b, r: 2, magnitude: Some(&lengths) };
    peft::write(dir.path(), &config, &[out]).unwrap();
    let lora = peft::read(dir.path(), &base()).unwrap();
    assert_eq!(lora.config, config);
    assert_eq!((lora.modules[0].module, lora.modules[0].scale), (module, 2.0));
    assert_eq!(lora.modules[0].a.to_f32(), a);
    assert_eq!(lora.modules[0].b.to_f32(), b);
    assert_eq!(lora.modules[0].magnitude.as_ref().unwrap(), &lengths);

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

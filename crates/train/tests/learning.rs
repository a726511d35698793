//! Training as a whole, on the tiny reference model: it learns, resumes to the same bits, and writes what is read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_core::{Context, NoProgress, Progress};
use lyceum_models::decoder::load_without_text;
use lyceum_models::peft::RowNorms;
use lyceum_models::{DecoderSpec, DecoderWeights};
use lyceum_tensor::{Format, Matrix, Pool};
use lyceum_train::lm::{
    AdapterSettings, Example, Finetune, Network, Pretrain, Shape, Training, finetune, pretrain,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn base() -> (DecoderSpec, DecoderWeights) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/gguf/llama_q8_0.gguf");
    load_without_text(&path).unwrap()
}

fn examples() -> Vec<Example> {
    (0..12u32)
        .map(|i| {
            let ids: Vec<u32> = (0..9).map(|j| (i * 31 + j * 7) % 384).collect();
            let weights = (0..9).map(|j| if j > 4 { 1.0 } else { 0.0 }).collect();
            Example { ids, weights }
        })
        .collect()
}

/// Cancels the context after some steps, as a person's Ctrl-C would.
struct Stopper {
    cx: Context,
    after: u64,
    seen: AtomicU64,
}

impl Progress for Stopper {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn at(&self, done: u64) {
        self.seen.store(done, Ordering::Relaxed);
        if done == self.after {
            self.cx.cancel();
        }
    }
}

struct Setup {
    training: Training,
    adapter: AdapterSettings,
}

fn setup() -> Setup {
    let training = Training { steps: 12, learning_rate: 5e-3, eval_every: 4, ..Training::default() };
    Setup {
        training,
        adapter: AdapterSettings { r: 4, alpha: 8.0, dropout: 0.1, ..AdapterSettings::default() },
    }
}

fn run(
    output: &Path,
    setup: &Setup,
    progress: Arc<dyn Progress>,
    cx: &Context,
) -> lyceum_core::Result<Vec<f32>> {
    let (spec, weights) = base();
    run_over((&spec, &weights), output, setup, progress, cx)
}

fn run_over(
    (spec, weights): (&DecoderSpec, &DecoderWeights),
    output: &Path,
    setup: &Setup,
    progress: Arc<dyn Progress>,
    cx: &Context,
) -> lyceum_core::Result<Vec<f32>> {
    let (examples, valid) = (examples(), examples()[..3].to_vec());
    let job = Finetune {
        spec,
        weights,
        base_name: "tiny",
        base_fingerprint: "tiny",
        examples: &examples,
        valid: &valid,
        adapter: &setup.adapter,
        training: &setup.training,
    };
    finetune(&job, output, &Pool::new(2), &progress, cx).map(|r| r.loss)
}

fn adapter_bytes(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("adapter_model.safetensors")).unwrap()
}

#[test]
fn a_quantised_base_learns_through_its_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let long = Setup { training: Training { steps: 90, learning_rate: 1e-2, ..setup().training }, ..setup() };
    let loss = run(dir.path(), &long, Arc::new(NoProgress), &Context::new()).unwrap();
    assert!(loss[89] < 0.5 * loss[0], "{loss:?}");
    let lora = lyceum_models::peft::read(dir.path(), &base().0).unwrap();
    assert_eq!(lora.modules.len(), base().0.layers * 7);
    assert!(!dir.path().join("checkpoints").exists());
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts): (PathBuf, PathBuf) = (dir.path().join("whole"), dir.path().join("parts"));
    let undisturbed = run(&whole, &setup(), Arc::new(NoProgress), &Context::new()).unwrap();
    for after in [3, 7] {
        let cx = Context::new();
        let stopper = Arc::new(Stopper { cx: cx.clone(), after, seen: AtomicU64::new(0) });
        let stopped = run(&parts, &setup(), stopper.clone(), &cx);
        assert_eq!(stopped.unwrap_err().kind(), lyceum_core::ErrorKind::Cancelled);
        assert_eq!(stopper.seen.load(Ordering::Relaxed), after);
    }
    let resumed = run(&parts, &setup(), Arc::new(NoProgress), &Context::new()).unwrap();
    assert_eq!(resumed, undisturbed);
    assert_eq!(adapter_bytes(&parts), adapter_bytes(&whole));
}

/// DoRA begins at the base as LoRA does, learns the lengths too, and resumes to the same bits.
#[test]
fn lengths_are_learnt_apart() {
    let dir = tempfile::tempdir().unwrap();
    let plain = Setup { adapter: AdapterSettings { dropout: 0.0, ..setup().adapter }, ..setup() };
    let dora = Setup { adapter: AdapterSettings { use_dora: true, ..plain.adapter.clone() }, ..setup() };
    let of = |name: &str, setup: &Setup| {
        run(&dir.path().join(name), setup, Arc::new(NoProgress), &Context::new()).unwrap()
    };
    let (without, with) = (of("plain", &plain), of("dora", &dora));
    assert!((without[0] - with[0]).abs() < 1e-5, "{} {}", without[0], with[0]);
    assert!(with[11] < 0.95 * with[0] && with[11] != without[11], "{with:?}");
    let (spec, weights) = base();
    let lora = lyceum_models::peft::read(&dir.path().join("dora"), &spec).unwrap();
    let moved = lora.modules.iter().filter(|m| {
        let before = RowNorms::of(weights.matrix(m.module).unwrap()).lengths();
        m.magnitude.as_ref().unwrap().iter().zip(before).any(|(m, b)| (m - b).abs() > 1e-4)
    });
    assert_eq!(moved.count(), spec.layers * 7);

    let cx = Context::new();
    let stopper = Arc::new(Stopper { cx: cx.clone(), after: 5, seen: AtomicU64::new(0) });
    run(&dir.path().join("parts"), &dora, stopper, &cx).unwrap_err();
    assert_eq!(of("parts", &dora), with);
    assert_eq!(adapter_bytes(&dir.path().join("parts")), adapter_bytes(&dir.path().join("dora")));
}

/// The tiny reference model with an MLP whose rows fill blocks of 64.
fn float_base() -> (DecoderSpec, DecoderWeights) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/llama");
    let (mut spec, mut weights) = load_without_text(&path).unwrap();
    let refused = weights.quantized(Format::NF4, &Pool::new(2)).unwrap_err().to_string();
    assert!(refused.contains("`model.layers.0.mlp.down_proj` are 80 long"), "{refused}");
    spec.intermediate = 64;
    for l in &mut weights.layers {
        (l.gate, l.up) = (l.gate.slice_rows(0..64).unwrap(), l.up.slice_rows(0..64).unwrap());
        let down = l.down.to_f32().chunks(80).flat_map(|row| row[..64].to_vec()).collect();
        l.down = Matrix::from_f32(64, 64, down).unwrap();
    }
    (spec, weights)
}

#[test]
fn a_base_rounded_to_nf4_learns_in_less_memory() {
    let (spec, float) = float_base();
    let weights = float.quantized(Format::NF4, &Pool::new(2)).unwrap();
    assert_eq!((weights.main_format(), weights.embed.format()), (Format::NF4, float.embed.format()));
    let of_layers = |w: &DecoderWeights| w.bytes() - w.embed.byte_len() as u64 - w.head().byte_len() as u64;
    assert!(of_layers(&weights) * 3 < of_layers(&float));
    let (pool, ids): (_, Vec<u32>) = (Pool::new(2), (0..20).map(|i| i * 17 % 384).collect());
    let logits = |weights| {
        let (network, parameters) = Network::plain(&spec, weights);
        network.logits(&pool, &parameters, &ids).into_vec()
    };
    let (a, b) = (logits(&float), logits(&weights));
    let (mut dot, mut aa, mut bb) = (0.0, 0.0, 0.0);
    a.iter().zip(&b).for_each(|(a, b)| (dot, aa, bb) = (dot + a * b, aa + a * a, bb + b * b));
    let cosine = dot / (aa * bb).sqrt();
    assert!(cosine > 0.95 && cosine < 0.99999, "{cosine}");
    let dir = tempfile::tempdir().unwrap();
    let training = Training { steps: 60, learning_rate: 1e-2, ..setup().training };
    let loss = run_over(
        (&spec, &weights),
        dir.path(),
        &Setup { training, ..setup() },
        Arc::new(NoProgress),
        &Context::new(),
    );
    let loss = loss.unwrap();
    assert!(loss[59] < 0.7 * loss[0], "{loss:?}");
}

#[test]
fn a_checkpoint_of_other_settings_is_not_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let cx = Context::new();
    let stopper = Arc::new(Stopper { cx: cx.clone(), after: 3, seen: AtomicU64::new(0) });
    run(dir.path(), &setup(), stopper, &cx).unwrap_err();
    let other = Setup { training: Training { seed: 7, ..setup().training }, ..setup() };
    let loss = run(dir.path(), &other, Arc::new(NoProgress), &Context::new()).unwrap();
    assert_eq!(loss.len(), 12);
}

#[test]
fn a_model_from_nothing_learns_and_loads() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.txt");
    std::fs::write(&text, "the cat sat on the mat. the dog sat on the log. ".repeat(60)).unwrap();
    let training = Training { steps: 80, learning_rate: 1e-2, batch_size: 4, ..Training::default() };
    let shape = Shape {
        vocab_size: 300,
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        context: 32,
    };
    let job = Pretrain { texts: &[text], shape, training: &training, sample: "the cat" };
    let output = dir.path().join("model");
    let progress: Arc<dyn Progress> = Arc::new(NoProgress);
    let report = pretrain(&job, &output, &Pool::new(2), &progress, &Context::new()).unwrap();
    let loss = &report.training.loss;
    assert!(loss[79] < 0.5 * loss[0], "{loss:?}");
    assert!(report.sample.starts_with("the cat"), "{}", report.sample);
    let loaded = lyceum_models::load(&output).unwrap();
    assert_eq!(loaded.spec.layers, 2);
}

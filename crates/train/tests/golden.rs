//! The trainer against reference numbers: logits of whole models, adapters, optimisers, schedules.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_models::decoder::load_without_text;
use lyceum_tensor::Pool;
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::tape::{Segments, Tape, Tensor};
use lyceum_train::lm::{AdapterSettings, Batch, Network};
use lyceum_train::{Decay, Optimizer, OptimizerKind, Parameter, Parameters, Schedule, clip_global_norm};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn ids(name: &str) -> Vec<u32> {
    let of = |v: &Value| v.as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect();
    of(&json(&format!("{name}/expected.json"))["input_ids"])
}

/// |difference| at most 2e-4 (1 + max|logit|).
fn close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let bound = 2e-4 * (1.0 + want.iter().fold(0.0f32, |m, x| m.max(x.abs())));
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= bound, "{what}: {worst} over {bound}");
}

#[test]
fn logits_of_the_llama_family() {
    let pool = Pool::new(2);
    for name in ["llama", "llama3_rope", "llama_bias_headdim", "mistral", "qwen2", "qwen3"] {
        let (spec, weights) = load_without_text(&golden(name)).unwrap();
        let (network, parameters) =
            Network::with_adapter(&spec, &weights, &AdapterSettings::default(), 1).unwrap();
        let want =
            Safetensors::open(&golden(name).join("expected.safetensors")).unwrap().f32("logits").unwrap();
        let got = network.logits(&pool, &parameters, &ids(name));
        close(got.data(), &want, name);
    }
}

#[test]
fn logits_with_adapters() {
    let pool = Pool::new(2);
    let (spec, weights) = load_without_text(&golden("llama")).unwrap();
    for name in [
        "lora_r4_qv",
        "lora_r8_all",
        "lora_rank_pattern",
        "lora_rslora",
        "lora_regex_layers",
        "lora_bias_layers_to_transform",
        "lora_embedding",
        "lora_modules_to_save",
        "dora_r4",
    ] {
        let folder = golden("peft").join(name);
        let lora = lyceum_models::peft::read(&folder, &spec).unwrap();
        let (network, parameters) = Network::with_lora(&spec, &weights, &lora).unwrap();
        let want =
            Safetensors::open(&folder.join("expected.safetensors")).unwrap().f32("logits_last8").unwrap();
        let got = network.logits(&pool, &parameters, &ids("llama"));
        let last = &got.data()[got.len() - want.len()..];
        close(last, &want, name);
    }
}

/// Gradients of the mean loss of the next token, as PEFT sends them to an adapter's tensors.
#[test]
fn gradients_of_adapters() {
    let pool = Pool::new(2);
    let (spec, weights) = load_without_text(&golden("llama")).unwrap();
    let ids = ids("llama");
    let mut targets = ids[1..].to_vec();
    targets.push(0);
    let mut counted = vec![1.0; ids.len()];
    counted[ids.len() - 1] = 0.0;
    let batch = Batch { segments: Segments::from_lengths([ids.len()]), ids, targets, weights: counted };
    for name in ["lora_r4_qv", "dora_r4"] {
        let folder = golden("peft").join(name);
        let lora = lyceum_models::peft::read(&folder, &spec).unwrap();
        let want = Safetensors::open(&folder.join("gradients.safetensors")).unwrap();
        let (network, parameters) = Network::with_lora(&spec, &weights, &lora).unwrap();
        let mut tape = Tape::new(&pool);
        let vars = Network::leaves(&mut tape, &parameters);
        let loss = network.loss(&mut tape, &vars, &batch, None).loss;
        close(loss.value().data(), &want.f32("loss").unwrap(), name);
        let mut grads = tape.backward(&loss);
        assert_eq!(parameters.0.len() + 1, want.tensors().len());
        for (parameter, var) in parameters.0.iter().zip(&vars) {
            let key = format!("base_model.model.{}", parameter.name);
            let key = if want.contains(&key) { key } else { format!("{key}.weight") };
            let got = grads.take(var).unwrap();
            let want = want.f32(&key).unwrap();
            let largest = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let worst = got.data().iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4 * largest, "{name} {key}: {worst} of {largest}");
        }
    }
}

/// Six steps on mean((A w + b - Y)²) from the same start.
#[test]
fn optimiser_trajectories() {
    let file = Safetensors::open(&golden("optim/expected.safetensors")).unwrap();
    let f = |name: &str| file.f32(name).unwrap();
    let (a, y) = (f("A"), f("Y"));
    let settings = json("optim/expected.json");
    let mut tried = 0;
    for (case, c) in settings.as_object().unwrap() {
        let plain = case.split("_clip").next().unwrap();
        let Some(optimizer) = optimizer(plain, c) else { continue };
        tried += 1;
        let mut p = Parameters::default();
        p.push(Parameter::new("w", Tensor::new(vec![4, 3], f("w0"))));
        p.push(Parameter::new("b", Tensor::new(vec![3], f("b0"))));
        p.0[1].decays = true;
        for step in 1..=6u64 {
            let (gw, gb) = gradient(&a, &y, p.0[0].value.data(), p.0[1].value.data());
            let mut grads = vec![Some(Tensor::new(vec![4, 3], gw)), Some(Tensor::new(vec![3], gb))];
            if let Some(max) = c["clip_global_norm"].as_f64() {
                clip_global_norm(&mut grads, max as f32);
            }
            optimizer.step(&mut p, grads, c["lr"].as_f64().unwrap() as f32, step);
            for (i, name) in ["w", "b"].iter().enumerate() {
                for (got, want) in p.0[i].value.data().iter().zip(f(&format!("{case}.{name}{step}"))) {
                    assert!((got - want).abs() < 2e-5, "{case} {name} at step {step}: {got} {want}");
                }
            }
        }
    }
    assert!(tried >= 15, "{tried}");
}

/// Cases that need constants which the house does not have are left out by name.
fn optimizer(case: &str, c: &Value) -> Option<Optimizer> {
    let name = case.split('_').next().unwrap();
    let unknown =
        ["adam_amsgrad", "adagrad_decay", "rmsprop_centered_momentum", "rprop", "asgd", "adafactor"];
    if unknown.contains(&case) {
        return None;
    }
    let mut o = Optimizer::new(OptimizerKind::from_name(name).unwrap());
    let number = |key: &str| c[key].as_f64().map(|x| x as f32);
    o.weight_decay = number("weight_decay").unwrap_or(0.0);
    o.momentum = number("momentum").unwrap_or(0.0);
    o.dampening = number("dampening").unwrap_or(0.0);
    o.nesterov = c["nesterov"].as_bool().unwrap_or(false);
    o.eps = number("eps").unwrap_or(o.eps);
    if let Some(second) = number("rho").or(number("alpha")).or(c["betas"][1].as_f64().map(|x| x as f32)) {
        o.beta2 = second;
    }
    Some(o)
}

fn gradient(a: &[f32], y: &[f32], w: &[f32], b: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut gw, mut gb) = (vec![0.0; 12], vec![0.0; 3]);
    for r in 0..12 {
        for c in 0..3 {
            let p: f32 = (0..4).map(|k| a[r * 4 + k] * w[k * 3 + c]).sum::<f32>() + b[c];
            let d = 2.0 * (p - y[r * 3 + c]) / 36.0;
            gb[c] += d;
            (0..4).for_each(|k| gw[k * 3 + c] += d * a[r * 4 + k]);
        }
    }
    (gw, gb)
}

#[test]
fn schedules_by_step() {
    let all = json("optim/schedules.json");
    for (name, decay) in [
        ("warmup_linear", Decay::Linear),
        ("warmup_cosine", Decay::Cosine),
        ("warmup_constant", Decay::Constant),
        ("inverse_sqrt", Decay::InverseSqrt),
    ] {
        let s = Schedule { peak: 0.1, warmup: 5, total: 25, decay };
        for (step, want) in all[name]["lr_at_step"].as_array().unwrap().iter().enumerate().take(26) {
            let got = s.at(step as u64);
            assert!((got - want.as_f64().unwrap()).abs() < 1e-12, "{name} at {step}: {got} {want}");
        }
    }
}

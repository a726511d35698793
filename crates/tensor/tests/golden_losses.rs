//! Every loss and every activation against PyTorch's value and gradient.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_tensor::Pool;
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::tape::{Activation, CrossEntropy, Loss, Reduction, Tape, Tensor, Var};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 2e-6 * (1.0 + want.abs()), "{what}[{i}]: {got}, expected {want}");
    }
}

struct Case<'a> {
    file: &'a Safetensors,
    settings: &'a Value,
    name: &'a str,
}

impl Case<'_> {
    fn key(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    fn numbers(&self, part: &str) -> Vec<f32> {
        self.file.f32(&self.key(part)).unwrap()
    }

    /// Class numbers; what is to be ignored is below 0.
    fn classes(&self) -> Vec<Option<u32>> {
        let info = self.file.tensor(&self.key("target")).unwrap();
        assert_eq!(info.bytes().len(), 8 * info.shape.iter().product::<usize>());
        let (words, _) = info.bytes().as_chunks::<8>();
        words.iter().map(|b| u32::try_from(i64::from_le_bytes(*b)).ok()).collect()
    }

    fn setting(&self, key: &str) -> f32 {
        self.settings[self.name][key].as_f64().unwrap_or_else(|| panic!("{}: {key}", self.name)) as f32
    }

    fn answers(&self, key: &str) -> Vec<bool> {
        let list = self.settings[self.name][key].as_array().unwrap();
        list.iter().map(|y| y.as_i64().unwrap() > 0).collect()
    }

    fn labels(&self) -> Vec<Vec<u32>> {
        let of = |v: &Value| v.as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as u32).collect();
        self.settings[self.name]["labels"].as_array().unwrap().iter().map(of).collect()
    }

    fn weights(&self) -> Option<Vec<f32>> {
        let list = self.settings[self.name]["weight"].as_array()?;
        Some(list.iter().map(|w| w.as_f64().unwrap() as f32).collect())
    }

    /// The loss of the inputs named by `parts`, and their gradients, against the golden.
    fn check(&self, parts: &[&str], loss: impl Fn(&mut Tape, &[Var]) -> Var) {
        let pool = Pool::new(2);
        let mut tape = Tape::new(&pool);
        let leaf = |part: &&str| {
            let shape = self.file.tensor(&self.key(part)).unwrap().shape.clone();
            Tensor::new(shape, self.numbers(part))
        };
        let leaves: Vec<Var> = parts.iter().map(leaf).map(|t| tape.leaf(t)).collect();
        let value = loss(&mut tape, &leaves);
        close(value.value().data(), &self.numbers("loss"), self.name);
        let mut grads = tape.backward(&value);
        for (part, leaf) in parts.iter().zip(&leaves) {
            let key = self.key(&format!("grad_{part}"));
            let got = grads.take(leaf).unwrap();
            if self.file.contains(&key) {
                close(got.data(), &self.file.f32(&key).unwrap(), &key);
            } else {
                assert_eq!(self.name, "zero_one", "{key}");
                assert!(got.data().iter().all(|g| *g == 0.0));
            }
        }
    }

    /// Names of losses number by number, with their constants after an underscore.
    fn pointwise(&self) -> Loss {
        match self.name {
            "huber_1.0" | "huber_0.5" => Loss::Huber { delta: self.setting("delta") },
            "smooth_l1_0.5" => Loss::SmoothL1 { beta: self.setting("beta") },
            "bce_logits_pos_weight" => Loss::BceLogits { pos_weight: self.setting("pos_weight") },
            "focal" => Loss::Focal { gamma: self.setting("gamma"), alpha: self.setting("alpha") },
            name => Loss::from_name(name).unwrap(),
        }
    }

    fn run(&self) {
        let (x, ce) = (["x1", "x2"], self.name.starts_with("ce") || self.name == "nll_sum");
        match self.name {
            _ if ce => {
                let smoothing = self.settings[self.name]["label_smoothing"].as_f64().unwrap_or(0.0) as f32;
                let reduction = if self.name == "nll_sum" { Reduction::Sum } else { Reduction::Mean };
                let loss =
                    CrossEntropy { label_smoothing: smoothing, class_weights: self.weights(), reduction };
                self.check(&["pred"], |tape, v| tape.cross_entropy(&loss, &v[0], &self.classes()));
            }
            "kl_div" => {
                let target = self.numbers("target");
                self.check(&["pred"], |tape, v| tape.kl_divergence(&v[0], &target));
            }
            "vae_kl" => self.check(&["mu", "logvar"], |tape, v| tape.gaussian_kl(&v[0], &v[1])),
            "triplet" => self.check(&["anchor", "positive", "negative"], |tape, v| {
                tape.triplet(&v[0], &v[1], &v[2], self.setting("margin"))
            }),
            "cosine_embedding" => self.check(&x, |tape, v| {
                tape.cosine_embedding(&v[0], &v[1], &self.answers("y"), self.setting("margin"))
            }),
            "contrastive" => self.check(&x, |tape, v| {
                tape.contrastive(&v[0], &v[1], &self.answers("y_similar"), self.setting("margin"))
            }),
            "margin_ranking" => self.check(&x, |tape, v| {
                tape.margin_ranking(&v[0], &v[1], &self.answers("y"), self.setting("margin"))
            }),
            "info_nce" => {
                self.check(&x, |tape, v| tape.info_nce(&v[0], &v[1], self.setting("temperature")));
            }
            "ctc" => {
                let lengths = self.settings["ctc"]["input_lengths"].as_array().unwrap();
                let lengths: Vec<usize> = lengths.iter().map(|n| n.as_u64().unwrap() as usize).collect();
                self.check(&["pred"], |tape, v| tape.ctc(&v[0], &self.labels(), &lengths, 0));
            }
            _ => {
                let target = self.numbers("target");
                self.check(&["pred"], |tape, v| tape.loss(self.pointwise(), &v[0], &target));
            }
        }
    }
}

#[test]
fn losses_have_the_reference_values_and_gradients() {
    let file = Safetensors::open(&golden("losses/expected.safetensors")).unwrap();
    let text = std::fs::read_to_string(golden("losses/expected.json")).unwrap();
    let settings: Value = serde_json::from_str(&text).unwrap();
    let names = settings.as_object().unwrap();
    assert_eq!(names.len(), 30);
    for name in names.keys() {
        Case { file: &file, settings: &settings, name }.run();
    }
}

/// Names in the golden carry their constant after an underscore.
fn activation(name: &str) -> Activation {
    match name {
        "celu_1.5" => Activation::Celu(1.5),
        "elu_0.5" => Activation::Elu(0.5),
        "elu_1" => Activation::Elu(1.0),
        "leaky_relu_0.01" => Activation::LeakyRelu(0.01),
        "leaky_relu_0.2" => Activation::LeakyRelu(0.2),
        "prelu_0.25" => Activation::LeakyRelu(0.25),
        "hardshrink_0.5" => Activation::Hardshrink(0.5),
        "softshrink_0.5" => Activation::Softshrink(0.5),
        "softplus_beta2" => Activation::Softplus(2.0),
        name => Activation::from_name(name).unwrap(),
    }
}

#[test]
fn activations_have_the_reference_values_and_slopes() {
    let file = Safetensors::open(&golden("activations/expected.safetensors")).unwrap();
    let x = file.f32("x").unwrap();
    let names: BTreeSet<&str> =
        file.tensors().keys().filter_map(|k| k.strip_suffix(".y").or(k.strip_suffix(".dy"))).collect();
    assert_eq!(names.len(), 26);
    for name in names {
        let f = activation(name);
        let y: Vec<f32> = x.iter().map(|x| f.value(*x)).collect();
        let dy: Vec<f32> = x.iter().map(|x| f.slope(*x)).collect();
        close(&y, &file.f32(&format!("{name}.y")).unwrap(), &format!("{name}.y"));
        close(&dy, &file.f32(&format!("{name}.dy")).unwrap(), &format!("{name}.dy at {x:?}"));
    }
}

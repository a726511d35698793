//! Low-rank adapters: which modules they sit on, how they begin, how they are written as a PEFT folder.

use crate::{Parameter, Parameters};
use lyceum_core::{Error, Result};
use lyceum_data::Random;
use lyceum_models::peft::{self, BiasKind, Lora, LoraConfig, LoraModule, OutModule, RowNorms};
use lyceum_models::{DecoderSpec, DecoderWeights, Module, Projection};
use lyceum_tensor::Matrix;
use lyceum_tensor::tape::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Which linear layers get an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    /// PEFT's `all-linear`: every linear layer of the blocks.
    AllLinear,
    /// Layers whose name ends with one of these: `q_proj`, `self_attn.v_proj`.
    Suffixes(Vec<String>),
}

impl Targets {
    /// From `all-linear` or suffixes separated by commas.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "all-linear" | "all" => Self::AllLinear,
            list => Self::Suffixes(
                list.split(',').map(|s| s.trim().to_string()).filter(|s| !s.is_empty()).collect(),
            ),
        }
    }

    /// The modules of a decoder that they name. A suffix that names none is an error.
    pub fn modules(&self, spec: &DecoderSpec) -> Result<Vec<Module>> {
        let all = Module::all_linear(spec);
        let Self::Suffixes(suffixes) = self else { return Ok(all) };
        let hit = |s: &str, m: &Module| {
            let name = m.to_string();
            name == s || name.strip_suffix(s).is_some_and(|rest| rest.ends_with('.'))
        };
        for s in suffixes {
            if !all.iter().any(|m| hit(s, m)) {
                let known = Projection::ALL.map(Projection::suffix);
                return Err(Error::invalid(format!(
                    "`{s}` names no linear layer; known are {}",
                    known.join(", ")
                ))
                .at_key("target_modules")
                .did_you_mean(s, known));
            }
        }
        Ok(all.into_iter().filter(|m| suffixes.iter().any(|s| hit(s, m))).collect())
    }

    fn suffixes(&self) -> Vec<String> {
        match self {
            Self::AllLinear => Projection::ALL.map(|p| p.suffix().to_string()).to_vec(),
            Self::Suffixes(s) => s.clone(),
        }
    }
}

/// The settings of a LoRA, by PEFT's names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterSettings {
    /// Rank, from 1.
    pub r: usize,
    /// Numerator of the scale.
    pub alpha: f32,
    /// Drop-out of the input of the low-rank term, in [0, 1).
    pub dropout: f32,
    /// Scale by alpha / √r in place of alpha / r.
    pub use_rslora: bool,
    /// Learn the length of each row of the changed matrix apart from its direction (DoRA).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_dora: bool,
    /// Where.
    pub target_modules: Targets,
}

impl Default for AdapterSettings {
    fn default() -> Self {
        Self {
            r: 8,
            alpha: 16.0,
            dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            target_modules: Targets::AllLinear,
        }
    }
}

impl AdapterSettings {
    /// Fails with the setting's name when it cannot be used.
    pub fn check(&self) -> Result<()> {
        if self.r == 0 || self.r > 1024 {
            return Err(Error::invalid(format!("rank is {}, expected 1 to 1024", self.r)).at_key("r"));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Err(Error::invalid(format!("alpha is {}, expected over 0", self.alpha)).at_key("alpha"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(
                Error::invalid(format!("is {}, expected from 0 to below 1", self.dropout)).at_key("dropout")
            );
        }
        Ok(())
    }

    fn scale(&self) -> f32 {
        self.alpha / if self.use_rslora { (self.r as f32).sqrt() } else { self.r as f32 }
    }

    fn config(&self, base_model: &str) -> LoraConfig {
        LoraConfig {
            r: self.r,
            alpha: f64::from(self.alpha),
            rslora: self.use_rslora,
            dora: self.use_dora,
            lora_bias: false,
            bias: BiasKind::None,
            modules_to_save: Vec::new(),
            target_modules: self.target_modules.suffixes(),
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            base_model: base_model.to_string(),
            dropout: f64::from(self.dropout),
        }
    }
}

/// A low-rank term: the places of its factors among the parameters, and what goes with them.
#[derive(Debug, Clone)]
pub(super) struct Low {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) scale: f32,
    pub(super) dora: Option<Dora>,
    /// Added to the output; not trained.
    pub(super) bias: Option<Tensor>,
}

/// The lengths of the rows: the place of what is learnt, and what those of the sum are computed from.
#[derive(Debug, Clone)]
pub(super) struct Dora {
    pub(super) magnitude: usize,
    pub(super) norms: RowNorms,
}

/// The low-rank term of the token embeddings: `a` lies as `[vocab, r]`, so that a token's row is one piece.
#[derive(Debug, Clone)]
pub(super) struct EmbeddingTerm {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) scale: f32,
}

impl EmbeddingTerm {
    /// That of an adapter, if it has one.
    pub(super) fn of(lora: &Lora, parameters: &mut Parameters) -> Option<Self> {
        let e = lora.embedding.as_ref()?;
        let (r, vocab) = (e.a.rows(), e.a.cols());
        let flat = e.a.to_f32();
        let a = (0..vocab).flat_map(|id| flat.iter().skip(id).step_by(vocab).copied()).collect();
        let mut push = |part: &str, shape: [usize; 2], values: Vec<f32>| {
            let name = format!("model.embed_tokens.lora_embedding_{part}");
            parameters.push(Parameter::new(name, Tensor::new(shape.to_vec(), values)))
        };
        let a = push("A", [vocab, r], a);
        Some(Self { a, b: push("B", [e.b.rows(), r], e.b.to_f32()), scale: e.scale })
    }
}

/// Fresh factors: A uniform within ±1/√in (Kaiming's rule with a = √5, as PEFT begins), B zero, so that training begins
/// at the base; DoRA's lengths are the base's own.
pub(super) fn fresh_terms(
    spec: &DecoderSpec,
    weights: &DecoderWeights,
    settings: &AdapterSettings,
    seed: u64,
    parameters: &mut Parameters,
) -> Result<HashMap<Module, Low>> {
    settings.check()?;
    let mut random = Random::new(seed, 2);
    let mut low = HashMap::new();
    for module in settings.target_modules.modules(spec)? {
        let (out, inputs) = module.shape(spec);
        let bound = 1.0 / (inputs as f64).sqrt();
        let a = (0..settings.r * inputs).map(|_| ((random.unit() * 2.0 - 1.0) * bound) as f32).collect();
        let a = parameters
            .push(Parameter::new(format!("{module}.lora_A"), Tensor::new(vec![settings.r, inputs], a)));
        let b = Tensor::zeros(vec![out, settings.r]);
        let b = parameters.push(Parameter::new(format!("{module}.lora_B"), b));
        let base = weights.matrix(module).filter(|_| settings.use_dora);
        let dora = base.map(|base| {
            let norms = RowNorms::of(base);
            Dora { magnitude: push_magnitude(module, norms.lengths(), parameters), norms }
        });
        low.insert(module, Low { a, b, scale: settings.scale(), dora, bias: None });
    }
    Ok(low)
}

fn push_magnitude(module: Module, lengths: Vec<f32>, parameters: &mut Parameters) -> usize {
    let name = format!("{module}.lora_magnitude_vector");
    parameters.push(Parameter::new(name, Tensor::new(vec![lengths.len()], lengths)))
}

/// The factors of an adapter that exists.
pub(super) fn known_terms(
    weights: &DecoderWeights,
    lora: &Lora,
    parameters: &mut Parameters,
) -> HashMap<Module, Low> {
    let term = |m: &LoraModule| {
        let mut push = |part: &str, m: &Matrix, module: Module| {
            let value = Tensor::new(vec![m.rows(), m.cols()], m.to_f32());
            parameters.push(Parameter::new(format!("{module}.{part}"), value))
        };
        let a = push("lora_A", &m.a, m.module);
        let b = push("lora_B", &m.b, m.module);
        let dora = m.magnitude.clone().zip(weights.matrix(m.module)).map(|(lengths, base)| Dora {
            magnitude: push_magnitude(m.module, lengths, parameters),
            norms: RowNorms::of(base),
        });
        let bias = m.bias.clone().map(|b| Tensor::new(vec![b.len()], b));
        (m.module, Low { a, b, scale: m.scale, dora, bias })
    };
    lora.modules.iter().map(term).collect()
}

/// Writes the adapter as a PEFT folder.
#[allow(clippy::indexing_slicing, reason = "places come from Parameters::push")]
pub(super) fn write(
    folder: &Path,
    base_model: &str,
    settings: &AdapterSettings,
    low: &HashMap<Module, Low>,
    parameters: &Parameters,
) -> Result<()> {
    let mut modules: Vec<(&Module, &Low)> = low.iter().collect();
    modules.sort_by_key(|(module, _)| **module);
    let out: Vec<OutModule<'_>> = modules
        .into_iter()
        .map(|(module, low)| OutModule {
            module: *module,
            a: parameters.0[low.a].value.data(),
            b: parameters.0[low.b].value.data(),
            r: settings.r,
            magnitude: low.dora.as_ref().map(|d| parameters.0[d.magnitude].value.data()),
        })
        .collect();
    peft::write(folder, &settings.config(base_model), &out)
}

//! Adapters in PEFT's folder format: `adapter_config.json` and `adapter_model.safetensors`. LoRA is read and written with
//! what belongs to it (DoRA, biases, the embedding, tables stored whole); VeRA, IA³ and LLaMA-Adapter are read; every
//! other kind is refused by name. A tensor that maps to nothing fails the whole load.

mod adapter;
mod config;
mod dora;
mod ia3;
mod lora;
mod merge;
mod parts;
mod prompt;
mod vera;
mod write;

pub use adapter::{Adapter, read, read_any};
pub use config::{BiasKind, LoraConfig};
pub use dora::RowNorms;
pub use ia3::{Ia3, Ia3Vector};
pub use merge::merge;
pub use prompt::{AdaptionPrompt, PromptLayer};
pub use write::{OutModule, write};

use crate::{DecoderWeights, Module};
use lyceum_tensor::Matrix;

/// A LoRA adapter: for each module W' = W + scale · B A.
#[derive(Debug, Clone)]
pub struct Lora {
    /// What `adapter_config.json` says.
    pub config: LoraConfig,
    /// Its modules, in the order of [`Module`].
    pub modules: Vec<LoraModule>,
    /// The low-rank term of the token embeddings: `a` is `[r, vocab]`, `b` is `[hidden, r]`.
    pub embedding: Option<LowRankPair>,
    /// Token embeddings in place of the base's, `[vocab, hidden]`.
    pub embed: Option<Matrix>,
    /// An output layer in place of the base's, `[vocab, hidden]`.
    pub head: Option<Matrix>,
    /// Biases in place of the base's.
    pub biases: Vec<(Module, Vec<f32>)>,
    /// Hash of both files.
    pub generation: String,
}

/// Two factors and their scale: scale · B A.
#[derive(Debug, Clone)]
pub struct LowRankPair {
    /// `[r, in]`.
    pub a: Matrix,
    /// `[out, r]`.
    pub b: Matrix,
    /// alpha / r, or alpha / sqrt(r) with rank-stabilised LoRA.
    pub scale: f32,
}

/// What an adapter does to one module: y = c (W x + scale B A x) + the base's bias + `bias`, with c =
/// `magnitude` / ‖W + scale B A‖ by rows in DoRA, 1 otherwise.
#[derive(Debug, Clone)]
pub struct LoraModule {
    /// The layer that it changes.
    pub module: Module,
    /// `[r, in]`.
    pub a: Matrix,
    /// `[out, r]`.
    pub b: Matrix,
    /// alpha / r, or alpha / sqrt(r) with rank-stabilised LoRA.
    pub scale: f32,
    /// DoRA: the length of each row of the changed matrix, `[out]`.
    pub magnitude: Option<Vec<f32>>,
    /// Added to the output, `[out]`; the scale is in it.
    pub bias: Option<Vec<f32>>,
}

impl Lora {
    /// The largest rank.
    pub fn rank(&self) -> usize {
        let modules = self.modules.iter().map(|m| m.a.rows());
        modules.chain(self.embedding.as_ref().map(|e| e.a.rows())).max().unwrap_or(0)
    }

    /// Whether preparing it to compute needs the base's weights.
    pub fn needs_base(&self) -> bool {
        !self.biases.is_empty() || self.modules.iter().any(|m| m.magnitude.is_some())
    }

    /// What it adds to the bias of a module, over the base's own.
    pub fn added_bias(&self, module: Module, weights: Option<&DecoderWeights>) -> Option<Vec<f32>> {
        let own = self.modules.iter().find(|m| m.module == module).and_then(|m| m.bias.clone());
        let Some((_, new)) = self.biases.iter().find(|(m, _)| *m == module) else { return own };
        let mut sum = own.unwrap_or_else(|| vec![0.0; new.len()]);
        sum.iter_mut().zip(new).for_each(|(s, n)| *s += n);
        if let Some(old) = weights.and_then(|w| w.bias(module)) {
            sum.iter_mut().zip(old).for_each(|(s, o)| *s -= o);
        }
        Some(sum)
    }
}

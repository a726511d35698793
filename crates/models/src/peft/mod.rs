//! Adapters in PEFT's folder format: `adapter_config.json` and `adapter_model.safetensors`. LoRA on linear layers is
//! read and written; every other kind is refused by name. A tensor that maps to nothing fails the whole load.

mod config;
mod read;
mod write;

pub use config::LoraConfig;
pub use read::read;
pub use write::{OutModule, write};

use crate::Module;
use lyceum_tensor::Matrix;

/// A LoRA adapter: for each module W' = W + scale · B A.
#[derive(Debug, Clone)]
pub struct Lora {
    /// What `adapter_config.json` says.
    pub config: LoraConfig,
    /// Its modules, in the order of [`Module`].
    pub modules: Vec<LoraModule>,
    /// Hash of both files.
    pub generation: String,
}

/// The two factors of one module.
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
}

impl Lora {
    /// The largest rank.
    pub fn rank(&self) -> usize {
        self.modules.iter().map(|m| m.a.rows()).max().unwrap_or(0)
    }

    /// Bytes of all factors.
    pub fn bytes(&self) -> u64 {
        self.modules.iter().map(|m| (m.a.byte_len() + m.b.byte_len()) as u64).sum()
    }
}

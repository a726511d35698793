//! The linear layers of a decoder by name, as PEFT and Hugging Face see them: `model.layers.0.self_attn.q_proj`.

use super::DecoderSpec;
use std::fmt;

/// A linear layer within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Projection {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// Attention's output.
    O,
    /// The gate of the MLP.
    Gate,
    /// What is gated.
    Up,
    /// Back to the hidden width.
    Down,
}

impl Projection {
    /// All, in the order of the computation.
    pub const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// Name within a block: `self_attn.q_proj`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Q => "self_attn.q_proj",
            Self::K => "self_attn.k_proj",
            Self::V => "self_attn.v_proj",
            Self::O => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// Last part of the name: `q_proj`.
    pub fn suffix(self) -> &'static str {
        self.path().rsplit('.').next().unwrap_or_default()
    }

    /// Name within a block of a GGUF file: `attn_q`.
    pub fn gguf(self) -> &'static str {
        match self {
            Self::Q => "attn_q",
            Self::K => "attn_k",
            Self::V => "attn_v",
            Self::O => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// (outputs, inputs).
    pub fn shape(self, spec: &DecoderSpec) -> (usize, usize) {
        match self {
            Self::Q => (spec.q_dim(), spec.hidden),
            Self::K | Self::V => (spec.kv_dim(), spec.hidden),
            Self::O => (spec.hidden, spec.q_dim()),
            Self::Gate | Self::Up => (spec.intermediate, spec.hidden),
            Self::Down => (spec.hidden, spec.intermediate),
        }
    }
}

/// Any linear layer of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Module {
    /// One of a block.
    Layer(usize, Projection),
    /// The output layer, `lm_head`.
    Head,
}

impl Module {
    /// All linear layers of the blocks: what PEFT's `all-linear` means.
    pub fn all_linear(spec: &DecoderSpec) -> Vec<Self> {
        (0..spec.layers).flat_map(|l| Projection::ALL.map(|p| Self::Layer(l, p))).collect()
    }

    /// The module of a full name; `None` when there is no such layer.
    pub fn parse(name: &str, spec: &DecoderSpec) -> Option<Self> {
        if name == "lm_head" {
            return Some(Self::Head);
        }
        let (layer, path) = name.strip_prefix("model.layers.")?.split_once('.')?;
        let layer: usize = layer.parse().ok().filter(|l| *l < spec.layers)?;
        let projection = Projection::ALL.into_iter().find(|p| p.path() == path)?;
        Some(Self::Layer(layer, projection))
    }

    /// (outputs, inputs).
    pub fn shape(self, spec: &DecoderSpec) -> (usize, usize) {
        match self {
            Self::Layer(_, p) => p.shape(spec),
            Self::Head => (spec.vocab, spec.hidden),
        }
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(layer, p) => write!(f, "model.layers.{layer}.{}", p.path()),
            Self::Head => f.write_str("lm_head"),
        }
    }
}

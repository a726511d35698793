//! One description of a decoder-only transformer of the Llama family; both executors read it.

use crate::rope::RopeSpec;
use lyceum_core::{Error, Result};

/// A decoder-only transformer, pre-norm: h += Wo attention(norm h); h += Wdown(silu(Wgate norm h) * Wup norm h).
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// `llama`, `mistral`, `qwen2`, `qwen3`, `phi3`, `gemma2`, `gemma3_text`.
    pub architecture: String,
    /// Size of the vocabulary.
    pub vocab: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Longest sequence.
    pub context: usize,
    /// Epsilon of the norms.
    pub norm_eps: f32,
    /// Heads and windows.
    pub attention: AttentionSpec,
    /// Rotary embedding.
    pub rope: RopeSpec,
    /// What departs from Llama.
    pub dialect: Dialect,
}

/// What departs from Llama; the default is Llama.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialect {
    /// What embeddings are multiplied by (Gemma: the root of the hidden width).
    pub embed_scale: f32,
    /// What scores are multiplied by; 1 / √head_dim without.
    pub score_scale: Option<f32>,
    /// Scores s become cap · tanh(s / cap) (Gemma 2).
    pub score_cap: Option<f32>,
    /// The same for the logits.
    pub logit_cap: Option<f32>,
    /// The gate goes through GELU (its tanh form) in place of SiLU.
    pub gelu: bool,
    /// Attention and MLP are normed once more before they are added.
    pub post_norms: bool,
    /// The rotary embedding of layers with a window (Gemma 3), where it is another.
    pub local_rope: Option<RopeSpec>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            embed_scale: 1.0,
            score_scale: None,
            score_cap: None,
            logit_cap: None,
            gelu: false,
            post_norms: false,
            local_rope: None,
        }
    }
}

/// The attention of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionSpec {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; query head i reads key head `i / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Per layer: how many positions back a token sees, itself included; `None` sees all.
    pub windows: Vec<Option<usize>>,
    /// RMS norm on each head of q and k before the rotation.
    pub qk_norm: bool,
}

impl DecoderSpec {
    /// Width of all query heads together.
    pub fn q_dim(&self) -> usize {
        self.attention.heads * self.attention.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_dim(&self) -> usize {
        self.attention.kv_heads * self.attention.head_dim
    }

    /// Query heads that share a key head.
    pub fn group(&self) -> usize {
        self.attention.heads / self.attention.kv_heads.max(1)
    }

    /// What scores are multiplied by.
    pub fn score_scale(&self) -> f32 {
        self.dialect.score_scale.unwrap_or_else(|| (self.attention.head_dim as f32).sqrt().recip())
    }

    /// Fails for architectures that run and are not trained.
    pub fn trainable(&self) -> Result<()> {
        if self.dialect == Dialect::default() {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "models of architecture `{}` are run, not trained",
            self.architecture
        ))
        .hint("llama, mistral, qwen2, qwen3 and phi3 are trained"))
    }

    /// The window of a layer.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.attention.windows.get(layer).copied().flatten()
    }

    /// Fails when the sizes cannot belong to a model.
    pub(crate) fn check(self) -> Result<Self> {
        let a = &self.attention;
        let sizes = [
            ("hidden_size", self.hidden),
            ("intermediate_size", self.intermediate),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", a.heads),
            ("num_key_value_heads", a.kv_heads),
            ("head_dim", a.head_dim),
            ("vocab_size", self.vocab),
            ("context length", self.context),
        ];
        for (name, n) in sizes {
            if n == 0 || n > 1 << 24 {
                return Err(Error::corrupt(format!("{name} is {n}")));
            }
        }
        if !a.heads.is_multiple_of(a.kv_heads) {
            return Err(Error::corrupt(format!(
                "{} query heads cannot share {} key heads",
                a.heads, a.kv_heads
            )));
        }
        if !self.rope.dim.is_multiple_of(2) || self.rope.dim > a.head_dim {
            return Err(Error::corrupt(format!(
                "{} rotated dimensions of heads of {}",
                self.rope.dim, a.head_dim
            )));
        }
        Ok(self)
    }
}

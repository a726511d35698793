//! Working memory of a forward pass, kept between passes.

use lyceum_models::DecoderSpec;
use lyceum_models::rope::Frequencies;
use lyceum_tensor::kernels::Activations;

/// cos and sin of rows, one for each pair of rotated dimensions.
#[derive(Default)]
pub(super) struct Angles {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
}

impl Angles {
    pub(super) fn clear(&mut self) {
        self.cos.clear();
        self.sin.clear();
    }

    pub(super) fn push(&mut self, position: usize, f: &Frequencies) {
        for w in &f.inv_freq {
            let (sin, cos) = (position as f32 * w).sin_cos();
            self.cos.push(cos * f.attention_factor);
            self.sin.push(sin * f.attention_factor);
        }
    }
}

#[derive(Default)]
pub(super) struct Scratch {
    /// The residual stream, `[rows, hidden]`.
    pub(super) hidden: Vec<f32>,
    /// Normed hidden states, or the attention's output.
    pub(super) input: Activations,
    /// Inside the MLP, `[rows, intermediate]`.
    pub(super) inner: Activations,
    pub(super) q: Vec<f32>,
    pub(super) k: Vec<f32>,
    pub(super) v: Vec<f32>,
    pub(super) up: Vec<f32>,
    /// What a half-block adds to the residual stream.
    pub(super) delta: Vec<f32>,
    /// Of every row.
    pub(super) angles: Angles,
    /// Of every row in layers with a window, where those rotate otherwise.
    pub(super) local_angles: Angles,
    pub(super) logits: Vec<f32>,
    /// Whether rows are computed alike whatever is beside them.
    pub(super) steady: bool,
}

impl Scratch {
    pub(super) fn new(steady: bool) -> Self {
        let mut scratch = Self { steady, ..Self::default() };
        scratch.input.set_steady(steady);
        scratch.inner.set_steady(steady);
        scratch
    }

    /// Room for `n` rows.
    pub(super) fn begin(&mut self, n: usize, spec: &DecoderSpec) {
        self.hidden.resize(n * spec.hidden, 0.0);
        self.q.resize(n * spec.q_dim(), 0.0);
        self.k.resize(n * spec.kv_dim(), 0.0);
        self.v.resize(n * spec.kv_dim(), 0.0);
        self.up.resize(n * spec.intermediate, 0.0);
        self.delta.resize(n * spec.hidden, 0.0);
    }
}

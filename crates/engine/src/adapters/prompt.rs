//! An adaption prompt as keys and values of its layers, by the base's own projections.

use lyceum_core::{Error, Result};
use lyceum_models::peft::{AdaptionPrompt, PromptLayer};
use lyceum_models::{DecoderSpec, DecoderWeights, Module, Projection};
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::{self, Activations, Packed, Target};

/// Keys and values of a prompt in one layer, not rotated.
#[derive(Debug)]
pub(crate) struct Prompt {
    len: usize,
    gate: f32,
    /// `[len, kv_dim]`.
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Prompt {
    /// For every layer of the base what it has.
    pub(super) fn of_layers(
        adapter: &AdaptionPrompt,
        spec: &DecoderSpec,
        base: &DecoderWeights,
    ) -> Result<Vec<Option<Self>>> {
        let mut all: Vec<Option<Self>> = (0..spec.layers).map(|_| None).collect();
        for p in &adapter.layers {
            let (k, v) = (project(p, Projection::K, base)?, project(p, Projection::V, base)?);
            if let Some(slot) = all.get_mut(p.layer) {
                *slot = Some(Self { len: adapter.len, gate: p.gate, keys: k, values: v });
            }
        }
        Ok(all)
    }

    /// out += gate · softmax(q Kᵀ) V for one row: `q` `[q_dim]`, rotated and scaled; `out` `[q_dim]`.
    pub(crate) fn attend(&self, spec: &DecoderSpec, q: &[f32], out: &mut [f32]) {
        let dim = spec.attention.head_dim;
        let width = spec.kv_dim();
        let mut scores = vec![0.0; self.len];
        for (h, (q, out)) in q.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
            let kv = h / spec.group().max(1);
            let part = kv * dim..(kv + 1) * dim;
            for (s, key) in scores.iter_mut().zip(self.keys.chunks_exact(width)) {
                *s = kernels::dot(q, key.get(part.clone()).unwrap_or_default());
            }
            kernels::softmax(&mut scores);
            for (s, value) in scores.iter().zip(self.values.chunks_exact(width)) {
                kernels::add_scaled(out, self.gate * s, value.get(part.clone()).unwrap_or_default());
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        4 * (self.keys.len() + self.values.len())
    }
}

/// The prompt through a projection of its layer, the bias included.
fn project(p: &PromptLayer, projection: Projection, base: &DecoderWeights) -> Result<Vec<f32>> {
    let module = Module::Layer(p.layer, projection);
    let matrix = base.matrix(module).ok_or_else(|| Error::internal(format!("no `{module}` in the base")))?;
    let mut input = Activations::default();
    input.reset(p.prompt.rows(), p.prompt.cols());
    input.rows_mut().copy_from_slice(&p.prompt.to_f32());
    let mut out = vec![0.0; p.prompt.rows() * matrix.rows()];
    let weights = Packed::exact(matrix);
    kernels::product(&Pool::new(1), &input, &mut [Target { weights: &weights, out: &mut out }]);
    if let Some(bias) = base.bias(module) {
        out.chunks_exact_mut(bias.len()).for_each(|row| kernels::add(row, bias));
    }
    Ok(out)
}

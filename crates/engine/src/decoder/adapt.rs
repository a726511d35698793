//! What the adapters of a batch do between the products of the base.

use super::Batch;
use crate::adapters::Group;
use lyceum_models::{DecoderSpec, Module, Projection};
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::{self, LowRankOut, LowRankRows};

/// Does what the adapters of the batch do to the projections of a block that share the input `x`, `[rows, inputs]`.
/// `outs` are those of [`Group::members`], `[rows, outputs]`, without the base's biases.
pub(super) fn adapt(
    pool: &Pool,
    spec: &DecoderSpec,
    batch: &Batch,
    (layer, group): (usize, Group),
    x: &[f32],
    outs: &mut [&mut [f32]],
) {
    let segments = batch
        .segments
        .iter()
        .filter_map(|s| Some(LowRankRows { rows: s.rows.clone(), factors: s.adapter.group(layer, group)? }));
    let segments: Vec<LowRankRows<'_>> = segments.collect();
    if segments.is_empty() {
        return;
    }
    let inputs = group.members().first().map_or(0, |p| p.shape(spec).1);
    let outs = group.members().iter().zip(outs);
    let mut outs: Vec<LowRankOut<'_>> =
        outs.map(|(p, out)| LowRankOut { out, width: p.shape(spec).0 }).collect();
    kernels::low_rank(pool, x, inputs, &segments, &mut outs);
}

/// The same for the output layer: row `i` of `x` and `logits` is row `wanted[i]` of the batch.
pub(super) fn adapt_head(
    pool: &Pool,
    spec: &DecoderSpec,
    batch: &Batch,
    wanted: &[usize],
    x: &[f32],
    logits: &mut [f32],
) {
    let segments = batch.segments.iter().filter_map(|s| {
        // Wanted rows ascend, so those of a segment are neighbours.
        let first = wanted.partition_point(|row| *row < s.rows.start);
        let end = wanted.partition_point(|row| *row < s.rows.end);
        let factors = s.adapter.head_change().filter(|_| first < end)?;
        Some(LowRankRows { rows: first..end, factors })
    });
    let segments: Vec<LowRankRows<'_>> = segments.collect();
    if !segments.is_empty() {
        let mut outs = [LowRankOut { out: logits, width: spec.vocab }];
        kernels::low_rank(pool, x, spec.hidden, &segments, &mut outs);
    }
}

/// Multiplies the inputs of a projection, `[rows, inputs]`, with the vectors of adapters that have one for it.
pub(super) fn scale_inputs(
    spec: &DecoderSpec,
    batch: &Batch,
    (layer, p): (usize, Projection),
    x: &mut [f32],
) {
    let inputs = p.shape(spec).1;
    for s in &batch.segments {
        let Some(vector) = s.adapter.inputs(Module::Layer(layer, p)) else { continue };
        let rows = x.get_mut(s.rows.start * inputs..s.rows.end * inputs).unwrap_or_default();
        for row in rows.chunks_exact_mut(inputs) {
            row.iter_mut().zip(vector).for_each(|(x, l)| *x *= l);
        }
    }
}

/// Adds the attention to the adapters' prompts to that to the text. `q` and `out` are `[rows, q_dim]`; `q` is rotated and
/// scaled.
pub(super) fn attend_prompts(
    pool: &Pool,
    spec: &DecoderSpec,
    batch: &Batch,
    layer: usize,
    q: &[f32],
    out: &mut [f32],
) {
    let width = spec.q_dim();
    for s in &batch.segments {
        let Some(prompt) = s.adapter.prompt(layer) else { continue };
        let numbers = s.rows.start * width..s.rows.end * width;
        let q = q.get(numbers.clone()).unwrap_or_default();
        kernels::chunks(pool, out.get_mut(numbers).unwrap_or_default(), width, |row, out| {
            prompt.attend(spec, q.get(row * width..(row + 1) * width).unwrap_or_default(), out);
        });
    }
}

/// Adds a bias to every row.
pub(super) fn add_bias(bias: Option<&Vec<f32>>, out: &mut [f32]) {
    if let Some(bias) = bias {
        out.chunks_exact_mut(bias.len()).for_each(|row| kernels::add(row, bias));
    }
}

//! The forward pass over one text: post-norm blocks, h = LN(h + attention(h)), h = LN(h + down(gelu(up h))).

use super::spec::BertSpec;
use super::weights::{BertWeights, Layer, Linear, Norm};
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::{self, Activations, Target};

pub(super) fn run(pool: &Pool, spec: &BertSpec, w: &BertWeights, ids: &[u32]) -> Result<Vec<f32>> {
    if ids.is_empty() || ids.len() > spec.max_tokens {
        return Err(Error::invalid(format!("{} tokens; 1 to {} expected", ids.len(), spec.max_tokens)));
    }
    let h = spec.hidden;
    let mut x = Activations::default();
    x.reset(ids.len(), h);
    let mut row = vec![0.0; h];
    for ((position, id), out) in ids.iter().enumerate().zip(x.rows_mut().chunks_exact_mut(h)) {
        let id = *id as usize;
        if id >= spec.vocab {
            return Err(Error::invalid(format!(
                "token {id} does not exist; the vocabulary has {}",
                spec.vocab
            )));
        }
        w.words.dequantize_rows(id..id + 1, out);
        w.positions.dequantize_rows(position..position + 1, &mut row);
        kernels::add(out, &row);
        w.types.dequantize_rows(0..1, &mut row);
        kernels::add(out, &row);
        layer_norm(out, &w.norm, spec.norm_eps);
    }
    for layer in &w.layers {
        block(pool, spec, layer, &mut x);
    }
    Ok(x.values().to_vec())
}

fn block(pool: &Pool, spec: &BertSpec, w: &Layer, x: &mut Activations) {
    let (n, h) = (x.rows(), spec.hidden);
    let [q, k, v] = linear(pool, x, [&w.query, &w.key, &w.value]);
    let mut mixed = Activations::default();
    mixed.reset(n, h);
    kernels::chunks(pool, mixed.rows_mut(), h, |i, out| attend(spec, i, &q, &k, &v, out));
    let [delta] = linear(pool, &mixed, [&w.attention_out]);
    add_and_norm(x, &delta, &w.attention_norm, spec);
    let [up] = linear(pool, x, [&w.up]);
    let mut inner = Activations::default();
    inner.reset(n, spec.intermediate);
    let up = &up;
    kernels::chunks(pool, inner.rows_mut(), spec.intermediate, |i, out| {
        let from = up.get(i * out.len()..(i + 1) * out.len()).unwrap_or_default();
        out.iter_mut().zip(from).for_each(|(o, x)| *o = gelu(*x));
    });
    let [delta] = linear(pool, &inner, [&w.down]);
    add_and_norm(x, &delta, &w.norm, spec);
}

fn linear<const N: usize>(pool: &Pool, x: &Activations, layers: [&Linear; N]) -> [Vec<f32>; N] {
    let mut outs = layers.map(|l| vec![0.0; x.rows() * l.weight.rows()]);
    let targets = layers.iter().zip(&mut outs).map(|(l, out)| Target { weights: &l.weight, out });
    kernels::product(pool, x, &mut targets.collect::<Vec<_>>());
    for (layer, out) in layers.iter().zip(&mut outs) {
        out.chunks_exact_mut(layer.bias.len()).for_each(|row| kernels::add(row, &layer.bias));
    }
    outs
}

/// All heads of one token: softmax(q kᵀ / sqrt(head width)) v.
fn attend(spec: &BertSpec, i: usize, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    let (h, dim) = (spec.hidden, spec.hidden / spec.heads);
    let scale = 1.0 / (dim as f32).sqrt();
    let part = |x: &'_ [f32], row: usize, head: usize| -> std::ops::Range<usize> {
        let start = (row * h + head * dim).min(x.len());
        start..(start + dim).min(x.len())
    };
    for (head, out) in out.chunks_exact_mut(dim).enumerate() {
        let mine = q.get(part(q, i, head)).unwrap_or_default();
        let rows = k.len() / h;
        let score = |j| scale * kernels::dot(mine, k.get(part(k, j, head)).unwrap_or_default());
        let mut scores: Vec<f32> = (0..rows).map(score).collect();
        kernels::softmax(&mut scores);
        out.fill(0.0);
        for (j, p) in scores.iter().enumerate() {
            kernels::add_scaled(out, *p, v.get(part(v, j, head)).unwrap_or_default());
        }
    }
}

fn add_and_norm(x: &mut Activations, delta: &[f32], norm: &Norm, spec: &BertSpec) {
    for (x, delta) in x.rows_mut().chunks_exact_mut(spec.hidden).zip(delta.chunks_exact(spec.hidden)) {
        kernels::add(x, delta);
        layer_norm(x, norm, spec.norm_eps);
    }
}

/// x = gain (x - mean) / sqrt(variance + eps) + shift.
fn layer_norm(x: &mut [f32], w: &Norm, eps: f32) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    let scale = 1.0 / (variance + eps).sqrt();
    for ((x, gain), shift) in x.iter_mut().zip(&w.gain).zip(&w.shift) {
        *x = (*x - mean) * scale * gain + shift;
    }
}

/// x (1 + erf(x / sqrt 2)) / 2, with erf by Abramowitz and Stegun 7.1.26 (absolute error under 1.5e-7).
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let erf = 1.0 - p * (-z * z).exp();
    0.5 * x * (1.0 + if x < 0.0 { -erf } else { erf })
}

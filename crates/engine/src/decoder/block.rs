//! One block: h += Wo attention(norm h), then h += Wdown(silu(Wgate norm h) * Wup norm h).

use super::Batch;
use super::adapt::{adapt, add_bias, attend_prompts, scale_inputs};
use super::scratch::Scratch;
use crate::adapters::Group;
use lyceum_models::{DecoderSpec, LayerWeights, Projection};
use lyceum_tensor::kernels::{self, Activations, BLOCK, CacheLayer, Packed, Seen, Target};
use lyceum_tensor::{Matrix, Pool};

pub(super) struct Block {
    attn_norm: Vec<f32>,
    mlp_norm: Vec<f32>,
    /// In the order of [`Projection::ALL`].
    packed: [Packed; 7],
    biases: [Option<Vec<f32>>; 7],
    q_norm: Option<Vec<f32>>,
    k_norm: Option<Vec<f32>>,
    post_attn_norm: Option<Vec<f32>>,
    post_mlp_norm: Option<Vec<f32>>,
    window: Option<usize>,
}

impl Block {
    pub(super) fn new(w: &LayerWeights, window: Option<usize>, pack: &dyn Fn(&Matrix) -> Packed) -> Self {
        Self {
            attn_norm: w.attn_norm.clone(),
            mlp_norm: w.mlp_norm.clone(),
            packed: Projection::ALL.map(|p| pack(w.projection(p))),
            biases: Projection::ALL.map(|p| w.biases.get(p).map(<[f32]>::to_vec)),
            q_norm: w.q_norm.clone(),
            k_norm: w.k_norm.clone(),
            post_attn_norm: w.post_attn_norm.clone(),
            post_mlp_norm: w.post_mlp_norm.clone(),
            window,
        }
    }

    pub(super) fn packed_bytes(&self) -> usize {
        self.packed.iter().map(Packed::extra_bytes).sum()
    }

    pub(super) fn attention(
        &self,
        pool: &Pool,
        spec: &DecoderSpec,
        l: usize,
        layer: &mut CacheLayer,
        batch: &Batch,
        s: &mut Scratch,
    ) {
        self.norm_in(pool, spec, &self.attn_norm, &s.hidden, &mut s.input);
        let [q, k, v, o, ..] = &self.packed;
        prepare(pool, &mut s.input, &[q, k, v]);
        let mut targets = [
            Target { weights: q, out: &mut s.q },
            Target { weights: k, out: &mut s.k },
            Target { weights: v, out: &mut s.v },
        ];
        kernels::product(pool, &s.input, &mut targets);
        let outs = &mut [&mut s.q[..], &mut s.k[..], &mut s.v[..]];
        self.finish(pool, spec, batch, (l, Group::Qkv), &s.input, outs);
        self.rotate(pool, spec, s);
        store(pool, batch, layer, &s.k, &s.v);
        self.attend(pool, spec, layer, batch, (&s.q, s.steady), &mut s.input);
        attend_prompts(pool, spec, batch, l, &s.q, s.input.rows_mut());
        scale_inputs(spec, batch, (l, Projection::O), s.input.rows_mut());
        prepare(pool, &mut s.input, &[o]);
        kernels::product(pool, &s.input, &mut [Target { weights: o, out: &mut s.delta }]);
        self.finish(pool, spec, batch, (l, Group::Out), &s.input, &mut [&mut s.delta[..]]);
        norm_rows(pool, spec, self.post_attn_norm.as_deref(), &mut s.delta);
        kernels::add(&mut s.hidden, &s.delta);
    }

    pub(super) fn mlp(&self, pool: &Pool, spec: &DecoderSpec, l: usize, batch: &Batch, s: &mut Scratch) {
        self.norm_in(pool, spec, &self.mlp_norm, &s.hidden, &mut s.input);
        let [.., gate, up, down] = &self.packed;
        prepare(pool, &mut s.input, &[gate, up]);
        s.inner.reset(batch.rows.len(), spec.intermediate);
        let mut targets =
            [Target { weights: gate, out: s.inner.rows_mut() }, Target { weights: up, out: &mut s.up }];
        kernels::product(pool, &s.input, &mut targets);
        let outs = &mut [s.inner.rows_mut(), &mut s.up[..]];
        self.finish(pool, spec, batch, (l, Group::GateUp), &s.input, outs);
        let width = spec.intermediate;
        let (up_rows, gelu) = (&s.up, spec.dialect.gelu);
        kernels::chunks(pool, s.inner.rows_mut(), width, |r, gate| {
            let up = up_rows.get(r * width..(r + 1) * width).unwrap_or_default();
            if gelu { kernels::gelu_tanh_times(gate, up) } else { kernels::silu_times(gate, up) }
        });
        scale_inputs(spec, batch, (l, Projection::Down), s.inner.rows_mut());
        prepare(pool, &mut s.inner, &[down]);
        kernels::product(pool, &s.inner, &mut [Target { weights: down, out: &mut s.delta }]);
        self.finish(pool, spec, batch, (l, Group::Down), &s.inner, &mut [&mut s.delta[..]]);
        norm_rows(pool, spec, self.post_mlp_norm.as_deref(), &mut s.delta);
        kernels::add(&mut s.hidden, &s.delta);
    }

    /// What adapters and biases add to the projections of a group.
    fn finish(
        &self,
        pool: &Pool,
        spec: &DecoderSpec,
        batch: &Batch,
        (l, group): (usize, Group),
        input: &Activations,
        outs: &mut [&mut [f32]],
    ) {
        adapt(pool, spec, batch, (l, group), input.values(), outs);
        for (p, out) in group.members().iter().zip(outs) {
            add_bias(self.biases.get(*p as usize).and_then(Option::as_ref), out);
        }
    }

    fn norm_in(&self, pool: &Pool, spec: &DecoderSpec, w: &[f32], hidden: &[f32], input: &mut Activations) {
        let width = spec.hidden;
        input.reset(hidden.len() / width, width);
        kernels::chunks(pool, input.rows_mut(), width, |r, out| {
            kernels::rms_norm(
                hidden.get(r * width..(r + 1) * width).unwrap_or_default(),
                w,
                spec.norm_eps,
                out,
            );
        });
    }

    /// Norms of the heads where the model has them, rotation, and the scale of the scores on q.
    fn rotate(&self, pool: &Pool, spec: &DecoderSpec, s: &mut Scratch) {
        let dim = spec.attention.head_dim;
        let half = spec.rope.dim / 2;
        let local = self.window.is_some() && spec.dialect.local_rope.is_some();
        let angles = if local { &s.local_angles } else { &s.angles };
        let (cos, sin) = (&angles.cos, &angles.sin);
        let scale = spec.score_scale();
        let turn = |row: usize, x: &mut [f32], norm: Option<&Vec<f32>>| {
            if let Some(w) = norm {
                for head in x.chunks_exact_mut(dim) {
                    let copy = head.to_vec();
                    kernels::rms_norm(&copy, w, spec.norm_eps, head);
                }
            }
            let angles = row * half..(row + 1) * half;
            let (cos, sin) = (cos.get(angles.clone()), sin.get(angles));
            kernels::rotate_halves(x, dim, cos.unwrap_or_default(), sin.unwrap_or_default());
        };
        kernels::chunks(pool, &mut s.q, spec.q_dim(), |row, q| {
            turn(row, q, self.q_norm.as_ref());
            q.iter_mut().for_each(|x| *x *= scale);
        });
        kernels::chunks(pool, &mut s.k, spec.kv_dim(), |row, k| turn(row, k, self.k_norm.as_ref()));
    }

    fn attend(
        &self,
        pool: &Pool,
        spec: &DecoderSpec,
        layer: &CacheLayer,
        batch: &Batch,
        (q, steady): (&[f32], bool),
        out: &mut Activations,
    ) {
        out.reset(batch.rows.len(), spec.q_dim());
        let seen = Seen { window: self.window, cap: spec.dialect.score_cap, steady };
        kernels::attend_all(pool, layer, &batch.queries(), seen, q, out.rows_mut());
    }
}

/// Norms rows in place, where the model does.
fn norm_rows(pool: &Pool, spec: &DecoderSpec, w: Option<&[f32]>, rows: &mut [f32]) {
    let Some(w) = w else { return };
    kernels::chunks(pool, rows, spec.hidden, |_, row| {
        let copy = row.to_vec();
        kernels::rms_norm(&copy, w, spec.norm_eps, row);
    });
}

/// Rounds an input if any of its products wants that.
fn prepare(pool: &Pool, input: &mut Activations, weights: &[&Packed]) {
    if weights.iter().any(|w| w.wants_quantised()) {
        input.quantise(pool);
    }
}

fn store(pool: &Pool, batch: &Batch, layer: &mut CacheLayer, k: &[f32], v: &[f32]) {
    let places: Vec<(u32, usize)> = batch
        .rows
        .iter()
        .filter_map(|row| {
            let block = batch.tables.get(row.table)?.get(row.position / BLOCK)?;
            Some((*block, row.position % BLOCK))
        })
        .collect();
    if places.len() == batch.rows.len() {
        layer.write_all(pool, &places, k, v);
    }
}

//! Causal attention over ragged segments with grouped heads: softmax(q kᵀ / √d + mask) v, tile by tile, and its
//! backward that computes the probabilities again from the saved log-sums (Dao et al. 2022), so that nothing of
//! size length² outlives a tile.
#![allow(clippy::indexing_slicing, reason = "shapes are checked where an operation begins")]

use super::{Tape, Tensor, Var};
use crate::{Pool, View, gemm, kernels};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Query rows of a tile.
const TILE: usize = 64;

/// Where sequences begin and end in the rows of a batch: `bounds[i]..bounds[i + 1]` is sequence i.
#[derive(Debug, Clone)]
pub struct Segments(Arc<Vec<usize>>);

impl Segments {
    /// From the lengths of the sequences, in order.
    pub fn from_lengths(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut bounds = vec![0];
        let mut end = 0;
        bounds.extend(lengths.into_iter().map(|n| {
            end += n;
            end
        }));
        Self(Arc::new(bounds))
    }

    /// Rows of all sequences together.
    pub fn rows(&self) -> usize {
        self.0.last().copied().unwrap_or(0)
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of each row within its sequence.
    pub fn positions(&self) -> Vec<u32> {
        self.0.windows(2).flat_map(|w| 0..(w[1] - w[0]) as u32).collect()
    }

    fn get(&self, i: usize) -> Range<usize> {
        self.0[i]..self.0[i + 1]
    }
}

/// Heads and mask of an attention layer.
#[derive(Debug, Clone, Copy)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; query head h reads head h / (heads / kv_heads).
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Scores are multiplied by this, 1/√head_dim by custom.
    pub scale: f32,
    /// Sliding window: row i sees rows j with i - window < j <= i.
    pub window: Option<usize>,
}

/// One sequence and one key head: the unit of work.
#[derive(Clone, Copy)]
struct Unit<'a> {
    shape: AttentionShape,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
}

impl AttentionShape {
    fn q_cols(&self) -> usize {
        self.heads * self.head_dim
    }
    fn kv_cols(&self) -> usize {
        self.kv_heads * self.head_dim
    }
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
    /// First key that the first row of a tile sees.
    fn first_key(&self, row: usize) -> usize {
        self.window.map_or(0, |w| (row + 1).saturating_sub(w))
    }
}

impl Unit<'_> {
    /// Raw scores (neither scaled nor masked) of query rows `from..to` of a head against keys `low..to`, in `s` `[to - from, to - low]`.
    fn scores(
        &self,
        pool: &Pool,
        start: usize,
        head: usize,
        (low, from, to): (usize, usize, usize),
        s: &mut [f32],
    ) {
        let d = self.shape.head_dim;
        let (qc, kc) = (self.shape.q_cols(), self.shape.kv_cols());
        let q = View::new(&self.q[(start + from) * qc + head * d..], qc);
        let k = View::new(&self.k[(start + low) * kc + head / self.shape.group() * d..], kc);
        let width = to - low;
        gemm(pool, (to - from, width, d), q, k.t(), s, width, false);
    }

    /// Zeroes what row `row` of a tile that begins at key `low` does not see; the range that it sees is returned.
    fn seen(&self, row: usize, low: usize, line: &mut [f32]) -> Range<usize> {
        let seen = self.shape.first_key(row).max(low) - low..row + 1 - low;
        line[..seen.start].fill(0.0);
        line[seen.end..].fill(0.0);
        seen
    }
}

impl Tape<'_> {
    /// Attention of every sequence to itself, causal. `q` is `[rows, heads · head_dim]`, `k` and `v` are
    /// `[rows, kv_heads · head_dim]`.
    ///
    /// # Panics
    /// When the shapes do not fit the segments: a defect of the caller.
    pub fn attention(
        &mut self,
        q: &Var,
        k: &Var,
        v: &Var,
        segments: &Segments,
        shape: AttentionShape,
    ) -> Var {
        let rows = segments.rows();
        let fits = q.value.len() == rows * shape.q_cols()
            && k.value.len() == rows * shape.kv_cols()
            && v.value.len() == k.value.len();
        assert!(fits, "attention: q, k, v do not fit {rows} rows of {shape:?}");
        let unit = Unit { shape, q: q.value.data(), k: k.value.data(), v: v.value.data() };
        let (out, lse) = forward(self.pool, unit, segments, rows);
        let out = Tensor::new(vec![rows, shape.q_cols()], out);
        let nodes = [q.node, k.node, v.node];
        let (q, k, v, kept) = (q.value.clone(), k.value.clone(), v.value.clone(), out.clone());
        let segments = segments.clone();
        self.record(out, &nodes, move |dy, grads| {
            let unit = Unit { shape, q: q.data(), k: k.data(), v: v.data() };
            let [dq, dk, dv] = backward(grads.pool, unit, &segments, kept.data(), &lse, dy.data());
            grads.add(nodes[0], Tensor::new(q.shape().to_vec(), dq));
            grads.add(nodes[1], Tensor::new(k.shape().to_vec(), dk));
            grads.add(nodes[2], Tensor::new(v.shape().to_vec(), dv));
        })
    }
}

/// Output `[rows, heads · d]` and log-sums `[heads, rows]`.
fn forward(pool: &Pool, unit: Unit<'_>, segments: &Segments, rows: usize) -> (Vec<f32>, Vec<f32>) {
    let shape = unit.shape;
    let (d, cols) = (shape.head_dim, shape.q_cols());
    let parts: Vec<Mutex<(Vec<f32>, Vec<f32>)>> =
        (0..segments.len() * shape.heads).map(|_| Mutex::new((Vec::new(), Vec::new()))).collect();
    pool.run(parts.len(), |task| {
        let (seg, head) = (segments.get(task / shape.heads), task % shape.heads);
        let len = seg.len();
        let (mut o, mut lse) = (vec![0.0; len * d], vec![0.0; len]);
        let mut s = vec![0.0; TILE.min(len) * len];
        for from in (0..len).step_by(TILE) {
            let (low, to) = (shape.first_key(from), (from + TILE).min(len));
            let width = to - low;
            unit.scores(pool, seg.start, head, (low, from, to), &mut s);
            for (i, line) in s.chunks_mut(width).take(to - from).enumerate() {
                let seen = unit.seen(from + i, low, line);
                lse[from + i] = kernels::softmax_scaled(&mut line[seen], shape.scale, 1.0);
            }
            let kc = shape.kv_cols();
            let v = View::new(&unit.v[(seg.start + low) * kc + head / shape.group() * d..], kc);
            gemm(pool, (to - from, d, width), View::new(&s, width), v, &mut o[from * d..], d, false);
        }
        if let Ok(mut part) = parts[task].lock() {
            *part = (o, lse);
        }
    });
    let mut out = vec![0.0; rows * cols];
    let mut sums = vec![0.0; rows * shape.heads];
    for (task, part) in parts.into_iter().enumerate() {
        let (seg, head) = (segments.get(task / shape.heads), task % shape.heads);
        let (o, lse) = part.into_inner().unwrap_or_default();
        scatter(&mut out[seg.start * cols + head * d..], cols, &o, d);
        sums[head * rows + seg.start..head * rows + seg.end].copy_from_slice(&lse);
    }
    (out, sums)
}

fn backward(
    pool: &Pool,
    unit: Unit<'_>,
    segments: &Segments,
    out: &[f32],
    lse: &[f32],
    dy: &[f32],
) -> [Vec<f32>; 3] {
    let shape = unit.shape;
    let parts: Vec<Mutex<[Vec<f32>; 3]>> =
        (0..segments.len() * shape.kv_heads).map(|_| Mutex::new(Default::default())).collect();
    pool.run(parts.len(), |task| {
        let (seg, kv) = (segments.get(task / shape.kv_heads), task % shape.kv_heads);
        let grads = unit_backward(pool, unit, seg, kv, out, (lse, segments.rows()), dy);
        if let Ok(mut part) = parts[task].lock() {
            *part = grads;
        }
    });
    let (d, qc, kc) = (shape.head_dim, shape.q_cols(), shape.kv_cols());
    let mut all = [vec![0.0; unit.q.len()], vec![0.0; unit.k.len()], vec![0.0; unit.v.len()]];
    for (task, part) in parts.into_iter().enumerate() {
        let (seg, kv) = (segments.get(task / shape.kv_heads), task % shape.kv_heads);
        let [dq, dk, dv] = part.into_inner().unwrap_or_default();
        let group = shape.group() * d;
        scatter(&mut all[0][seg.start * qc + kv * group..], qc, &dq, group);
        scatter(&mut all[1][seg.start * kc + kv * d..], kc, &dk, d);
        scatter(&mut all[2][seg.start * kc + kv * d..], kc, &dv, d);
    }
    all
}

/// Gradients of one sequence and one key head: dq `[len, group · d]`, dk and dv `[len, d]`.
fn unit_backward(
    pool: &Pool,
    unit: Unit<'_>,
    seg: Range<usize>,
    kv: usize,
    out: &[f32],
    (lse, rows): (&[f32], usize),
    dy: &[f32],
) -> [Vec<f32>; 3] {
    let shape = unit.shape;
    let (d, qc, kc, group, len) = (shape.head_dim, shape.q_cols(), shape.kv_cols(), shape.group(), seg.len());
    let mut grads = [vec![0.0; len * group * d], vec![0.0; len * d], vec![0.0; len * d]];
    let mut p = vec![0.0; TILE.min(len) * len];
    let mut ds = p.clone();
    for g in 0..group {
        let head = kv * group + g;
        for from in (0..len).step_by(TILE) {
            let (low, to) = (shape.first_key(from), (from + TILE).min(len));
            let (n, width) = (to - from, to - low);
            let at = (seg.start + from) * qc + head * d;
            let (dy_tile, q_tile) = (View::new(&dy[at..], qc), View::new(&unit.q[at..], qc));
            let keys = (seg.start + low) * kc + kv * d;
            unit.scores(pool, seg.start, head, (low, from, to), &mut p);
            gemm(pool, (n, width, d), dy_tile, View::new(&unit.v[keys..], kc).t(), &mut ds, width, false);
            for i in 0..n {
                let at = at + i * qc;
                let delta = kernels::dot(&dy[at..at + d], &out[at..at + d]);
                let sum = lse[head * rows + seg.start + from + i];
                let line = i * width..(i + 1) * width;
                let (p, ds) = (&mut p[line.clone()], &mut ds[line]);
                let seen = unit.seen(from + i, low, p);
                unit.seen(from + i, low, ds);
                kernels::softmax_back(&mut p[seen.clone()], &mut ds[seen], shape.scale, sum, delta);
            }
            let [dq, dk, dv] = &mut grads;
            let (p, ds) = (View::new(&p, width), View::new(&ds, width));
            let into = &mut dq[from * group * d + g * d..];
            gemm(pool, (n, d, width), ds, View::new(&unit.k[keys..], kc), into, group * d, false);
            gemm(pool, (width, d, n), ds.t(), q_tile, &mut dk[low * d..], d, true);
            gemm(pool, (width, d, n), p.t(), dy_tile, &mut dv[low * d..], d, true);
        }
    }
    grads
}

/// Copies rows of `width` numbers into rows of `stride` numbers.
fn scatter(into: &mut [f32], stride: usize, from: &[f32], width: usize) {
    for (to, from) in into.chunks_mut(stride).zip(from.chunks(width)) {
        to[..width].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;

    fn shape(window: Option<usize>) -> AttentionShape {
        AttentionShape { heads: 4, kv_heads: 2, head_dim: 3, scale: 0.6, window }
    }

    #[test]
    fn gradients_over_two_sequences_with_and_without_a_window() {
        let leaves = [random(&[7, 12], 1), random(&[7, 6], 2), random(&[7, 6], 3)];
        for window in [None, Some(2)] {
            let segments = Segments::from_lengths([4, 3]);
            gradients(&leaves, |tape, v| tape.attention(&v[0], &v[1], &v[2], &segments, shape(window)));
        }
    }

    #[test]
    fn tiles_agree_with_the_definition() {
        let (pool, len) = (Pool::new(2), 150);
        let s = shape(Some(90));
        let [q, k, v] = [random(&[len, 12], 1), random(&[len, 6], 2), random(&[len, 6], 3)];
        let mut tape = Tape::new(&pool);
        let vars = [&q, &k, &v].map(|t| Var::constant(t.clone()));
        let out = tape.attention(&vars[0], &vars[1], &vars[2], &Segments::from_lengths([len]), s);
        for i in 0..len {
            for h in 0..4 {
                let low = (i + 1usize).saturating_sub(90);
                let score = |j: usize| {
                    (0..3)
                        .map(|c| q.data()[i * 12 + h * 3 + c] * k.data()[j * 6 + h / 2 * 3 + c])
                        .sum::<f32>()
                        * 0.6
                };
                let p: Vec<f32> = (low..=i).map(|j| score(j).exp()).collect();
                let sum: f32 = p.iter().sum();
                for c in 0..3 {
                    let want: f32 =
                        (low..=i).map(|j| p[j - low] * v.data()[j * 6 + h / 2 * 3 + c]).sum::<f32>() / sum;
                    assert!((out.value().data()[i * 12 + h * 3 + c] - want).abs() < 1e-5);
                }
            }
        }
    }
}

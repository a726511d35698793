//! Linear layers: y = x Wᵀ + b, over trainable f32 weights or a frozen matrix in any stored format, and the low-rank
//! term y += s (x Aᵀ) Bᵀ of LoRA (Hu et al. 2021) beside it.
//!
//! A frozen matrix is widened some rows at a time into a scratch panel that stays in cache; it is never held in f32.
#![allow(clippy::indexing_slicing, reason = "shapes are checked where an operation begins")]

use super::{NodeId, Tape, Tensor, Var};
use crate::{Matrix, Pool, View, gemm};
use std::ops::Range;

/// The weights of a linear layer, `[out, in]`.
#[derive(Debug, Clone)]
pub enum Weight {
    /// Trainable (or constant) f32.
    Dense(Var),
    /// In its stored format; no gradient reaches it, gradients flow through it.
    Frozen(Matrix),
}

impl Weight {
    /// Outputs.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Dense(w) => w.value.rows(),
            Self::Frozen(m) => m.rows(),
        }
    }

    /// Inputs.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Dense(w) => w.value.cols(),
            Self::Frozen(m) => m.cols(),
        }
    }

    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::Dense(w) => w.node,
            Self::Frozen(_) => None,
        }
    }

    /// Calls `f` with consecutive panels of rows in f32 and the rows that they are.
    pub(super) fn panels(&self, pool: &Pool, mut f: impl FnMut(Range<usize>, &[f32])) {
        match self {
            Self::Dense(w) => f(0..w.value.rows(), w.value.data()),
            Self::Frozen(m) => {
                let step = (PANEL / m.cols().max(1)).max(1).min(m.rows().max(1));
                let mut panel = vec![0.0; step * m.cols()];
                for from in (0..m.rows()).step_by(step) {
                    let rows = from..(from + step).min(m.rows());
                    let numbers = &mut panel[..rows.len() * m.cols()];
                    widen(pool, m, rows.clone(), numbers);
                    f(rows, numbers);
                }
            }
        }
    }

    /// `y (+)= x Wᵀ` with `x` `[n, in]` and `y` `[n, out]`.
    pub(super) fn forward(&self, pool: &Pool, x: &[f32], y: &mut [f32], accumulate: bool) {
        let (out, k) = (self.outputs(), self.inputs());
        let n = x.len() / k.max(1);
        self.panels(pool, |rows, w| {
            let into = &mut y[rows.start..];
            gemm(pool, (n, rows.len(), k), View::new(x, k), View::new(w, k).t(), into, out, accumulate);
        });
    }

    /// `dx (+)= dy W`.
    pub(super) fn backward(&self, pool: &Pool, dy: &[f32], dx: &mut [f32], accumulate: bool) {
        let (out, k) = (self.outputs(), self.inputs());
        let n = dy.len() / out.max(1);
        self.panels(pool, |rows, w| {
            let part = View::new(&dy[rows.start..], out);
            gemm(pool, (n, k, rows.len()), part, View::new(w, k), dx, k, accumulate || rows.start > 0);
        });
    }
}

/// Numbers of a panel: 4 MiB of f32, a share of the last-level cache.
const PANEL: usize = 1 << 20;

fn widen(pool: &Pool, m: &Matrix, rows: Range<usize>, out: &mut [f32]) {
    let cols = m.cols();
    let step = rows.len().div_ceil(pool.threads() * 4).max(1);
    let pieces: Vec<_> = out.chunks_mut(step * cols).map(std::sync::Mutex::new).collect();
    pool.run(pieces.len(), |i| {
        if let Ok(mut piece) = pieces[i].lock() {
            let from = rows.start + i * step;
            m.dequantize_rows(from..from + piece.len() / cols, &mut piece);
        }
    });
}

/// The low-rank term s B A beside a weight: `a` is `[r, in]`, `b` is `[out, r]`.
#[derive(Debug, Clone)]
pub struct LowRank {
    /// The down projection.
    pub a: Var,
    /// The up projection.
    pub b: Var,
    /// s = alpha / r (or alpha / sqrt(r)).
    pub scale: f32,
}

impl Tape<'_> {
    /// y = x Wᵀ + bias.
    pub fn linear(&mut self, x: &Var, weight: &Weight, bias: Option<&Var>) -> Var {
        let n = x.value.len() / weight.inputs().max(1);
        let mut y = vec![0.0; n * weight.outputs()];
        weight.forward(self.pool, x.value.data(), &mut y, false);
        if let Some(bias) = bias {
            y.chunks_mut(bias.value.len()).for_each(|row| {
                row.iter_mut().zip(bias.value.data()).for_each(|(y, b)| *y += b);
            });
        }
        let mut shape = x.value.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = weight.outputs();
        }
        let (x_node, w_node, b_node) = (x.node, weight.node(), bias.and_then(|b| b.node));
        // x is kept only where the weight's gradient wants it.
        let kept = w_node.map(|_| x.value.clone());
        let (weight, x_shape) = (weight.clone(), x.value.shape().to_vec());
        self.record(Tensor::new(shape, y), &[x_node, w_node, b_node], move |dy, grads| {
            if x_node.is_some() {
                grads
                    .accumulate(x_node, x_shape, |pool, dx, more| weight.backward(pool, dy.data(), dx, more));
            }
            if let (Some(x), Weight::Dense(w)) = (kept, &weight) {
                grads.add(w_node, outer(grads.pool, &dy, &x, w.value.shape()));
            }
            if b_node.is_some() {
                grads.add(b_node, column_sums(&dy));
            }
        })
    }

    /// y = x Wᵀ + s (x Aᵀ) Bᵀ with one pass over `x`: the layer with its adapter.
    pub fn linear_low_rank(&mut self, x: &Var, weight: &Weight, bias: Option<&Var>, low: &LowRank) -> Var {
        let base = self.linear(x, weight, bias);
        self.low_rank(&base, x, low)
    }

    /// y = base + s (x Aᵀ) Bᵀ. `x` may be another value than what `base` was made of (a dropped-out one).
    pub fn low_rank(&mut self, base: &Var, x: &Var, low: &LowRank) -> Var {
        let (rank, k, out) = (low.a.value.rows(), low.a.value.cols(), low.b.value.rows());
        let n = x.value.len() / k.max(1);
        let mut t = vec![0.0; n * rank];
        let down = View::new(low.a.value.data(), k).t();
        gemm(self.pool, (n, rank, k), View::new(x.value.data(), k), down, &mut t, rank, false);
        t.iter_mut().for_each(|t| *t *= low.scale);
        let mut value = base.value.clone();
        let up = View::new(low.b.value.data(), rank).t();
        gemm(self.pool, (n, out, rank), View::new(&t, rank), up, value.data_mut(), out, true);
        let (base_node, x_node, a_node, b_node) = (base.node, x.node, low.a.node, low.b.node);
        let (x, low) = (x.value.clone(), low.clone());
        let t = Tensor::new(vec![n, rank], t);
        self.record(value, &[base_node, x_node, a_node, b_node], move |dy, grads| {
            let pool = grads.pool;
            let mut dt = vec![0.0; n * rank];
            let up = View::new(low.b.value.data(), rank);
            gemm(pool, (n, rank, out), View::new(dy.data(), out), up, &mut dt, rank, false);
            dt.iter_mut().for_each(|t| *t *= low.scale);
            let dt = Tensor::new(vec![n, rank], dt);
            if b_node.is_some() {
                grads.add(b_node, outer(pool, &dy, &t, low.b.value.shape()));
            }
            if a_node.is_some() {
                grads.add(a_node, outer(pool, &dt, &x, low.a.value.shape()));
            }
            if x_node.is_some() {
                let down = View::new(low.a.value.data(), k);
                grads.accumulate(x_node, x.shape().to_vec(), |pool, dx, more| {
                    gemm(pool, (n, k, rank), View::new(dt.data(), rank), down, dx, k, more);
                });
            }
            grads.add(base_node, dy);
        })
    }
}

/// `dyᵀ x`, the gradient of a weight.
fn outer(pool: &Pool, dy: &Tensor, x: &Tensor, shape: &[usize]) -> Tensor {
    let (out, k) = (dy.cols(), shape.last().copied().unwrap_or(1));
    let n = dy.len() / out.max(1);
    let mut dw = vec![0.0; out * k];
    gemm(pool, (out, k, n), View::new(dy.data(), out).t(), View::new(x.data(), k), &mut dw, k, false);
    Tensor::new(shape.to_vec(), dw)
}

fn column_sums(dy: &Tensor) -> Tensor {
    let mut sums = vec![0.0; dy.cols()];
    for row in dy.data().chunks(dy.cols()) {
        sums.iter_mut().zip(row).for_each(|(s, d)| *s += d);
    }
    Tensor::new(vec![dy.cols()], sums)
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;
    use crate::Format;

    #[test]
    fn gradients_of_dense_weights_bias_and_low_rank() {
        let leaves =
            [random(&[5, 7], 1), random(&[4, 7], 2), random(&[4], 3), random(&[2, 7], 4), random(&[4, 2], 5)];
        gradients(&leaves, |tape, v| {
            let low = LowRank { a: v[3].clone(), b: v[4].clone(), scale: 0.7 };
            tape.linear_low_rank(&v[0], &Weight::Dense(v[1].clone()), Some(&v[2]), &low)
        });
    }

    #[test]
    fn gradients_through_a_frozen_quantised_weight() {
        let w = random(&[6, 32], 9);
        let m = Matrix::from_f32(6, 32, w.into_vec()).unwrap().quantize(Format::Q8_0).unwrap();
        gradients(&[random(&[3, 32], 1)], |tape, v| tape.linear(&v[0], &Weight::Frozen(m.clone()), None));
    }
}

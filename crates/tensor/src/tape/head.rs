//! The language-model head with its loss, fused: logits of some rows at a time, their log-softmax, and at once the
//! gradient, so that `[tokens, vocabulary]` is never held whole.
//!
//! Loss: the weighted mean of -log softmax(x Wᵀ)[target] over rows of positive weight. Rows of weight 0 cost
//! nothing: they are not multiplied with the head at all.
#![allow(clippy::indexing_slicing, reason = "shapes are checked where an operation begins")]

use super::{Tape, Tensor, Var, Weight};
use crate::{Pool, View, gemm, kernels};

/// Bytes of logits held at once.
const LOGITS: usize = 8 << 20;

/// The loss and its parts.
#[derive(Debug, Clone)]
pub struct HeadLoss {
    /// The weighted mean, one number.
    pub loss: Var,
    /// Of each counted row, in order: -log p(target), in nats.
    pub nll: Vec<f32>,
    /// Of each counted row: whether the target has the highest logit.
    pub hits: Vec<bool>,
    /// Sum of the weights.
    pub weight: f32,
}

impl Tape<'_> {
    /// Cross-entropy of the head `weight` `[vocabulary, width]` on `x` `[rows, width]`. `weights` has one number from
    /// 0 for each row.
    ///
    /// # Panics
    /// When lengths differ or a target is past the vocabulary: callers check where data comes in.
    pub fn head_cross_entropy(
        &mut self,
        x: &Var,
        weight: &Weight,
        targets: &[u32],
        weights: &[f32],
    ) -> HeadLoss {
        let (rows, width) = (x.value.rows(), x.value.cols());
        assert!(
            targets.len() == rows && weights.len() == rows,
            "head: {rows} rows want as many targets and weights"
        );
        let counted: Vec<usize> = (0..rows).filter(|r| weights[*r] > 0.0).collect();
        let total: f32 = counted.iter().map(|r| weights[*r]).sum();
        let wants_grad = x.node.is_some() || weight.node().is_some();
        let mut pass = Pass {
            pool: self.pool,
            weight,
            dx: if x.node.is_some() { vec![0.0; rows * width] } else { Vec::new() },
            dw: if weight.node().is_some() { vec![0.0; weight.outputs() * width] } else { Vec::new() },
            nll: Vec::with_capacity(counted.len()),
            hits: Vec::with_capacity(counted.len()),
        };
        let block = (LOGITS / 4 / weight.outputs().max(1)).max(16);
        for some in counted.chunks(block) {
            pass.block(x.value.data(), some, targets, weights, total, wants_grad);
        }
        let Pass { dx, dw, nll, hits, .. } = pass;
        let sum: f64 =
            counted.iter().zip(&nll).map(|(r, nll)| f64::from(weights[*r]) * f64::from(*nll)).sum();
        let mean = if total > 0.0 { sum / f64::from(total) } else { 0.0 };
        let mut gradients = Vec::new();
        if x.node.is_some() {
            gradients.push((x.node, Tensor::new(x.value.shape().to_vec(), dx)));
        }
        if weight.node().is_some() {
            gradients.push((weight.node(), Tensor::new(vec![weight.outputs(), width], dw)));
        }
        let loss = self.fused(mean, gradients);
        HeadLoss { loss, nll, hits, weight: total }
    }

    /// Logits `[rows, vocabulary]` as a value, for evaluation and small heads.
    pub fn logits(&mut self, x: &Var, weight: &Weight) -> Var {
        self.linear(x, weight, None)
    }
}

struct Pass<'a> {
    pool: &'a Pool,
    weight: &'a Weight,
    dx: Vec<f32>,
    dw: Vec<f32>,
    nll: Vec<f32>,
    hits: Vec<bool>,
}

impl Pass<'_> {
    fn block(
        &mut self,
        x: &[f32],
        rows: &[usize],
        targets: &[u32],
        weights: &[f32],
        total: f32,
        wants_grad: bool,
    ) {
        let (vocab, width) = (self.weight.outputs(), self.weight.inputs());
        let mut some = vec![0.0; rows.len() * width];
        for (into, r) in some.chunks_mut(width).zip(rows) {
            into.copy_from_slice(&x[r * width..(r + 1) * width]);
        }
        let mut logits = vec![0.0; rows.len() * vocab];
        self.weight.forward(self.pool, &some, &mut logits, false);
        let lines: Vec<_> =
            logits.chunks_mut(vocab).map(|l| std::sync::Mutex::new((l, 0.0f32, false))).collect();
        self.pool.run(lines.len(), |i| {
            let row = rows[i];
            if let Ok(mut line) = lines[i].lock() {
                let target = targets[row] as usize;
                let at_target = line.0[target];
                line.2 = kernels::max(line.0) <= at_target;
                let by = weights[row] / total;
                line.1 = kernels::softmax_scaled(line.0, 1.0, by) - at_target;
                line.0[target] -= by;
            }
        });
        for line in lines {
            let (_, nll, hit) = line.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.nll.push(nll);
            self.hits.push(hit);
        }
        if !wants_grad {
            return;
        }
        if !self.dx.is_empty() {
            let mut d_some = vec![0.0; some.len()];
            self.weight.backward(self.pool, &logits, &mut d_some, false);
            for (from, r) in d_some.chunks(width).zip(rows) {
                self.dx[r * width..(r + 1) * width].copy_from_slice(from);
            }
        }
        if !self.dw.is_empty() {
            let (d, s) = (View::new(&logits, vocab).t(), View::new(&some, width));
            gemm(self.pool, (vocab, width, rows.len()), d, s, &mut self.dw, width, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_with_and_without_weight_zero() {
        gradients(&[random(&[4, 5], 1), random(&[7, 5], 2)], |tape, v| {
            let w = Weight::Dense(v[1].clone());
            tape.head_cross_entropy(&v[0], &w, &[3, 0, 6, 6], &[1.0, 0.0, 2.0, 0.5]).loss
        });
    }

    #[test]
    fn the_loss_is_the_mean_negative_log_likelihood() {
        let pool = Pool::new(1);
        let mut tape = Tape::new(&pool);
        let x = Var::constant(Tensor::new(vec![1, 2], vec![1.0, 0.0]));
        let w = Weight::Dense(Var::constant(Tensor::new(vec![2, 2], vec![2.0, 0.0, 0.0, 1.0])));
        let got = tape.head_cross_entropy(&x, &w, &[0], &[1.0]);
        let want = (1.0 + (-2.0f32).exp()).ln();
        assert!((got.loss.value().data()[0] - want).abs() < 1e-6 && (got.nll[0] - want).abs() < 1e-6);
    }
}

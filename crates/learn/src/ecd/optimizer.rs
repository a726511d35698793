//! Update rules on one vector of parameters. Formulas: PyTorch's definitions of the same names.
#![allow(clippy::indexing_slicing, reason = "all vectors have the length of the parameters")]

use crate::config::{Clipping, OptimizerKind};

/// An update rule with its memory.
pub(super) struct Optimizer {
    kind: OptimizerKind,
    weight_decay: f32,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Optimizer {
    pub(super) fn new(kind: OptimizerKind, weight_decay: f64, size: usize) -> Self {
        Self {
            kind,
            weight_decay: weight_decay as f32,
            first: vec![0.0; size],
            second: vec![0.0; size],
            steps: 0,
        }
    }

    /// One step of size `rate` against the gradients.
    pub(super) fn step(&mut self, values: &mut [f32], grads: &[f32], rate: f64) {
        self.steps += 1;
        let (decay, lr) = (self.weight_decay, rate as f32);
        match self.kind {
            OptimizerKind::Adam { betas: (b1, b2), eps, decoupled } => {
                let correct = |b: f64| 1.0 - b.powi(self.steps);
                let size = (rate / correct(b1)) as f32;
                let root = (1.0 / correct(b2).sqrt()) as f32;
                let (b1, b2, eps) = (b1 as f32, b2 as f32, eps as f32);
                let (shrink, coupled) = if decoupled { (1.0 - lr * decay, 0.0) } else { (1.0, decay) };
                let moments = self.first.iter_mut().zip(&mut self.second);
                for ((w, g), (m, v)) in values.iter_mut().zip(grads).zip(moments) {
                    let g = g + coupled * *w;
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *w = *w * shrink - size * *m / (v.sqrt() * root + eps);
                }
            }
            OptimizerKind::Sgd { momentum, nesterov } => {
                let mu = momentum as f32;
                let first = self.steps == 1;
                for ((w, g), m) in values.iter_mut().zip(grads).zip(&mut self.first) {
                    let g = g + decay * *w;
                    *m = if first { g } else { mu * *m + g };
                    *w -= lr
                        * if mu == 0.0 {
                            g
                        } else if nesterov {
                            g + mu * *m
                        } else {
                            *m
                        };
                }
            }
            OptimizerKind::Adagrad { eps } => {
                for ((w, g), v) in values.iter_mut().zip(grads).zip(&mut self.second) {
                    let g = g + decay * *w;
                    *v += g * g;
                    *w -= lr * g / (v.sqrt() + eps as f32);
                }
            }
            OptimizerKind::RmsProp { alpha, eps, momentum } => {
                let (alpha, mu) = (alpha as f32, momentum as f32);
                let moments = self.first.iter_mut().zip(&mut self.second);
                for ((w, g), (m, v)) in values.iter_mut().zip(grads).zip(moments) {
                    let g = g + decay * *w;
                    *v = alpha * *v + (1.0 - alpha) * g * g;
                    *m = mu * *m + g / (v.sqrt() + eps as f32);
                    *w -= lr * *m;
                }
            }
        }
    }
}

/// Brings gradients within their limits.
pub(super) fn clip(grads: &mut [f32], limits: &Clipping) {
    if let Some(limit) = limits.value {
        let limit = limit as f32;
        grads.iter_mut().for_each(|g| *g = g.clamp(-limit, limit));
    }
    if let Some(limit) = limits.global_norm {
        let norm = grads.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if norm > limit {
            let shrink = (limit / (norm + 1e-6)) as f32;
            grads.iter_mut().for_each(|g| *g *= shrink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers worked out with PyTorch's formulas by hand.
    #[test]
    fn two_steps_of_each() {
        let run = |kind, decay| {
            let mut w = [1.0f32];
            let mut o = Optimizer::new(kind, decay, 1);
            o.step(&mut w, &[0.5], 0.1);
            o.step(&mut w, &[-0.25], 0.1);
            w[0]
        };
        let close = |got: f32, want: f32| assert!((got - want).abs() < 1e-6, "{got} for {want}");
        close(run(OptimizerKind::Sgd { momentum: 0.0, nesterov: false }, 0.0), 0.975);
        close(
            run(OptimizerKind::Sgd { momentum: 0.9, nesterov: false }, 0.0),
            1.0 - 0.05 - 0.1 * (0.45 - 0.25),
        );
        let adam = |decoupled| OptimizerKind::Adam { betas: (0.9, 0.999), eps: 1e-8, decoupled };
        let (m, v) = (0.9 * 0.05 - 0.1 * 0.25, 0.999 * 0.00025 + 0.001 * 0.0625);
        let second = 0.1 * (m / 0.19) / (v / (1.0f64 - 0.999f64.powi(2))).sqrt();
        close(run(adam(false), 0.0), (0.9 - second) as f32);
        close(run(adam(true), 0.1), ((1.0 * 0.99 - 0.1) * 0.99 - second) as f32);
        close(run(OptimizerKind::Adagrad { eps: 0.0 }, 0.0), 0.9 + 0.1 * 0.25 / 0.3125f32.sqrt());
    }

    #[test]
    fn the_norm_is_kept() {
        let mut g = [3.0f32, 4.0];
        clip(&mut g, &Clipping { global_norm: Some(0.5), value: None });
        assert!((g[0] - 0.3).abs() < 1e-5 && (g[1] - 0.4).abs() < 1e-5);
    }
}

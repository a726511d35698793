//! Cross-entropy of classes, with smoothed labels, weights of classes and rows that do not count.
#![allow(clippy::indexing_slicing, reason = "classes are checked where a loss begins")]

use super::of;
use crate::tape::{Tape, Var};

/// How the losses of rows become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Their sum by the sum of their classes' weights.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// -Σ_c q_c w_c log softmax(z)_c of each row, with q the true class's 1, of which `label_smoothing` is spread evenly
/// over all classes (Szegedy et al. 2016).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CrossEntropy {
    /// Share of the target that is spread evenly, in [0, 1).
    pub label_smoothing: f32,
    /// w, a weight from 0 for each class; all 1 where absent.
    pub class_weights: Option<Vec<f32>>,
    /// How rows become one number.
    pub reduction: Reduction,
}

impl CrossEntropy {
    /// The loss of `[rows, classes]` logits; they become the gradient of `weight` times it. A row without a target
    /// does not count.
    ///
    /// # Panics
    /// When a target is past the classes or lengths differ: callers check where data comes in.
    pub fn apply(&self, logits: &mut [f32], classes: usize, targets: &[Option<u32>], weight: f32) -> f64 {
        assert_eq!(logits.len(), classes * targets.len(), "a target for each row of {classes}");
        let weights = self.class_weights.as_deref();
        assert!(weights.is_none_or(|w| w.len() == classes), "a weight for each of {classes} classes");
        let of_class = |c: usize| weights.map_or(1.0, |w| w[c]);
        let total: f64 = match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => targets.iter().flatten().map(|c| f64::from(of_class(*c as usize))).sum(),
        };
        if total == 0.0 {
            logits.fill(0.0);
            return 0.0;
        }
        let by = weight / total as f32;
        let spread = self.label_smoothing / classes.max(1) as f32;
        let mut sum = 0.0f64;
        for (z, target) in logits.chunks_exact_mut(classes.max(1)).zip(targets) {
            let Some(target) = target.map(|c| c as usize) else {
                z.fill(0.0);
                continue;
            };
            let own = (1.0 - self.label_smoothing) * of_class(target);
            let log_sum = log_sum_exp(z);
            let mut mass = own;
            sum += f64::from(own) * f64::from(log_sum - z[target]);
            if spread > 0.0 {
                for (c, z) in z.iter().enumerate() {
                    sum += f64::from(spread * of_class(c)) * f64::from(log_sum - z);
                    mass += spread * of_class(c);
                }
            }
            for (c, z) in z.iter_mut().enumerate() {
                *z = by * (mass * (*z - log_sum).exp() - spread * of_class(c));
            }
            z[target] -= by * own;
        }
        sum / total
    }
}

/// ln Σ e^z, without overflow.
pub(super) fn log_sum_exp(z: &[f32]) -> f32 {
    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    max + z.iter().map(|z| (z - max).exp()).sum::<f32>().ln()
}

impl Tape<'_> {
    /// Cross-entropy of `[rows, classes]` logits; a row without a target does not count.
    pub fn cross_entropy(&mut self, loss: &CrossEntropy, logits: &Var, targets: &[Option<u32>]) -> Var {
        let mut gradient = logits.value.data().to_vec();
        let value = loss.apply(&mut gradient, logits.value.cols(), targets, 1.0);
        self.fused(value, vec![of(logits, gradient)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_with_smoothing_weights_and_rows_left_out() {
        let targets = [Some(2), None, Some(0), Some(2)];
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let loss =
                CrossEntropy { label_smoothing: 0.2, class_weights: Some(vec![1.0, 0.0, 2.5]), reduction };
            gradients(&[random(&[4, 3], 8)], |tape, v| tape.cross_entropy(&loss, &v[0], &targets));
        }
    }

    #[test]
    fn no_row_that_counts_is_no_loss() {
        let mut logits = [1.0, 2.0];
        assert_eq!(CrossEntropy::default().apply(&mut logits, 2, &[None], 1.0), 0.0);
        assert_eq!(logits, [0.0, 0.0]);
    }
}

//! Connectionist temporal classification (Graves et al. 2006): -ln of the probability of a label sequence, summed over
//! all ways to spread it over the time steps with blanks between. Sums run in f64 and in logarithms.
#![allow(clippy::indexing_slicing, reason = "places within tables of a size made here")]

use super::of;
use crate::tape::{Tape, Var};

const NEVER: f64 = f64::NEG_INFINITY;

/// ln(e^a + e^b).
fn add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == NEVER { NEVER } else { high + (low - high).exp().ln_1p() }
}

/// One sequence: log-probabilities `[steps, classes]` and its labels with blanks around each.
struct Lattice {
    log_p: Vec<f64>,
    classes: usize,
    states: Vec<usize>,
}

impl Lattice {
    fn new(logits: &[f32], classes: usize, labels: &[u32], blank: u32) -> Self {
        let log_softmax = |row: &[f32]| {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|z| f64::from(z - max).exp()).sum();
            let log_sum = f64::from(max) + sum.ln();
            row.iter().map(|z| f64::from(*z) - log_sum).collect::<Vec<_>>()
        };
        let log_p = logits.chunks_exact(classes).flat_map(log_softmax).collect();
        let around = labels.iter().flat_map(|l| [*l as usize, blank as usize]);
        Self { log_p, classes, states: std::iter::once(blank as usize).chain(around).collect() }
    }

    fn steps(&self) -> usize {
        self.log_p.len() / self.classes
    }

    /// Whether a path may go from state s - 2 to s: over a blank between two different labels.
    fn skips(&self, s: usize) -> bool {
        s >= 2 && s % 2 == 1 && self.states[s] != self.states[s - 2]
    }

    fn at(&self, t: usize, s: usize) -> f64 {
        self.log_p[t * self.classes + self.states[s]]
    }

    /// ln of the probability of all beginnings that are in state s at step t, `[steps, states]`.
    fn forward(&self) -> Vec<f64> {
        let n = self.states.len();
        let mut alpha = vec![NEVER; self.steps() * n];
        for t in 0..self.steps() {
            for s in 0..n {
                let before = |back: usize| alpha[(t - 1) * n + s - back];
                let mut sum = match t {
                    0 if s < 2 => 0.0,
                    0 => NEVER,
                    _ => before(0),
                };
                if t > 0 && s > 0 {
                    sum = add(sum, before(1));
                }
                if t > 0 && self.skips(s) {
                    sum = add(sum, before(2));
                }
                alpha[t * n + s] = sum + self.at(t, s);
            }
        }
        alpha
    }

    /// ln of the probability of all ends after state s at step t, `[steps, states]`.
    fn backward(&self) -> Vec<f64> {
        let (n, steps) = (self.states.len(), self.steps());
        let mut beta = vec![NEVER; steps * n];
        for t in (0..steps).rev() {
            for s in 0..n {
                let after = |on: usize| beta[(t + 1) * n + s + on] + self.at(t + 1, s + on);
                let mut sum = if t + 1 < steps {
                    after(0)
                } else if s + 2 >= n {
                    0.0
                } else {
                    NEVER
                };
                if t + 1 < steps && s + 1 < n {
                    sum = add(sum, after(1));
                }
                if t + 1 < steps && s + 2 < n && self.skips(s + 2) {
                    sum = add(sum, after(2));
                }
                beta[t * n + s] = sum;
            }
        }
        beta
    }

    /// -ln p of the labels, and its gradient by the logits added `by` times to `gradient`.
    fn loss(&self, by: f64, gradient: &mut [f32]) -> f64 {
        let (n, steps) = (self.states.len(), self.steps());
        if steps == 0 {
            return if n == 1 { 0.0 } else { f64::INFINITY };
        }
        let (alpha, beta) = (self.forward(), self.backward());
        let last = (steps - 1) * n;
        let log_p = (n.saturating_sub(2)..n).fold(NEVER, |sum, s| add(sum, alpha[last + s]));
        if log_p == NEVER {
            return f64::INFINITY;
        }
        for t in 0..steps {
            let row = &mut gradient[t * self.classes..(t + 1) * self.classes];
            for (c, g) in row.iter_mut().enumerate() {
                *g += (by * self.log_p[t * self.classes + c].exp()) as f32;
            }
            for s in 0..n {
                let share = (alpha[t * n + s] + beta[t * n + s] - log_p).exp();
                row[self.states[s]] -= (by * share) as f32;
            }
        }
        -log_p
    }
}

impl Tape<'_> {
    /// The loss of logits `[batch, steps, classes]`: for each sequence -ln p of its labels over its first `lengths`
    /// steps, divided by the number of its labels (at least 1); mean over the batch. Labels that do not fit into
    /// their steps cost infinity and send no gradient.
    ///
    /// # Panics
    /// When shapes differ or a label is past the classes: callers check where data comes in.
    pub fn ctc(&mut self, logits: &Var, labels: &[Vec<u32>], lengths: &[usize], blank: u32) -> Var {
        let shape = logits.value.shape();
        assert_eq!(shape.len(), 3, "logits are [batch, steps, classes]");
        let (batch, steps, classes) = (shape[0], shape[1], shape[2]);
        assert!(labels.len() == batch && lengths.len() == batch, "labels and a length for each sequence");
        let mut gradient = vec![0.0; logits.value.len()];
        let mut sum = 0.0;
        for (b, (labels, length)) in labels.iter().zip(lengths).enumerate() {
            let used = b * steps * classes..(b * steps + *length) * classes;
            let lattice = Lattice::new(&logits.value.data()[used.clone()], classes, labels, blank);
            let by = labels.len().max(1) as f64;
            sum += lattice.loss(1.0 / (by * batch as f64), &mut gradient[used]) / by;
        }
        self.fused(sum / batch.max(1) as f64, vec![of(logits, gradient)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{gradients, random};
    use super::*;
    use crate::Pool;

    #[test]
    fn gradients_with_repeated_labels_and_short_sequences() {
        let labels = [vec![1, 2, 2], vec![3]];
        gradients(&[random(&[2, 6, 4], 1)], |tape, v| tape.ctc(&v[0], &labels, &[6, 3], 0));
    }

    /// Against the definition: the sum over every path that collapses to the labels.
    #[test]
    fn the_loss_sums_over_all_paths() {
        let logits = random(&[1, 4, 3], 9);
        let lattice = Lattice::new(logits.data(), 3, &[1, 1], 0);
        let mut sum = 0.0;
        for code in 0..81usize {
            let path: Vec<usize> = (0..4).map(|t| code / 3usize.pow(t) % 3).collect();
            let mut collapsed = path.clone();
            collapsed.dedup();
            collapsed.retain(|c| *c != 0);
            if collapsed == [1, 1] {
                sum += (0..4).map(|t| lattice.log_p[t * 3 + path[t]]).sum::<f64>().exp();
            }
        }
        assert!((lattice.loss(1.0, &mut [0.0; 12]) + sum.ln()).abs() < 1e-12);
    }

    #[test]
    fn labels_that_do_not_fit_cost_infinity() {
        let pool = Pool::new(1);
        let mut tape = Tape::new(&pool);
        let x = tape.leaf(random(&[1, 2, 3], 1));
        let loss = tape.ctc(&x, &[vec![1, 1]], &[2], 0);
        assert_eq!(loss.value().data(), [f32::INFINITY]);
    }
}

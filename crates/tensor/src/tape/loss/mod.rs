//! Losses: each computes its gradient together with its value, so that the backward pass only scales it.
//!
//! A file a family: number by number, classes, distributions, pairs of vectors, contrast within a batch, alignments.
//! Values are means unless a loss says otherwise; constants and reductions are PyTorch's. The loss of a language
//! model's head is apart (`tape::head`), where it is fused with the head itself.

mod classes;
mod ctc;
mod distribution;
mod info_nce;
mod pairs;
mod pointwise;

pub use classes::{CrossEntropy, Reduction};
pub use pointwise::Loss;

use super::{NodeId, Tape, Tensor, Var};

impl Tape<'_> {
    /// Records a loss and the gradients that were computed with it.
    pub(super) fn fused(&mut self, loss: f64, gradients: Vec<(Option<NodeId>, Tensor)>) -> Var {
        let nodes: Vec<_> = gradients.iter().map(|(node, _)| *node).collect();
        self.record(Tensor::new(vec![1], vec![loss as f32]), &nodes, move |dy, grads| {
            let by = dy.data().first().copied().unwrap_or(0.0);
            for (node, mut gradient) in gradients.into_iter().filter(|(node, _)| node.is_some()) {
                if by != 1.0 {
                    gradient.data_mut().iter_mut().for_each(|g| *g *= by);
                }
                grads.add(node, gradient);
            }
        })
    }
}

/// A gradient for a variable, of its shape.
fn of(var: &Var, gradient: Vec<f32>) -> (Option<NodeId>, Tensor) {
    (var.node, Tensor::new(var.value.shape().to_vec(), gradient))
}

/// The sign of a number, 0 at 0.
fn sign(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

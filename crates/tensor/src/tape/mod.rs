//! The differentiation tape: operations record how to send a gradient back, `backward` plays the record in reverse.
//!
//! Few and fused operations, each a file with its formula, its forward and its hand-written backward. What an
//! operation saves is dropped as soon as its gradient has passed. Values without a node (constants, frozen weights,
//! evaluation) record nothing and cost nothing. No layers, no optimisers, no training loop come in here.

mod activation;
mod attention;
mod columns;
mod elementwise;
mod embedding;
mod gate;
mod head;
mod linear;
mod loss;
mod norm;
mod rotary;
mod value;

#[cfg(test)]
mod check;

pub use activation::Activation;
pub use attention::{AttentionShape, Segments};
pub use head::HeadLoss;
pub use linear::{LowRank, Weight};
pub use loss::{CrossEntropy, Loss, Reduction};
pub use rotary::RotaryTable;
pub use value::Tensor;

use crate::Pool;

/// A node's place on the tape.
type NodeId = usize;

/// Sends the gradient of an output to the gradients of its inputs.
type Backward = Box<dyn FnOnce(Tensor, &mut Grads) + Send>;

/// A value, with its place on the tape when a gradient may reach it.
#[derive(Debug, Clone)]
pub struct Var {
    value: Tensor,
    node: Option<NodeId>,
}

impl Var {
    /// A constant: no gradient reaches it.
    pub fn constant(value: Tensor) -> Self {
        Self { value, node: None }
    }

    /// The numbers.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Whether a gradient may reach it.
    pub fn needs_grad(&self) -> bool {
        self.node.is_some()
    }
}

/// Gradients by node, while `backward` runs and after it.
pub struct Grads<'p> {
    slots: Vec<Option<Tensor>>,
    pool: &'p Pool,
}

impl Grads<'_> {
    /// Takes the gradient of a leaf; nothing when none has reached it.
    pub fn take(&mut self, var: &Var) -> Option<Tensor> {
        self.slots.get_mut(var.node?)?.take()
    }

    /// Lets `f` write a gradient of a shape, or add to the one that is there (its last argument says which).
    fn accumulate(
        &mut self,
        node: Option<NodeId>,
        shape: Vec<usize>,
        f: impl FnOnce(&Pool, &mut [f32], bool),
    ) {
        let pool = self.pool;
        let Some(slot) = node.and_then(|id| self.slots.get_mut(id)) else { return };
        match slot {
            Some(sum) => f(pool, sum.data_mut(), true),
            None => {
                let mut grad = vec![0.0; shape.iter().product()];
                f(pool, &mut grad, false);
                *slot = Some(Tensor::new(shape, grad));
            }
        }
    }

    fn add(&mut self, node: Option<NodeId>, grad: Tensor) {
        let Some(slot) = node.and_then(|id| self.slots.get_mut(id)) else { return };
        match slot {
            None => *slot = Some(grad),
            Some(sum) => elementwise::add_in_place(self.pool, sum.data_mut(), grad.data()),
        }
    }
}

/// The record of one forward pass.
pub struct Tape<'p> {
    pool: &'p Pool,
    nodes: Vec<Option<Backward>>,
}

impl<'p> Tape<'p> {
    /// An empty tape.
    pub fn new(pool: &'p Pool) -> Self {
        Self { pool, nodes: Vec::new() }
    }

    /// The threads that its operations run on.
    pub fn pool(&self) -> &'p Pool {
        self.pool
    }

    /// A value whose gradient is wanted.
    pub fn leaf(&mut self, value: Tensor) -> Var {
        self.nodes.push(None);
        Var { value, node: Some(self.nodes.len() - 1) }
    }

    /// Gradients of a scalar with respect to every leaf that led to it. The tape is used up.
    ///
    /// # Panics
    /// When `of` is not a single number.
    pub fn backward(self, of: &Var) -> Grads<'p> {
        assert_eq!(of.value.len(), 1, "backward starts from one number");
        self.backward_from(of, Tensor::new(vec![1], vec![1.0]))
    }

    /// As [`Tape::backward`], from a given gradient of `of`.
    pub fn backward_from(mut self, of: &Var, grad: Tensor) -> Grads<'p> {
        let mut slots = Vec::new();
        slots.resize_with(self.nodes.len(), || None);
        let mut grads = Grads { slots, pool: self.pool };
        grads.add(of.node, grad);
        while let Some(node) = self.nodes.pop() {
            if let Some(backward) = node {
                let id = self.nodes.len();
                if let Some(grad) = grads.slots.get_mut(id).and_then(Option::take) {
                    backward(grad, &mut grads);
                }
            }
        }
        grads
    }

    /// Records an output of some inputs; a constant when no input needs a gradient.
    fn record(
        &mut self,
        value: Tensor,
        inputs: &[Option<NodeId>],
        backward: impl FnOnce(Tensor, &mut Grads) + Send + 'static,
    ) -> Var {
        if inputs.iter().all(Option::is_none) {
            return Var::constant(value);
        }
        self.nodes.push(Some(Box::new(backward)));
        Var { value, node: Some(self.nodes.len() - 1) }
    }
}

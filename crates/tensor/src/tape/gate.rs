//! The gated unit silu(gate) · up of Llama's MLP (Shazeer 2020) as one operation.

use super::elementwise::{GRAIN, zip_pieces};
use super::{Tape, Tensor, Var};
use crate::kernels;

impl Tape<'_> {
    /// silu(gate) · up, of one shape.
    pub fn silu_gate(&mut self, gate: &Var, up: &Var) -> Var {
        let mut y = gate.value.clone();
        zip_pieces(self.pool, y.data_mut(), up.value.data(), kernels::silu_times);
        let (g_node, u_node, gate, up) = (gate.node, up.node, gate.value.clone(), up.value.clone());
        self.record(y, &[g_node, u_node], move |mut dy, grads| {
            let mut du = vec![0.0; dy.len()];
            let inputs: Vec<_> = gate.data().chunks(GRAIN).zip(up.data().chunks(GRAIN)).collect();
            let outputs = dy.data_mut().chunks_mut(GRAIN).zip(du.chunks_mut(GRAIN));
            let outputs: Vec<_> = outputs.map(std::sync::Mutex::new).collect();
            grads.pool.run(inputs.len(), |i| {
                if let (Some((gate, up)), Some(Ok(mut out))) =
                    (inputs.get(i), outputs.get(i).map(|o| o.lock()))
                {
                    let (d, du) = &mut *out;
                    kernels::silu_times_back(gate, up, d, du);
                }
            });
            drop(outputs);
            grads.add(u_node, Tensor::new(dy.shape().to_vec(), du));
            grads.add(g_node, dy);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};

    #[test]
    fn gradients_of_the_gate() {
        gradients(&[random(&[2, 6], 3), random(&[2, 6], 4)], |tape, v| tape.silu_gate(&v[0], &v[1]));
    }
}

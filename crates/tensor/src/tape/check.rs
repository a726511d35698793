//! Gradients against central differences, for the operations' tests.

use super::{Tape, Tensor, Var};
use crate::Pool;

/// Numbers around zero from a small generator (PCG's multiplier), the same each time.
pub(super) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let numbers = (0..shape.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 24) as f32) * 2.0 - 1.0
        })
        .collect();
    Tensor::new(shape.to_vec(), numbers)
}

/// Holds the gradient of a fixed weighted sum of the operation's output with respect to every number of every leaf
/// against a central difference.
pub(super) fn gradients(leaves: &[Tensor], op: impl Fn(&mut Tape, &[Var]) -> Var) {
    let pool = Pool::new(2);
    let weights = |n: usize| random(&[n], 77);
    let value = |leaves: &[Tensor]| {
        let mut tape = Tape::new(&pool);
        let vars: Vec<Var> = leaves.iter().map(|t| tape.leaf(t.clone())).collect();
        let y = op(&mut tape, &vars);
        let w = weights(y.value().len());
        y.value().data().iter().zip(w.data()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let mut tape = Tape::new(&pool);
    let vars: Vec<Var> = leaves.iter().map(|t| tape.leaf(t.clone())).collect();
    let y = op(&mut tape, &vars);
    let seed = Tensor::new(y.value().shape().to_vec(), weights(y.value().len()).into_vec());
    let mut grads = tape.backward_from(&y, seed);
    for (i, leaf) in leaves.iter().enumerate() {
        let got = grads.take(&vars[i]).unwrap_or_else(|| panic!("no gradient reached leaf {i}"));
        assert_eq!(got.shape(), leaf.shape());
        for j in 0..leaf.len() {
            let moved = |by: f32| {
                let mut all = leaves.to_vec();
                all[i].data_mut()[j] += by;
                value(&all)
            };
            let h = 1e-2;
            let want = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
            let error = (f64::from(got.data()[j]) - want).abs();
            assert!(error < 5e-3 * (1.0 + want.abs()), "leaf {i}[{j}]: {} but {want}", got.data()[j]);
        }
    }
}

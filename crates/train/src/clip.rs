//! Gradient clipping by the global norm (Pascanu et al. 2013), as PyTorch computes it.

use lyceum_tensor::tape::Tensor;

/// Multiplies all gradients by min(1, max_norm / (norm + 1e-6)) and gives the norm before. A `max_norm` of 0 or
/// below clips nothing.
pub fn clip_global_norm(grads: &mut [Option<Tensor>], max_norm: f32) -> f32 {
    let square: f64 =
        grads.iter().flatten().flat_map(|g| g.data()).map(|x| f64::from(*x) * f64::from(*x)).sum();
    let norm = square.sqrt() as f32;
    let by = max_norm / (norm + 1e-6);
    if max_norm > 0.0 && by < 1.0 {
        for g in grads.iter_mut().flatten() {
            g.data_mut().iter_mut().for_each(|x| *x *= by);
        }
    }
    norm
}

//! Normalisation of each row: RMSNorm (Zhang & Sennrich 2019), y = w x / √(mean x² + ε), and layer norm
//! (Ba et al. 2016), y = w (x - mean) / √(var + ε) + b; and division by the row's length, y = x / ‖x‖.

use super::{Tape, Tensor, Var};
use crate::kernels;
use std::sync::Mutex;

/// Rows of a task. Gradients of weights are summed within tasks first, so the sum does not depend on the threads.
const ROWS: usize = 128;

impl Tape<'_> {
    /// RMSNorm of each row with the weights `w`. Where `w` is shorter than a row, rows are cut into pieces of its length
    /// (heads), each normed by itself.
    pub fn rms_norm(&mut self, x: &Var, w: &Var, eps: f32) -> Var {
        let cols = w.value.len();
        let mut y = vec![0.0; x.value.len()];
        let mut scales = vec![0.0; x.value.len() / cols.max(1)];
        let parts =
            y.chunks_mut(ROWS * cols).zip(scales.chunks_mut(ROWS)).zip(x.value.data().chunks(ROWS * cols));
        let parts: Vec<_> = parts.map(Mutex::new).collect();
        self.pool.run(parts.len(), |i| {
            let Some(Ok(mut part)) = parts.get(i).map(|p| p.lock()) else { return };
            let ((y, scales), x) = &mut *part;
            for ((y, x), scale) in y.chunks_mut(cols).zip(x.chunks(cols)).zip(scales.iter_mut()) {
                *scale = kernels::rms_norm(x, w.value.data(), eps, y);
            }
        });
        drop(parts);
        let y = Tensor::new(x.value.shape().to_vec(), y);
        let (x_node, w_node, x, w) = (x.node, w.node, x.value.clone(), w.value.clone());
        self.record(y, &[x_node, w_node], move |mut dy, grads| {
            let mut dws = vec![0.0; scales.len().div_ceil(ROWS) * cols];
            let parts = dy.data_mut().chunks_mut(ROWS * cols).zip(dws.chunks_mut(cols));
            let parts = parts.zip(x.data().chunks(ROWS * cols).zip(scales.chunks(ROWS)));
            let parts: Vec<_> = parts.map(Mutex::new).collect();
            grads.pool.run(parts.len(), |i| {
                let Some(Ok(mut part)) = parts.get(i).map(|p| p.lock()) else { return };
                let ((dy, dw), (x, scales)) = &mut *part;
                for ((dy, x), scale) in dy.chunks_mut(cols).zip(x.chunks(cols)).zip(scales.iter()) {
                    kernels::rms_norm_back(x, w.data(), *scale, dy, dw);
                }
            });
            drop(parts);
            if w_node.is_some() {
                let mut dw = vec![0.0; cols];
                dws.chunks(cols).for_each(|part| kernels::add(&mut dw, part));
                grads.add(w_node, Tensor::new(vec![cols], dw));
            }
            grads.add(x_node, dy);
        })
    }

    /// Layer norm of each row with weights and biases as long as a row.
    pub fn layer_norm(&mut self, x: &Var, w: &Var, b: &Var, eps: f32) -> Var {
        let cols = w.value.len();
        let mut hat = x.value.clone();
        let scales: Vec<f32> = hat.data_mut().chunks_mut(cols).map(|row| standardise(row, eps)).collect();
        let mut y = hat.clone();
        for row in y.data_mut().chunks_mut(cols) {
            row.iter_mut()
                .zip(w.value.data().iter().zip(b.value.data()))
                .for_each(|(x, (w, b))| *x = *x * w + b);
        }
        let (x_node, w_node, b_node, w) = (x.node, w.node, b.node, w.value.clone());
        self.record(y, &[x_node, w_node, b_node], move |mut dy, grads| {
            let (mut dw, mut db) = (vec![0.0; cols], vec![0.0; cols]);
            for ((dy, h), scale) in dy.data_mut().chunks_mut(cols).zip(hat.data().chunks(cols)).zip(&scales) {
                let (mut sum, mut dot) = (0.0, 0.0);
                for (((g, h), w), (dw, db)) in
                    dy.iter_mut().zip(h).zip(w.data()).zip(dw.iter_mut().zip(db.iter_mut()))
                {
                    *dw += *g * h;
                    *db += *g;
                    *g *= w;
                    sum += *g;
                    dot += *g * h;
                }
                let (sum, dot) = (sum / cols as f32, dot / cols as f32);
                dy.iter_mut().zip(h).for_each(|(g, h)| *g = scale * (*g - sum - h * dot));
            }
            grads.add(w_node, Tensor::new(vec![cols], dw));
            grads.add(b_node, Tensor::new(vec![cols], db));
            grads.add(x_node, dy);
        })
    }
}

impl Tape<'_> {
    /// Each row divided by its Euclidean length; one shorter than 1e-12 by that.
    pub fn normalize_rows(&mut self, x: &Var) -> Var {
        let cols = x.value.cols().max(1);
        let mut y = x.value.clone();
        let lengths: Vec<f32> = y
            .data_mut()
            .chunks_mut(cols)
            .map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
                row.iter_mut().for_each(|x| *x /= length);
                length
            })
            .collect();
        let (node, hat) = (x.node, y.clone());
        self.record(y, &[node], move |mut dy, grads| {
            for ((dy, h), length) in dy.data_mut().chunks_mut(cols).zip(hat.data().chunks(cols)).zip(&lengths)
            {
                let dot: f32 = dy.iter().zip(h).map(|(g, h)| g * h).sum();
                dy.iter_mut().zip(h).for_each(|(g, h)| *g = (*g - h * dot) / length);
            }
            grads.add(node, dy);
        })
    }
}

/// Centres a row and divides it by its deviation; returns 1 / deviation.
fn standardise(row: &mut [f32], eps: f32) -> f32 {
    let n = row.len() as f32;
    let mean = row.iter().sum::<f32>() / n;
    let var = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
    let scale = 1.0 / (var + eps).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    scale
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};

    #[test]
    fn gradients_of_all() {
        let leaves = [random(&[3, 6], 1), random(&[6], 2), random(&[6], 3)];
        gradients(&leaves[..2], |tape, v| tape.rms_norm(&v[0], &v[1], 1e-5));
        // Rows cut into heads, each normed by itself.
        gradients(&[random(&[3, 6], 1), random(&[2], 2)], |tape, v| tape.rms_norm(&v[0], &v[1], 1e-5));
        gradients(&leaves, |tape, v| tape.layer_norm(&v[0], &v[1], &v[2], 1e-5));
        gradients(&leaves[..1], |tape, v| tape.normalize_rows(&v[0]));
    }
}

//! Normalisation of each row: RMSNorm (Zhang & Sennrich 2019), y = w x / √(mean x² + ε), and layer norm
//! (Ba et al. 2016), y = w (x - mean) / √(var + ε) + b.

use super::{Tape, Tensor, Var};

impl Tape<'_> {
    /// RMSNorm of each row with the weights `w` (as long as a row).
    pub fn rms_norm(&mut self, x: &Var, w: &Var, eps: f32) -> Var {
        let cols = w.value.len();
        let mut y = x.value.clone();
        let scales: Vec<f32> = y
            .data_mut()
            .chunks_mut(cols)
            .map(|row| {
                let scale = 1.0 / (row.iter().map(|x| x * x).sum::<f32>() / cols as f32 + eps).sqrt();
                row.iter_mut().zip(w.value.data()).for_each(|(x, w)| *x *= scale * w);
                scale
            })
            .collect();
        let (x_node, w_node, x, w) = (x.node, w.node, x.value.clone(), w.value.clone());
        self.record(y, &[x_node, w_node], move |mut dy, grads| {
            let mut dw = vec![0.0; cols];
            let rows = dy.data_mut().chunks_mut(cols).zip(x.data().chunks(cols)).zip(&scales);
            for ((dy, x), scale) in rows {
                // With h = x·scale: dx = scale (g - h mean(g h)), g = dy·w; dw = dy·h.
                let mut dot = 0.0;
                for ((dy, x), (w, dw)) in dy.iter_mut().zip(x).zip(w.data().iter().zip(&mut dw)) {
                    *dw += *dy * x * scale;
                    *dy *= w;
                    dot += *dy * x;
                }
                let pull = dot * scale * scale / cols as f32;
                dy.iter_mut().zip(x).for_each(|(g, x)| *g = scale * (*g - x * pull));
            }
            grads.add(w_node, Tensor::new(vec![cols], dw));
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
    fn gradients_of_both() {
        let leaves = [random(&[3, 6], 1), random(&[6], 2), random(&[6], 3)];
        gradients(&leaves[..2], |tape, v| tape.rms_norm(&v[0], &v[1], 1e-5));
        gradients(&leaves, |tape, v| tape.layer_norm(&v[0], &v[1], &v[2], 1e-5));
    }
}

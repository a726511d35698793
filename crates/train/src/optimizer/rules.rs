//! The update rules: m and v are the optimiser's memory, w the weights, g the gradient.

use super::Optimizer;

type Memory = [Vec<f32>];

/// Walks weights, gradient and the first two memories (the second may be absent) together.
fn each(w: &mut [f32], g: &[f32], memory: &mut Memory, mut f: impl FnMut(&mut f32, f32, &mut f32, &mut f32)) {
    match memory {
        [m, v, ..] => {
            for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                f(w, *g, m, v);
            }
        }
        [m] => {
            let mut none = 0.0;
            for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
                f(w, *g, m, &mut none);
            }
        }
        [] => {}
    }
}

impl Optimizer {
    fn moments(&self, g: f32, m: &mut f32, v: &mut f32) {
        *m = self.beta1 * *m + (1.0 - self.beta1) * g;
        *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
    }

    /// (1 - β1^t, 1 - β2^t), in f64: near 1 the powers of f32 are too coarse.
    fn corrections(&self, t: f32) -> (f32, f32) {
        let of = |beta: f32| (1.0 - f64::from(beta).powf(f64::from(t))) as f32;
        (of(self.beta1), of(self.beta2))
    }

    pub(super) fn sgd(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32, fresh: bool) {
        each(w, g, memory, |w, g, m, _| {
            if self.momentum == 0.0 {
                *w -= lr * g;
                return;
            }
            *m = if fresh { g } else { self.momentum * *m + (1.0 - self.dampening) * g };
            *w -= lr * if self.nesterov { g + self.momentum * *m } else { *m };
        });
    }

    pub(super) fn adam(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32, t: f32) {
        let (c1, c2) = self.corrections(t);
        let (by, root) = (lr / c1, c2.sqrt());
        each(w, g, memory, |w, g, m, v| {
            self.moments(g, m, v);
            *w -= by * *m / (v.sqrt() / root + self.eps);
        });
    }

    pub(super) fn adamax(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32, t: f32) {
        let (c1, _) = self.corrections(t);
        each(w, g, memory, |w, g, m, u| {
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *u = (self.beta2 * *u).max(g.abs() + self.eps);
            *w -= lr / c1 * *m / *u;
        });
    }

    pub(super) fn nadam(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32, t: f32) {
        // μ_t = β1 (1 - 0.5 · 0.96^(0.004 t)); the products of all μ so far correct the bias.
        let mu = |t: f64| f64::from(self.beta1) * (1.0 - 0.5 * 0.96f64.powf(t * 0.004));
        let t = f64::from(t);
        let product: f64 = (1..=t as u64).map(|i| mu(i as f64)).product();
        let (now, next) = (mu(t), mu(t + 1.0));
        let by_g = (f64::from(lr) * (1.0 - now) / (1.0 - product)) as f32;
        let by_m = (f64::from(lr) * next / (1.0 - product * next)) as f32;
        let (_, c2) = self.corrections(t as f32);
        each(w, g, memory, |w, g, m, v| {
            self.moments(g, m, v);
            let root = (*v / c2).sqrt() + self.eps;
            *w -= (by_g * g + by_m * *m) / root;
        });
    }

    pub(super) fn radam(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32, t: f32) {
        let (c1, c2) = self.corrections(t);
        let (beta2, t) = (f64::from(self.beta2), f64::from(t));
        let limit = 2.0 / (1.0 - beta2) - 1.0;
        let length = limit - 2.0 * t * beta2.powf(t) / (1.0 - beta2.powf(t));
        let rectified = (length > 5.0).then(|| {
            let up = (length - 4.0) * (length - 2.0) * limit;
            (up / ((limit - 4.0) * (limit - 2.0) * length)).sqrt() as f32 * c2.sqrt()
        });
        each(w, g, memory, |w, g, m, v| {
            self.moments(g, m, v);
            let adapt = rectified.map_or(1.0, |r| r / (v.sqrt() + self.eps));
            *w -= lr * *m / c1 * adapt;
        });
    }

    pub(super) fn adagrad(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32) {
        each(w, g, memory, |w, g, sum, _| {
            *sum += g * g;
            *w -= lr * g / (sum.sqrt() + self.eps);
        });
    }

    pub(super) fn adadelta(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32) {
        each(w, g, memory, |w, g, square, delta| {
            *square = self.beta2 * *square + (1.0 - self.beta2) * g * g;
            let d = (*delta + self.eps).sqrt() / (*square + self.eps).sqrt() * g;
            *delta = self.beta2 * *delta + (1.0 - self.beta2) * d * d;
            *w -= lr * d;
        });
    }

    pub(super) fn rmsprop(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32) {
        each(w, g, memory, |w, g, square, buffer| {
            *square = self.beta2 * *square + (1.0 - self.beta2) * g * g;
            *buffer = self.momentum * *buffer + g / (square.sqrt() + self.eps);
            *w -= lr * *buffer;
        });
    }

    pub(super) fn lion(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32) {
        each(w, g, memory, |w, g, m, _| {
            let direction = self.beta1 * *m + (1.0 - self.beta1) * g;
            *w -= lr * if direction == 0.0 { 0.0 } else { direction.signum() };
            *m = self.beta2 * *m + (1.0 - self.beta2) * g;
        });
    }

    pub(super) fn lamb(&self, w: &mut [f32], g: &[f32], memory: &mut Memory, lr: f32, t: f32, decay: f32) {
        let (c1, c2) = self.corrections(t);
        let mut update = Vec::with_capacity(w.len());
        each(w, g, memory, |w, g, m, v| {
            self.moments(g, m, v);
            update.push(*m / c1 / ((*v / c2).sqrt() + self.eps) + decay * *w);
        });
        let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
        let (size, step) = (norm(w), norm(&update));
        let trust = if size > 0.0 && step > 0.0 { size / step } else { 1.0 };
        w.iter_mut().zip(&update).for_each(|(w, u)| *w -= lr * trust * u);
    }
}

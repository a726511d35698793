//! Distances of distributions: a softmax from given probabilities, a diagonal Gaussian from the standard one.

use super::classes::log_sum_exp;
use super::of;
use crate::tape::{Tape, Var};

impl Tape<'_> {
    /// KL(t ‖ softmax(z)): Σ t (ln t - ln softmax(z)), summed over all, divided by the rows. `probabilities` has the
    /// shape of the logits, numbers from 0.
    ///
    /// # Panics
    /// When lengths differ: a defect of the caller.
    pub fn kl_divergence(&mut self, logits: &Var, probabilities: &[f32]) -> Var {
        assert_eq!(logits.value.len(), probabilities.len(), "a probability for each logit");
        let (cols, rows) = (logits.value.cols().max(1), logits.value.rows().max(1) as f32);
        let mut gradient = logits.value.data().to_vec();
        let mut sum = 0.0f64;
        for (z, t) in gradient.chunks_exact_mut(cols).zip(probabilities.chunks_exact(cols)) {
            let log_sum = log_sum_exp(z);
            let mass: f32 = t.iter().sum();
            for (z, t) in z.iter_mut().zip(t) {
                let log_p = *z - log_sum;
                if *t > 0.0 {
                    sum += f64::from(t * (t.ln() - log_p));
                }
                *z = (mass * log_p.exp() - t) / rows;
            }
        }
        self.fused(sum / f64::from(rows), vec![of(logits, gradient)])
    }

    /// KL(N(mu, e^logvar) ‖ N(0, 1)) of a variational encoder (Kingma & Welling 2014): -½ Σ (1 + logvar - mu² -
    /// e^logvar) over the columns, mean over the rows.
    pub fn gaussian_kl(&mut self, mu: &Var, logvar: &Var) -> Var {
        assert_eq!(mu.value.shape(), logvar.value.shape(), "mu and logvar of one shape");
        let rows = mu.value.rows().max(1) as f32;
        let (mut d_mu, mut d_logvar) = (mu.value.data().to_vec(), logvar.value.data().to_vec());
        let mut sum = 0.0f64;
        for (m, v) in d_mu.iter_mut().zip(&mut d_logvar) {
            let variance = v.exp();
            sum += 0.5 * f64::from(*m * *m + variance - 1.0 - *v);
            *m /= rows;
            *v = 0.5 * (variance - 1.0) / rows;
        }
        self.fused(sum / f64::from(rows), vec![of(mu, d_mu), of(logvar, d_logvar)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{gradients, random};

    #[test]
    fn gradients_of_both() {
        let t = [0.5, 0.2, 0.3, 0.0, 0.9, 0.1];
        gradients(&[random(&[2, 3], 1)], |tape, v| tape.kl_divergence(&v[0], &t));
        gradients(&[random(&[4, 3], 2), random(&[4, 3], 5)], |tape, v| tape.gaussian_kl(&v[0], &v[1]));
    }
}

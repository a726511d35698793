//! InfoNCE (van den Oord et al. 2018): each row of one matrix shall find its partner among the rows of another.

use super::CrossEntropy;
use crate::tape::{Tape, Var, Weight};

impl Tape<'_> {
    /// Cross-entropy of cos(aᵢ, bⱼ) / temperature over j, with j = i the true class; mean over the rows of `a`.
    /// Both are `[rows, width]`.
    pub fn info_nce(&mut self, a: &Var, b: &Var, temperature: f32) -> Var {
        assert_eq!(a.value.shape(), b.value.shape(), "pairs of rows of one shape");
        let (a, b) = (self.normalize_rows(a), self.normalize_rows(b));
        let cosines = self.linear(&a, &Weight::Dense(b), None);
        let logits = self.scale(&cosines, 1.0 / temperature);
        let own: Vec<Option<u32>> = (0..a.value.rows() as u32).map(Some).collect();
        self.cross_entropy(&CrossEntropy::default(), &logits, &own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{gradients, random};

    #[test]
    fn gradients_of_both_sides() {
        gradients(&[random(&[3, 4], 1), random(&[3, 4], 2)], |tape, v| tape.info_nce(&v[0], &v[1], 0.5));
    }
}

//! Rotary position embedding (Su et al. 2021), split halves: (x1 cos - x2 sin, x2 cos + x1 sin).

use super::{Tape, Tensor, Var};
use std::sync::Arc;

/// Cosines and sines by position, `[positions, half]` each.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    half: usize,
    cos: Arc<Vec<f32>>,
    sin: Arc<Vec<f32>>,
}

impl RotaryTable {
    /// A table for positions `0..positions` from inverse frequencies; both parts are multiplied by `factor`.
    pub fn new(inv_freq: &[f32], factor: f32, positions: usize) -> Self {
        let angles = (0..positions).flat_map(|p| inv_freq.iter().map(move |f| p as f64 * f64::from(*f)));
        let (cos, sin) = angles.map(|a| (a.cos() as f32 * factor, a.sin() as f32 * factor)).unzip();
        Self { half: inv_freq.len(), cos: Arc::new(cos), sin: Arc::new(sin) }
    }

    /// Rotates the first `2·half` numbers of each head of one row, forwards or (with -1) backwards.
    fn rotate(&self, row: &mut [f32], head_dim: usize, position: u32, direction: f32) {
        let at = position as usize * self.half;
        let (Some(cos), Some(sin)) = (self.cos.get(at..at + self.half), self.sin.get(at..at + self.half))
        else {
            return;
        };
        for head in row.chunks_mut(head_dim) {
            let (first, second) = head.split_at_mut(self.half);
            for ((a, b), (c, s)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
                let s = s * direction;
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

impl Tape<'_> {
    /// Rotates every head of every row by its row's position. `x` is `[rows, heads · head_dim]`; positions must be
    /// within the table.
    ///
    /// # Panics
    /// When there are not as many positions as rows, or one is past the table's end: a defect of the caller.
    pub fn rotary(
        &mut self,
        x: &Var,
        head_dim: usize,
        positions: &Arc<Vec<u32>>,
        table: &RotaryTable,
    ) -> Var {
        let end = table.cos.len() / table.half.max(1);
        let fits = positions.len() == x.value.rows() && positions.iter().all(|p| (*p as usize) < end);
        assert!(fits, "rotary: positions do not fit the rows or the table");
        let table = table.clone();
        let positions = positions.clone();
        let turn = move |mut t: Tensor, direction: f32| {
            let cols = t.cols();
            for (row, p) in t.data_mut().chunks_mut(cols).zip(positions.iter()) {
                table.rotate(row, head_dim, *p, direction);
            }
            t
        };
        let node = x.node;
        let y = turn(x.value.clone(), 1.0);
        self.record(y, &[node], move |dy, grads| grads.add(node, turn(dy, -1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_of_a_partial_rotation() {
        let table = RotaryTable::new(&[1.0, 0.1], 1.3, 9);
        let positions = Arc::new(vec![0, 3, 8]);
        gradients(&[random(&[3, 12], 1)], |tape, v| tape.rotary(&v[0], 6, &positions, &table));
    }
}

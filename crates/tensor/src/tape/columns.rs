//! One vector for all rows: y = x ⊙ v and y = x + v, `v` as long as a row.

use super::{Tape, Tensor, Var};

impl Tape<'_> {
    /// Each column of `x` times its number in `v`.
    pub fn scale_columns(&mut self, x: &Var, v: &Var) -> Var {
        let cols = v.value.len().max(1);
        let mut y = x.value.clone();
        y.data_mut().chunks_exact_mut(cols).for_each(|row| times(row, v.value.data()));
        let (x_node, v_node, v) = (x.node, v.node, v.value.clone());
        // x is kept only where the vector's gradient wants it.
        let kept = v_node.map(|_| x.value.clone());
        self.record(y, &[x_node, v_node], move |mut dy, grads| {
            if let Some(x) = kept {
                let mut dv = vec![0.0; cols];
                for (dy, x) in dy.data().chunks_exact(cols).zip(x.data().chunks_exact(cols)) {
                    dv.iter_mut().zip(dy.iter().zip(x)).for_each(|(d, (dy, x))| *d += dy * x);
                }
                grads.add(v_node, Tensor::new(v.shape().to_vec(), dv));
            }
            if x_node.is_some() {
                dy.data_mut().chunks_exact_mut(cols).for_each(|row| times(row, v.data()));
                grads.add(x_node, dy);
            }
        })
    }

    /// Each column of `x` plus its number in `v`.
    pub fn add_columns(&mut self, x: &Var, v: &Var) -> Var {
        let cols = v.value.len().max(1);
        let mut y = x.value.clone();
        for row in y.data_mut().chunks_exact_mut(cols) {
            row.iter_mut().zip(v.value.data()).for_each(|(y, v)| *y += v);
        }
        let (x_node, v_node, shape) = (x.node, v.node, v.value.shape().to_vec());
        self.record(y, &[x_node, v_node], move |dy, grads| {
            if v_node.is_some() {
                let mut dv = vec![0.0; cols];
                for row in dy.data().chunks_exact(cols) {
                    dv.iter_mut().zip(row).for_each(|(d, dy)| *d += dy);
                }
                grads.add(v_node, Tensor::new(shape, dv));
            }
            grads.add(x_node, dy);
        })
    }
}

fn times(row: &mut [f32], v: &[f32]) {
    row.iter_mut().zip(v).for_each(|(y, v)| *y *= v);
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};

    #[test]
    fn gradients_of_both() {
        let leaves = [random(&[3, 5], 1), random(&[5], 2)];
        gradients(&leaves, |tape, v| tape.scale_columns(&v[0], &v[1]));
        gradients(&leaves, |tape, v| tape.add_columns(&v[0], &v[1]));
    }
}

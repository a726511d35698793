//! Rows of a table by index, and their gradient scattered back.
#![allow(clippy::indexing_slicing, reason = "shapes are checked where an operation begins")]

use super::{Tape, Tensor, Var, Weight};

impl Tape<'_> {
    /// Row `ids[i]` of the table `[vocabulary, width]` for each i.
    ///
    /// # Panics
    /// When an id is past the table's end: callers check ids where they come in.
    pub fn embedding(&mut self, ids: &[u32], table: &Weight) -> Var {
        let width = table.inputs();
        let mut out = vec![0.0; ids.len() * width];
        for (row, id) in out.chunks_mut(width.max(1)).zip(ids) {
            let id = *id as usize;
            match table {
                Weight::Frozen(m) => m.dequantize_rows(id..id + 1, row),
                Weight::Dense(w) => row.copy_from_slice(&w.value.data()[id * width..(id + 1) * width]),
            }
        }
        let (node, rows) = (table.node(), table.outputs());
        let ids = node.map(|_| ids.to_vec()).unwrap_or_default();
        self.record(Tensor::new(vec![out.len() / width.max(1), width], out), &[node], move |dy, grads| {
            let mut dw = vec![0.0; rows * width];
            for (id, g) in ids.iter().zip(dy.data().chunks(width)) {
                let at = *id as usize * width;
                dw[at..at + width].iter_mut().zip(g).for_each(|(w, g)| *w += g);
            }
            grads.add(node, Tensor::new(vec![rows, width], dw));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_of_repeated_rows() {
        gradients(&[random(&[4, 3], 1)], |tape, v| tape.embedding(&[2, 0, 2], &Weight::Dense(v[0].clone())));
    }
}

//! Element by element: sums, products, scaling, dropout, the mean.

use super::{Tape, Tensor, Var};
use crate::Pool;

/// Numbers below which one thread is quicker than two.
pub(super) const GRAIN: usize = 16 * 1024;

/// Calls `f` on equal pieces of two slices of one length, in parallel.
pub(super) fn zip_pieces(pool: &Pool, out: &mut [f32], other: &[f32], f: impl Fn(&mut [f32], &[f32]) + Sync) {
    let step = out.len().div_ceil(pool.threads()).max(GRAIN);
    let pieces: Vec<_> =
        out.chunks_mut(step).zip(other.chunks(step)).map(|(o, x)| (std::sync::Mutex::new(o), x)).collect();
    pool.run(pieces.len(), |i| {
        if let Some((out, other)) = pieces.get(i)
            && let Ok(mut out) = out.lock()
        {
            f(&mut out, other);
        }
    });
}

/// `a += b`.
pub(super) fn add_in_place(pool: &Pool, a: &mut [f32], b: &[f32]) {
    zip_pieces(pool, a, b, crate::kernels::add);
}

impl Tape<'_> {
    /// a + b, of one shape.
    pub fn add(&mut self, a: &Var, b: &Var) -> Var {
        let mut sum = a.value.clone();
        add_in_place(self.pool, sum.data_mut(), b.value.data());
        let (a, b) = (a.node, b.node);
        self.record(sum, &[a, b], move |dy, grads| {
            grads.add(a, dy.clone());
            grads.add(b, dy);
        })
    }

    /// a · b element by element, of one shape.
    pub fn mul(&mut self, a: &Var, b: &Var) -> Var {
        let times = |pool: &Pool, mut x: Tensor, y: &Tensor| {
            zip_pieces(pool, x.data_mut(), y.data(), |x, y| x.iter_mut().zip(y).for_each(|(x, y)| *x *= y));
            x
        };
        let product = times(self.pool, a.value.clone(), &b.value);
        let (a_node, b_node, a, b) = (a.node, b.node, a.value.clone(), b.value.clone());
        self.record(product, &[a_node, b_node], move |dy, grads| {
            if a_node.is_some() {
                let da = times(grads.pool, dy.clone(), &b);
                grads.add(a_node, da);
            }
            if b_node.is_some() {
                let db = times(grads.pool, dy, &a);
                grads.add(b_node, db);
            }
        })
    }

    /// c · x.
    pub fn scale(&mut self, x: &Var, c: f32) -> Var {
        let times = move |mut t: Tensor| {
            t.data_mut().iter_mut().for_each(|v| *v *= c);
            t
        };
        let node = x.node;
        self.record(times(x.value.clone()), &[node], move |dy, grads| grads.add(node, times(dy)))
    }

    /// Zeroes each number with probability `p` and divides the others by 1 - p (Srivastava et al. 2014). The mask
    /// depends on `seed` and the place only. `p` is in [0, 1); 0 changes nothing.
    pub fn dropout(&mut self, x: &Var, p: f32, seed: u64) -> Var {
        if p <= 0.0 {
            return x.clone();
        }
        let apply = move |mut t: Tensor| {
            let keep = 1.0 / (1.0 - p);
            t.data_mut()
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v *= if uniform(seed, i) < p { 0.0 } else { keep });
            t
        };
        let node = x.node;
        self.record(apply(x.value.clone()), &[node], move |dy, grads| grads.add(node, apply(dy)))
    }

    /// The mean of all numbers.
    pub fn mean(&mut self, x: &Var) -> Var {
        let n = x.value.len().max(1);
        let sum: f64 = x.value.data().iter().map(|v| f64::from(*v)).sum();
        let (node, shape) = (x.node, x.value.shape().to_vec());
        self.record(Tensor::new(vec![1], vec![(sum / n as f64) as f32]), &[node], move |dy, grads| {
            let each = dy.data().first().copied().unwrap_or(0.0) / n as f32;
            let len = shape.iter().product();
            grads.add(node, Tensor::new(shape, vec![each; len]));
        })
    }
}

/// A number in [0, 1) for a place: splitmix64 (Steele et al. 2014) of seed and index.
fn uniform(seed: u64, index: usize) -> f32 {
    let mut z = seed.wrapping_add((index as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::super::check::{gradients, random};

    #[test]
    fn gradients_of_sum_product_scale_mean_and_dropout() {
        let leaves = [random(&[3, 5], 1), random(&[3, 5], 2)];
        gradients(&leaves, |tape, v| {
            let p = tape.mul(&v[0], &v[1]);
            let s = tape.add(&p, &v[0]);
            let d = tape.dropout(&s, 0.3, 5);
            tape.scale(&d, -1.5)
        });
        gradients(&leaves[..1], |tape, v| tape.mean(&v[0]));
    }
}

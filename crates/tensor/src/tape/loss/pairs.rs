//! Losses of pairs and triples of vectors, a row each: what belongs together shall be near, what does not, far.

use super::of;
use crate::tape::{Tape, Var};

/// Added to each difference of the triplet loss, so that its distance has a slope everywhere (PyTorch's).
const SHIFT: f32 = 1e-6;
/// Added to squared norms of the cosine (PyTorch's).
const LEAST: f32 = 1e-12;

/// The rows of two matrices of one shape, in pairs.
fn pairs<'a>(a: &'a Var, b: &'a Var) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
    assert_eq!(a.value.shape(), b.value.shape(), "pairs of rows of one shape");
    let cols = a.value.cols().max(1);
    a.value.data().chunks_exact(cols).zip(b.value.data().chunks_exact(cols))
}

fn distance(a: &[f32], b: &[f32], shift: f32) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b + shift).powi(2)).sum::<f32>().sqrt()
}

/// Adds `by` times the slope of the distance by `a` to a row's gradient; at distance 0 it has none.
fn pull(gradient: &mut [f32], (a, b): (&[f32], &[f32]), shift: f32, d: f32, by: f32) {
    if d > 0.0 {
        gradient.iter_mut().zip(a.iter().zip(b)).for_each(|(g, (a, b))| *g += by * (a - b + shift) / d);
    }
}

impl Tape<'_> {
    /// max(0, ‖a - p‖ - ‖a - n‖ + margin), mean over the rows of anchor, positive and negative (Schroff et al. 2015).
    pub fn triplet(&mut self, anchor: &Var, positive: &Var, negative: &Var, margin: f32) -> Var {
        let (cols, rows) = (anchor.value.cols().max(1), anchor.value.rows().max(1) as f32);
        let mut gradients = [(); 3].map(|()| vec![0.0; anchor.value.len()]);
        let [da, dp, dn] = &mut gradients;
        let slots = da.chunks_exact_mut(cols).zip(dp.chunks_exact_mut(cols)).zip(dn.chunks_exact_mut(cols));
        let near = pairs(anchor, positive);
        let mut sum = 0.0f64;
        for ((((da, dp), dn), (a, p)), (_, n)) in slots.zip(near).zip(pairs(anchor, negative)) {
            let (to_p, to_n) = (distance(a, p, SHIFT), distance(a, n, SHIFT));
            let loss = to_p - to_n + margin;
            if loss > 0.0 {
                sum += f64::from(loss);
                let by = 1.0 / rows;
                pull(da, (a, p), SHIFT, to_p, by);
                pull(dp, (a, p), SHIFT, to_p, -by);
                pull(da, (a, n), SHIFT, to_n, -by);
                pull(dn, (a, n), SHIFT, to_n, by);
            }
        }
        let [da, dp, dn] = gradients;
        self.fused(sum / f64::from(rows), vec![of(anchor, da), of(positive, dp), of(negative, dn)])
    }

    /// d² for pairs that are alike, max(0, margin - d)² for the others, d = ‖a - b‖; half the mean over the rows
    /// (Hadsell et al. 2006).
    pub fn contrastive(&mut self, a: &Var, b: &Var, alike: &[bool], margin: f32) -> Var {
        self.pair_loss(a, b, alike, |(a, b), alike, by, da, db| {
            let d = distance(a, b, 0.0);
            let (loss, slope) = if alike {
                (0.5 * d * d, d)
            } else {
                let short = (margin - d).max(0.0);
                (0.5 * short * short, -short)
            };
            pull(da, (a, b), 0.0, d, by * slope);
            pull(db, (a, b), 0.0, d, -by * slope);
            loss
        })
    }

    /// 1 - cos(a, b) for pairs that are alike, max(0, cos(a, b) - margin) for the others; mean over the rows.
    pub fn cosine_embedding(&mut self, a: &Var, b: &Var, alike: &[bool], margin: f32) -> Var {
        self.pair_loss(a, b, alike, |(a, b), alike, by, da, db| {
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
            let (aa, bb) = (dot(a, a) + LEAST, dot(b, b) + LEAST);
            let root = (aa * bb).sqrt();
            let cos = dot(a, b) / root;
            let (loss, slope) = if alike { (1.0 - cos, -1.0) } else { ((cos - margin).max(0.0), 1.0) };
            if loss > 0.0 {
                for ((da, db), (a, b)) in da.iter_mut().zip(db).zip(a.iter().zip(b)) {
                    *da += by * slope * (b / root - a * cos / aa);
                    *db += by * slope * (a / root - b * cos / bb);
                }
            }
            loss
        })
    }

    /// max(0, margin - (a - b)) where a shall be the higher one, max(0, margin + (a - b)) elsewhere; mean of all
    /// numbers.
    pub fn margin_ranking(&mut self, a: &Var, b: &Var, a_is_higher: &[bool], margin: f32) -> Var {
        assert!(a.value.len() == b.value.len() && a.value.len() == a_is_higher.len(), "pairs of numbers");
        let n = a.value.len().max(1) as f32;
        let mut sum = 0.0f64;
        let slope = |((a, b), higher): ((&f32, &f32), &bool)| {
            let y = if *higher { 1.0 } else { -1.0 };
            let loss = margin - y * (a - b);
            sum += f64::from(loss.max(0.0));
            if loss > 0.0 { -y / n } else { 0.0 }
        };
        let da: Vec<f32> = a.value.data().iter().zip(b.value.data()).zip(a_is_higher).map(slope).collect();
        let db = da.iter().map(|d| -d).collect();
        self.fused(sum / f64::from(n), vec![of(a, da), of(b, db)])
    }

    /// The mean of a loss of pairs of rows; `one` gives a pair's and adds its gradients, `by` times.
    fn pair_loss(
        &mut self,
        a: &Var,
        b: &Var,
        alike: &[bool],
        one: impl Fn((&[f32], &[f32]), bool, f32, &mut [f32], &mut [f32]) -> f32,
    ) -> Var {
        let (cols, rows) = (a.value.cols().max(1), a.value.rows());
        assert_eq!(alike.len(), rows, "an answer for each pair");
        let by = 1.0 / rows.max(1) as f32;
        let (mut da, mut db) = (vec![0.0; a.value.len()], vec![0.0; b.value.len()]);
        let slots = da.chunks_exact_mut(cols).zip(db.chunks_exact_mut(cols));
        let mut sum = 0.0f64;
        for (((da, db), pair), alike) in slots.zip(pairs(a, b)).zip(alike) {
            sum += f64::from(one(pair, *alike, by, da, db));
        }
        self.fused(sum / rows.max(1) as f64, vec![of(a, da), of(b, db)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{gradients, random};

    #[test]
    fn gradients_of_all() {
        let leaves = [random(&[4, 3], 1), random(&[4, 3], 2), random(&[4, 3], 3)];
        let alike = [true, false, true, false];
        gradients(&leaves, |tape, v| tape.triplet(&v[0], &v[1], &v[2], 1.5));
        gradients(&leaves[..2], |tape, v| tape.contrastive(&v[0], &v[1], &alike, 2.5));
        gradients(&leaves[..2], |tape, v| tape.cosine_embedding(&v[0], &v[1], &alike, -0.9));
        let leaves = [random(&[4], 1), random(&[4], 2)];
        gradients(&leaves, |tape, v| tape.margin_ranking(&v[0], &v[1], &alike, 0.3));
    }

    #[test]
    fn equal_vectors_send_no_gradient_that_is_not_a_number() {
        let pool = crate::Pool::new(1);
        let mut tape = crate::tape::Tape::new(&pool);
        let x = tape.leaf(random(&[2, 3], 4));
        let loss = tape.contrastive(&x, &x, &[true, false], 1.0);
        assert_eq!(loss.value().data(), [0.25]);
        let mut grads = tape.backward(&loss);
        assert!(grads.take(&x).unwrap().data().iter().all(|g| *g == 0.0));
    }
}

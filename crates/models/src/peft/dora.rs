//! DoRA (Liu et al. 2024): the lengths of the rows of W + s B A, without making that sum.
//!
//! ‖wᵢ + s bᵢ A‖² = ‖wᵢ‖² + 2 s bᵢ·(A wᵢ) + s² bᵢ (A Aᵀ) bᵢᵀ: one product of W with the r rows of A.
#![allow(clippy::indexing_slicing, reason = "shapes are those of the matrices given")]

use super::LoraModule;
use lyceum_tensor::{Matrix, Pool, View, gemm};
use std::ops::Range;

/// Numbers of a panel of rows that is widened at once.
const PANEL: usize = 1 << 18;

/// The squared lengths of a base matrix's rows, from which those of every sum follow.
#[derive(Debug, Clone, PartialEq)]
pub struct RowNorms {
    squares: Vec<f64>,
}

impl RowNorms {
    /// Of a matrix.
    pub fn of(base: &Matrix) -> Self {
        let square = |row: &[f32]| row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
        let mut squares = Vec::with_capacity(base.rows());
        panels(base, |_, numbers| squares.extend(numbers.chunks_exact(base.cols()).map(square)));
        Self { squares }
    }

    /// The lengths of the base's own rows: the magnitudes that DoRA begins with.
    pub fn lengths(&self) -> Vec<f32> {
        self.squares.iter().map(|s| s.sqrt() as f32).collect()
    }

    /// The lengths of the rows of base + scale B A, with `a` `[r, in]` and `b` `[out, r]`.
    pub fn with(&self, pool: &Pool, base: &Matrix, a: &[f32], b: &[f32], scale: f32) -> Vec<f32> {
        let k = base.cols();
        let r = a.len() / k.max(1);
        let mut products = vec![0.0; base.rows() * r];
        panels(base, |rows, numbers| {
            let out = &mut products[rows.start * r..];
            gemm(pool, (rows.len(), r, k), View::new(numbers, k), View::new(a, k).t(), out, r, false);
        });
        let mut gram = vec![0.0; r * r];
        gemm(pool, (r, r, k), View::new(a, k), View::new(a, k).t(), &mut gram, r, false);
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
        let scale = f64::from(scale);
        let rows = self.squares.iter().zip(products.chunks_exact(r.max(1))).zip(b.chunks_exact(r.max(1)));
        rows.map(|((square, product), b)| {
            let own: f64 = gram.chunks_exact(r).zip(b).map(|(g, b_j)| f64::from(*b_j) * dot(g, b)).sum();
            let sum = square + 2.0 * scale * dot(product, b) + scale * scale * own;
            sum.max(f64::from(f32::MIN_POSITIVE)).sqrt() as f32
        })
        .collect()
    }
}

impl LoraModule {
    /// DoRA's factor of each output, magnitude / ‖W + scale B A‖; nothing for a plain LoRA.
    pub fn row_factors(&self, pool: &Pool, base: &Matrix) -> Option<Vec<f32>> {
        let magnitude = self.magnitude.as_ref()?;
        let norms = RowNorms::of(base).with(pool, base, &self.a.to_f32(), &self.b.to_f32(), self.scale);
        Some(magnitude.iter().zip(norms).map(|(m, n)| m / n).collect())
    }
}

fn panels(base: &Matrix, mut f: impl FnMut(Range<usize>, &[f32])) {
    let step = (PANEL / base.cols().max(1)).clamp(1, base.rows().max(1));
    let mut panel = vec![0.0; step * base.cols()];
    for from in (0..base.rows()).step_by(step) {
        let rows = from..(from + step).min(base.rows());
        let numbers = &mut panel[..rows.len() * base.cols()];
        base.dequantize_rows(rows.clone(), numbers);
        f(rows, numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_sum() {
        let (out, k, r, scale) = (5, 7, 2, 0.75f32);
        let numbers = |n: usize, step: f32| (0..n).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
        let (w, a, b) = (numbers(out * k, 0.7), numbers(r * k, 1.3), numbers(out * r, 2.1));
        let base = Matrix::from_f32(out, k, w.clone()).unwrap();
        let got = RowNorms::of(&base).with(&Pool::new(2), &base, &a, &b, scale);
        for i in 0..out {
            let entry =
                |j: usize| w[i * k + j] + scale * (0..r).map(|l| b[i * r + l] * a[l * k + j]).sum::<f32>();
            let want = (0..k).map(|j| entry(j).powi(2)).sum::<f32>().sqrt();
            assert!((got[i] - want).abs() < 1e-5, "row {i}: {} but {want}", got[i]);
        }
    }
}

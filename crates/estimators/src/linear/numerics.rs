//! Dense kernels of the linear family: products of tall matrices over fixed blocks of rows, so that any number of
//! threads gives the same bits. Symmetric factorisations come from `faer`.
#![allow(clippy::indexing_slicing, reason = "blocks stay within the rows of the matrix")]

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::solvers::Solve;
use faer::{Accum, MatMut, MatRef, Par, Side};
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows of one product.
const BLOCK: usize = 1024;

/// The results of `task` for 0 to `n`, in order; computed on the pool unless `threads` is 1.
pub(crate) fn each<T: Send>(threads: usize, n: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if threads <= 1 || n <= 1 {
        return (0..n).map(task).collect();
    }
    let slots: Vec<Mutex<Option<T>>> = (0..n).map(|_| Mutex::new(None)).collect();
    Pool::global().run(n, |i| {
        let value = task(i);
        *slots[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    });
    slots.into_iter().filter_map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Ranges of rows that are worked through apart from each other: their number depends on the shape alone.
pub(crate) fn lanes(rows: usize, width: usize) -> Vec<Range<usize>> {
    let most = if width > 512 { 4 } else { 16 };
    let n = rows.div_ceil(BLOCK).clamp(1, most);
    (0..n).map(|i| rows * i / n..rows * (i + 1) / n).collect()
}

/// Sums vectors in their order.
pub(crate) fn total(parts: Vec<Vec<f64>>) -> Vec<f64> {
    let mut parts = parts.into_iter();
    let mut out = parts.next().unwrap_or_default();
    for part in parts {
        out.iter_mut().zip(&part).for_each(|(o, p)| *o += p);
    }
    out
}

/// `Xᵀ W X` of row-major `x` `[rows, width]` with weights from 0: symmetric, row-major `[width, width]`.
pub(crate) fn gram(
    x: &[f64],
    width: usize,
    weight: Option<&(dyn Fn(usize) -> f64 + Sync)>,
    threads: usize,
) -> Vec<f64> {
    let d = width;
    if d == 0 {
        return Vec::new();
    }
    let lanes = lanes(x.len() / d, d);
    let part = |lane: usize| {
        let mut out = vec![0.0; d * d];
        let mut scratch = Vec::new();
        let mut at = lanes[lane].start;
        while at < lanes[lane].end {
            let to = (at + BLOCK).min(lanes[lane].end);
            let own = &x[at * d..to * d];
            let rows = match weight {
                None => own,
                Some(weight) => {
                    scratch.clear();
                    for (row, x) in (at..to).zip(own.chunks_exact(d)) {
                        let root = weight(row).max(0.0).sqrt();
                        scratch.extend(x.iter().map(|x| x * root));
                    }
                    &scratch[..]
                }
            };
            let a = MatRef::from_row_major_slice(rows, to - at, d);
            matmul(
                MatMut::from_row_major_slice_mut(&mut out, d, d),
                BlockStructure::TriangularLower,
                Accum::Add,
                a.transpose(),
                BlockStructure::Rectangular,
                a,
                BlockStructure::Rectangular,
                1.0,
                Par::Seq,
            );
            at = to;
        }
        out
    };
    let mut out = total(each(threads, lanes.len(), part));
    for i in 0..d {
        for j in 0..i {
            out[j * d + i] = out[i * d + j];
        }
    }
    out
}

/// `Xᵀ r` of row-major `x`, where `r` tells the factor of a row.
pub(crate) fn transposed_times(
    x: &[f64],
    width: usize,
    r: &(dyn Fn(usize) -> f64 + Sync),
    threads: usize,
) -> Vec<f64> {
    if width == 0 {
        return Vec::new();
    }
    let lanes = lanes(x.len() / width, width);
    let part = |lane: usize| {
        let mut out = vec![0.0; width];
        for row in lanes[lane].clone() {
            let factor = r(row);
            let x = &x[row * width..(row + 1) * width];
            out.iter_mut().zip(x).for_each(|(o, x)| *o += factor * x);
        }
        out
    };
    total(each(threads, lanes.len(), part))
}

/// The inner product, in four fixed sums.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a4.zip(b4) {
        (0..4).for_each(|i| sums[i] += a[i] * b[i]);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Solves `a x = b` for a symmetric positive definite `a`, row-major; none where it is not.
pub(crate) fn solve_definite(a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    let llt = MatRef::from_row_major_slice(a, n, n).llt(Side::Lower).ok()?;
    let x = llt.solve(MatRef::from_column_major_slice(b, n, 1));
    let x: Vec<f64> = (0..n).map(|i| x[(i, 0)]).collect();
    x.iter().all(|x| x.is_finite()).then_some(x)
}

/// Eigenvalues of a symmetric matrix, rising, and its eigenvectors: row-major `[n, n]`, one a column.
///
/// # Errors
/// A matrix that is not finite.
pub(crate) fn eigen(a: &[f64], n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let found = MatRef::from_row_major_slice(a, n, n)
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::invalid("the eigenvalues of the features' covariance were not found"))?;
    let (s, u) = (found.S(), found.U());
    let values = (0..n).map(|i| s[i]).collect();
    let vectors = (0..n * n).map(|at| u[(at / n, at % n)]).collect();
    Ok((values, vectors))
}

/// Singular values of row-major `x` `[rows, width]`, falling, and its right singular vectors, one a row: row-major
/// `[width, width]`. Values beyond the number of rows are 0.
///
/// # Errors
/// Numbers that are not finite.
pub(crate) fn right_singular(mut x: Vec<f64>, width: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    if width == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let rows = (x.len() / width).max(width);
    x.resize(rows * width, 0.0);
    let found = MatRef::from_row_major_slice(&x, rows, width)
        .thin_svd()
        .map_err(|_| Error::invalid("the singular values of a class's rows were not found"))?;
    let (s, v) = (found.S(), found.V());
    let values = (0..width).map(|i| s[i]).collect();
    let vectors = (0..width * width).map(|at| v[(at % width, at / width)]).collect();
    Ok((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_change_no_bit_and_products_are_right() {
        let (n, d) = (5000, 7);
        let x: Vec<f64> = (0..n * d).map(|i| ((i * 37 % 101) as f64 - 50.0) / 17.0).collect();
        let w = |row: usize| (row % 3) as f64;
        let one = gram(&x, d, Some(&w), 1);
        assert_eq!(one, gram(&x, d, Some(&w), 4));
        for (i, j) in [(0, 0), (3, 1), (2, 6)] {
            let want: f64 = (0..n).map(|r| w(r) * x[r * d + i] * x[r * d + j]).sum();
            assert!((one[i * d + j] - want).abs() < 1e-9 * want.abs().max(1.0));
        }
        assert_eq!(transposed_times(&x, d, &w, 1), transposed_times(&x, d, &w, 3));
    }

    /// Where a matrix lies in memory decides nothing: the same rows give the same bits in every process.
    #[test]
    fn no_bit_depends_on_where_rows_lie() {
        let (n, d) = (75, 5);
        let cell = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 17.0 + (i % 7) as f64;
        let mut kept: Vec<Vec<u8>> = Vec::new();
        let mut seen = Vec::new();
        for i in 0..64 {
            kept.push(Vec::with_capacity(16 * (i + 1)));
            let x: Vec<f64> = (0..n * d).map(cell).collect();
            let at = x.as_ptr() as usize % 64;
            let square = gram(&x, d, None, 1);
            let found =
                (right_singular(x, d).expect("singular values"), eigen(&square, d).expect("eigenvalues"));
            seen.push((at, found));
        }
        let places: std::collections::BTreeSet<usize> = seen.iter().map(|s| s.0).collect();
        assert!(places.len() > 1, "all lay alike: {places:?}");
        assert!(seen.windows(2).all(|w| w[0].1 == w[1].1), "{places:?}");
    }

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        let a = [4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0];
        let (s, u) = eigen(&a, 3).expect("a small matrix");
        for i in 0..3 {
            for j in 0..3 {
                let back: f64 = (0..3).map(|k| u[i * 3 + k] * s[k] * u[j * 3 + k]).sum();
                assert!((back - a[i * 3 + j]).abs() < 1e-12);
            }
        }
        assert!(solve_definite(&[1.0, 2.0, 2.0, 1.0], &[1.0, 1.0]).is_none());
    }

    #[test]
    fn singular_vectors_rebuild_the_products() {
        // Two rows of three columns: the third value is 0, its vector across both rows.
        let x = vec![1.0, 2.0, -1.0, 0.5, 0.0, 3.0];
        let (s, v) = right_singular(x.clone(), 3).expect("a small matrix");
        assert!(s[0] >= s[1] && s[1] > 0.1 && s[2].abs() < 1e-12, "{s:?}");
        for at in 0..9 {
            let (i, j) = (at / 3, at % 3);
            let back: f64 = (0..3).map(|k| v[k * 3 + i] * s[k] * s[k] * v[k * 3 + j]).sum();
            assert!((back - (x[i] * x[j] + x[3 + i] * x[3 + j])).abs() < 1e-12);
        }
    }
}

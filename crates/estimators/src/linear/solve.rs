//! Symmetric systems by Cholesky.
#![allow(clippy::indexing_slicing, reason = "indices stay below the order of the matrix")]

/// Solves `a x = b` for a symmetric positive semi-definite `a`, row-major `[n, n]`, which is overwritten. A variable
/// that the ones before it explain (a pivot under 1e-12 of its diagonal) gets 0.
pub(crate) fn cholesky_solve(a: &mut [f64], b: &mut [f64]) {
    let n = b.len();
    let mut dropped = vec![false; n];
    for j in 0..n {
        let own = a[j * n + j];
        let mut pivot = own;
        for k in 0..j {
            pivot -= a[j * n + k] * a[j * n + k];
        }
        if pivot <= 1e-12 * own || own <= 0.0 {
            dropped[j] = true;
            a[j * n..j * n + j].fill(0.0);
            a[j * n + j] = 1.0;
            (j + 1..n).for_each(|i| a[i * n + j] = 0.0);
            continue;
        }
        let root = pivot.sqrt();
        a[j * n + j] = root;
        for i in j + 1..n {
            let (above, below) = a.split_at(i * n);
            let (row_j, row_i) = (&above[j * n..j * n + j], &below[..j]);
            let dot: f64 = row_j.iter().zip(row_i).map(|(x, y)| x * y).sum();
            a[i * n + j] = (a[i * n + j] - dot) / root;
        }
    }
    for i in 0..n {
        if dropped[i] {
            b[i] = 0.0;
            continue;
        }
        let dot: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = if dropped[i] { 0.0 } else { (b[i] - dot) / a[i * n + i] };
    }
}

/// Which variables of a correlation matrix (row-major `[n, n]`, overwritten) the ones before them explain, all but a
/// billionth of their variance.
pub(crate) fn explained(a: &mut [f64], n: usize) -> Vec<bool> {
    let mut out = vec![false; n];
    for j in 0..n {
        let pivot = a[j * n + j];
        out[j] = pivot <= 1e-9;
        if out[j] {
            continue;
        }
        for i in j + 1..n {
            let factor = a[i * n + j] / pivot;
            (j + 1..n).for_each(|k| a[i * n + k] -= factor * a[j * n + k]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_drops_what_is_explained() {
        let mut a = vec![4.0, 2.0, 2.0, 3.0];
        let mut b = vec![10.0, 8.0];
        cholesky_solve(&mut a, &mut b);
        assert!((b[0] - 1.75).abs() < 1e-12 && (b[1] - 1.5).abs() < 1e-12, "{b:?}");
        // The third column is the sum of the first two.
        let mut a = vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0];
        let mut b = vec![3.0, 4.0, 7.0];
        cholesky_solve(&mut a, &mut b);
        assert_eq!(b, [3.0, 4.0, 0.0]);
    }
}

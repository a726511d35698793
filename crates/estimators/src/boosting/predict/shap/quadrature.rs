//! Gauss–Legendre quadrature on [0, 1]: n points integrate polynomials of a degree below 2n exactly.

use std::f64::consts::PI;

/// Points, ascending, and their weights, which sum to 1.
pub(super) fn gauss_legendre(n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut points, mut weights) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for i in (0..n).rev() {
        // The roots of the Legendre polynomial by Newton's method, from the estimate of Tricomi.
        let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (value, derivative) = legendre(n, x);
            slope = derivative;
            let step = value / derivative;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        points.push((1.0 + x) / 2.0);
        weights.push(1.0 / ((1.0 - x * x) * slope * slope));
    }
    (points, weights)
}

/// The Legendre polynomial of degree n and its derivative.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut now) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, now) = (now, ((2.0 * k - 1.0) * x * now - (k - 1.0) * before) / k);
    }
    (now, n as f64 * (x * now - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_integrated_exactly() {
        for n in [8, 16, 32, 64, 128] {
            let (t, w) = gauss_legendre(n);
            assert!(t.is_sorted() && t.iter().all(|t| *t > 0.0 && *t < 1.0));
            for degree in [0, 1, n, 2 * n - 1] {
                let got: f64 = t.iter().zip(&w).map(|(t, w)| w * t.powi(degree as i32)).sum();
                let want = 1.0 / (degree + 1) as f64;
                assert!((got - want).abs() < 1e-13 * want.max(0.1), "{n} {degree} {got} {want}");
            }
        }
    }
}

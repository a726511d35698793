//! Quadratics with an L1 penalty, by coordinate descent on an active set that ends in one exact solution.
//!
//! Minimises ½ wᵀQw − bᵀw + Σ l1ⱼ|wⱼ|. Once the signs hold still the solution is a linear system of the active
//! coordinates; a passing solution of it ends the descent at machine precision.
#![allow(clippy::indexing_slicing, reason = "coordinates stay below the order of the quadratic")]

use super::numerics::{dot, solve_definite};

/// The problem. `q` is symmetric positive semi-definite, row-major.
pub(super) struct Quadratic<'a> {
    pub(super) q: &'a [f64],
    pub(super) b: &'a [f64],
    /// Penalty of each coordinate, from 0.
    pub(super) l1: &'a [f64],
    /// Whether coefficients stay at or above 0.
    pub(super) positive: bool,
}

/// Passes between two tries at the exact solution.
const TRY: usize = 4;

impl Quadratic<'_> {
    fn order(&self) -> usize {
        self.b.len()
    }

    /// `b − Q w`.
    pub(super) fn slope(&self, w: &[f64]) -> Vec<f64> {
        let n = self.order();
        let mut g = self.b.to_vec();
        for (j, w) in w.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            g.iter_mut().zip(&self.q[j * n..(j + 1) * n]).for_each(|(g, q)| *g -= w * q);
        }
        g
    }

    fn broken(&self, j: usize, w: f64, g: f64) -> f64 {
        if w > 0.0 {
            (g - self.l1[j]).abs()
        } else if w < 0.0 {
            (g + self.l1[j]).abs()
        } else if self.positive {
            (g - self.l1[j]).max(0.0)
        } else {
            (g.abs() - self.l1[j]).max(0.0)
        }
    }

    /// How far the optimality conditions are broken, at the worst coordinate.
    #[cfg(test)]
    pub(super) fn violation(&self, w: &[f64], g: &[f64]) -> f64 {
        (0..w.len()).map(|j| self.broken(j, w[j], g[j])).fold(0.0, f64::max)
    }

    /// Moves `w` until no condition is broken by more than `tol`, or `passes` are spent; the passes taken and whether
    /// it got there.
    pub(super) fn minimise(&self, w: &mut [f64], tol: f64, passes: usize) -> (usize, bool) {
        let n = self.order();
        let mut g = self.slope(w);
        let mut taken = 0;
        loop {
            let active: Vec<usize> =
                (0..n).filter(|j| w[*j] != 0.0 || self.broken(*j, w[*j], g[*j]) > tol).collect();
            let worst = active.iter().map(|j| self.broken(*j, w[*j], g[*j])).fold(0.0, f64::max);
            if worst <= tol || taken >= passes {
                return (taken, worst <= tol);
            }
            for pass in 1..=passes.saturating_sub(taken) {
                taken += 1;
                for &j in &active {
                    self.move_one(j, w, &mut g);
                }
                let worst = active.iter().map(|j| self.broken(*j, w[*j], g[*j])).fold(0.0, f64::max);
                if worst <= tol {
                    break;
                }
                if pass % TRY == 0 && self.finish(w, &mut g) {
                    break;
                }
            }
            // Rounding of many small updates is swept away before the next set is chosen.
            g = self.slope(w);
        }
    }

    fn move_one(&self, j: usize, w: &mut [f64], g: &mut [f64]) {
        let n = self.order();
        let own = self.q[j * n + j];
        if own <= 0.0 {
            return;
        }
        let pull = g[j] + own * w[j];
        let size = (pull.abs() - self.l1[j]).max(0.0);
        let new = if self.positive && pull < 0.0 { 0.0 } else { size.copysign(pull) / own };
        let step = new - w[j];
        if step != 0.0 {
            w[j] = new;
            g.iter_mut().zip(&self.q[j * n..(j + 1) * n]).for_each(|(g, q)| *g -= step * q);
        }
    }

    /// The exact solution for the signs as they are, where it keeps them.
    fn finish(&self, w: &mut [f64], g: &mut Vec<f64>) -> bool {
        let n = self.order();
        let support: Vec<usize> = (0..n).filter(|j| w[*j] != 0.0).collect();
        let m = support.len();
        let mut a = Vec::with_capacity(m * m);
        for &i in &support {
            a.extend(support.iter().map(|j| self.q[i * n + j]));
        }
        let b: Vec<f64> = support.iter().map(|j| self.b[*j] - self.l1[*j].copysign(w[*j])).collect();
        let Some(mut x) = solve_definite(&a, &b) else { return false };
        let rest: Vec<f64> = b.iter().zip(a.chunks_exact(m.max(1))).map(|(b, a)| b - dot(a, &x)).collect();
        if let Some(more) = solve_definite(&a, &rest) {
            x.iter_mut().zip(&more).for_each(|(x, m)| *x += m);
        }
        let kept = |(j, x): (&usize, &f64)| self.l1[*j] == 0.0 && !self.positive || x * w[*j] > 0.0;
        if !support.iter().zip(&x).all(kept) {
            return false;
        }
        support.iter().zip(&x).for_each(|(j, x)| w[*j] = *x);
        *g = self.slope(w);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_at_the_end() {
        let (n, d) = (40usize, 12usize);
        let x: Vec<f64> = (0..n * d).map(|i| ((i * i * 31 + i * 7) % 97) as f64 / 48.0 - 1.0).collect();
        let q: Vec<f64> =
            (0..d * d).map(|at| (0..n).map(|r| x[r * d + at / d] * x[r * d + at % d]).sum()).collect();
        let b: Vec<f64> =
            (0..d).map(|j| (0..n).map(|r| x[r * d + j] * ((r * 13 % 11) as f64 - 5.0)).sum()).collect();
        for (strength, positive) in [(0.0, false), (5.0, false), (20.0, false), (5.0, true), (1e6, false)] {
            let l1 = vec![strength; d];
            let problem = Quadratic { q: &q, b: &b, l1: &l1, positive };
            let mut w = vec![0.0; d];
            let (_, done) = problem.minimise(&mut w, 1e-9, 10_000);
            assert!(done, "{strength} {positive}");
            assert!(problem.violation(&w, &problem.slope(&w)) <= 1e-8);
            assert!(!positive || w.iter().all(|w| *w >= 0.0));
            assert!(strength < 1e6 || w.iter().all(|w| *w == 0.0));
        }
    }
}

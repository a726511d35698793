//! Paths of lasso and elastic net over falling penalties, each solution started from the one before, and the duality
//! gap that certifies each.
#![allow(clippy::indexing_slicing, reason = "coordinates stay below the matrix's width")]

use super::centred::Centred;
use super::descent::Quadratic;
use lyceum_core::{Error, FitContext, Result, TrainingSet};

/// Largest duality gap of a solution that counts as converged, as a share of ‖y‖²/n.
const GAP: f64 = 1e-8;

/// A regression with L1 and L2 penalties, reduced to its products.
pub(super) struct Penalised {
    /// `Xᵀ W X / n`.
    q: Vec<f64>,
    /// `Xᵀ W y / n`.
    b: Vec<f64>,
    /// `yᵀ W y / n`.
    yy: f64,
    positive: bool,
}

/// How one solution went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solved {
    pub(super) passes: usize,
    pub(super) converged: bool,
    /// Duality gap in units of the objective.
    pub(super) gap: f64,
}

/// Solutions at falling penalties.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Penalties, falling.
    pub alphas: Vec<f64>,
    /// Coefficients at each penalty.
    pub coefs: Vec<Vec<f64>>,
    /// Intercept at each penalty.
    pub intercepts: Vec<f64>,
    /// Duality gap at each penalty, in units of the objective.
    pub dual_gaps: Vec<f64>,
}

/// The lasso's path; `alphas` empty: 100 from the smallest that leaves all coefficients 0, down to a thousandth of it.
///
/// # Errors
/// As a fit of [`super::Lasso`].
pub fn lasso_path(data: &TrainingSet, alphas: &[f64], cx: &FitContext) -> Result<Path> {
    enet_path(data, 1.0, alphas, cx)
}

/// The elastic net's path; `alphas` empty: as in [`lasso_path`].
///
/// # Errors
/// As a fit of [`super::ElasticNet`]; an `l1_ratio` of 0 has no largest penalty, so it needs `alphas`.
pub fn enet_path(data: &TrainingSet, l1_ratio: f64, alphas: &[f64], cx: &FitContext) -> Result<Path> {
    if !(0.0..=1.0).contains(&l1_ratio) {
        return Err(Error::invalid("expected a number from 0 to 1").at_key("l1_ratio"));
    }
    if alphas.is_empty() && l1_ratio == 0.0 {
        return Err(Error::invalid("a path without L1 penalty needs its penalties").at_key("alphas"));
    }
    if alphas.iter().any(|a| !(*a >= 0.0 && a.is_finite())) {
        return Err(Error::invalid("expected finite numbers from 0").at_key("alphas"));
    }
    let set = Centred::new(data, cx)?;
    let problem = Penalised::new(&set, false);
    let mut alphas = if alphas.is_empty() { problem.grid(l1_ratio, 1e-3, 100) } else { alphas.to_vec() };
    alphas.sort_by(|a, b| b.total_cmp(a));
    let mut out = Path { alphas, coefs: Vec::new(), intercepts: Vec::new(), dual_gaps: Vec::new() };
    let mut coef = vec![0.0; set.width];
    for &alpha in &out.alphas {
        cx.cx.check()?;
        out.dual_gaps.push(problem.solve(alpha, l1_ratio, &mut coef, 10_000).gap);
        out.intercepts.push(set.intercept(&coef));
        out.coefs.push(coef.clone());
    }
    Ok(out)
}

impl Penalised {
    pub(super) fn new(set: &Centred, positive: bool) -> Self {
        let share = 1.0 / set.total;
        let mut q = set.gram();
        q.iter_mut().for_each(|q| *q *= share);
        let mut b = set.project(&set.y);
        b.iter_mut().for_each(|b| *b *= share);
        let yy = set.y.iter().enumerate().map(|(i, y)| set.weight_of(i) * y * y).sum::<f64>() * share;
        Self { q, b, yy, positive }
    }

    /// `n` penalties spaced evenly in their logarithms, from the smallest that leaves all coefficients 0 down to `eps`
    /// times it.
    pub(super) fn grid(&self, l1_ratio: f64, eps: f64, n: usize) -> Vec<f64> {
        let pull = |b: &f64| if self.positive { b.max(0.0) } else { b.abs() };
        let most = self.b.iter().map(pull).fold(0.0, f64::max) / l1_ratio;
        if most <= f64::EPSILON {
            return vec![f64::EPSILON; n];
        }
        let step = eps.ln() / n.saturating_sub(1).max(1) as f64;
        (0..n).map(|i| most * (step * i as f64).exp()).collect()
    }

    /// Moves `w` to the solution.
    pub(super) fn solve(&self, alpha: f64, l1_ratio: f64, w: &mut [f64], passes: usize) -> Solved {
        let d = w.len();
        let l2 = alpha * (1.0 - l1_ratio);
        let own;
        let q = if l2 > 0.0 {
            let mut with = self.q.clone();
            (0..d).for_each(|i| with[i * d + i] += l2);
            own = with;
            &own
        } else {
            &self.q
        };
        let strength = alpha * l1_ratio;
        let l1 = vec![strength; d];
        let problem = Quadratic { q, b: &self.b, l1: &l1, positive: self.positive };
        let scale = self.b.iter().map(|b| b.abs()).fold(0.0, f64::max);
        let mut tol = scale * 1e-9;
        let mut out = Solved { passes: 0, converged: true, gap: 0.0 };
        loop {
            let (taken, done) = problem.minimise(w, tol, passes - out.passes);
            out.passes += taken;
            out.gap = self.gap(&problem, strength, w);
            out.converged = done;
            let tight = out.gap <= GAP * self.yy || strength == 0.0;
            if tight || !done || tol < scale * 1e-13 {
                out.converged &= tight;
                return out;
            }
            tol *= 0.1;
        }
    }

    /// Primal less dual objective, the dual at the scaled residual. The L2 penalty counts as further rows of X.
    fn gap(&self, problem: &Quadratic<'_>, strength: f64, w: &[f64]) -> f64 {
        let g = problem.slope(w);
        let along = |a: &[f64]| a.iter().zip(w).map(|(a, w)| a * w).sum::<f64>();
        let (bw, gw) = (along(&self.b), along(&g));
        let rest = (self.yy - bw - gw).max(0.0);
        let size: f64 = w.iter().map(|w| w.abs()).sum();
        let pull = |g: &f64| if self.positive { g.max(0.0) } else { g.abs() };
        let worst = g.iter().map(pull).fold(0.0, f64::max);
        let s = if worst > strength { strength / worst } else { 1.0 };
        let primal = 0.5 * rest + strength * size;
        let dual = s * (self.yy - bw) - 0.5 * s * s * rest;
        (primal - dual).max(0.0)
    }
}

//! Newton's method for logistic losses with L1 and L2 penalties. A step minimises the second-order model: by one
//! Cholesky factorisation where there is no L1 penalty, by coordinate descent where there is, by conjugate gradients
//! where the Hessian is large. A back-tracking line search makes every step a descent.
#![allow(clippy::indexing_slicing, reason = "indices stay below the matrix's shape")]

use super::descent::Quadratic;
use super::design::Design;
use super::numerics::{dot, each, gram, lanes, transposed_times};
use super::solve::cholesky_solve;
use lyceum_core::{Error, FitContext, Result};

/// Hessians of at most this order are factorised.
const DIRECT: usize = 500;
/// Hessians of at most this order are kept for coordinate descent: 128 MiB.
const MOST: usize = 4096;

/// When to stop.
pub(super) struct Limits {
    /// Largest break of an optimality condition.
    pub(super) violation: f64,
    /// Steps at most.
    pub(super) steps: usize,
}

/// The end of a descent.
pub(super) struct Solved {
    /// Output by output: coefficients, then the intercept.
    pub(super) w: Vec<f64>,
    pub(super) objective: f64,
    pub(super) violation: f64,
    pub(super) steps: usize,
    pub(super) converged: bool,
}

/// Σ weight · loss + ½ l2 ‖w‖² + l1 ‖w‖₁; intercepts are not penalised.
pub(super) struct Problem<'a> {
    /// Row-major `[rows, width]`, the last column 1.
    x: Vec<f64>,
    width: usize,
    codes: &'a [u32],
    weight: Vec<f64>,
    outputs: usize,
    l1: Vec<f64>,
    l2: f64,
    threads: usize,
}

impl<'a> Problem<'a> {
    pub(super) fn new(
        design: Design,
        codes: &'a [u32],
        weight: Vec<f64>,
        outputs: usize,
        (l1, l2): (f64, f64),
        threads: usize,
    ) -> Self {
        let width = design.width + 1;
        let mut x = Vec::with_capacity(codes.len() * width);
        for row in 0..codes.len() {
            x.extend_from_slice(design.row(row));
            x.push(1.0);
        }
        let mut strengths = vec![l1; width * outputs];
        strengths.chunks_exact_mut(width).for_each(|o| o[width - 1] = 0.0);
        Self { x, width, codes, weight, outputs, l1: strengths, l2, threads }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.width..(row + 1) * self.width]
    }

    pub(super) fn solve(&self, limits: &Limits, cx: &FitContext) -> Result<Solved> {
        let n = self.outputs * self.width;
        let sparse = self.l1.iter().any(|l| *l > 0.0);
        if sparse && n > MOST {
            let message = format!("an L1 penalty takes at most {MOST} coefficients, there are {n}");
            return Err(Error::unsupported(message).at_key("penalty").hint("use the penalty l2"));
        }
        let mut w = vec![0.0; n];
        let (mut value, mut p) = self.evaluate(&w);
        for step in 0..=limits.steps {
            cx.cx.check()?;
            let gradient = self.gradient(&w, &p);
            let violation = self.violation(&w, &gradient);
            let done = violation <= limits.violation;
            if done || step == limits.steps {
                return Ok(Solved { w, objective: value, violation, steps: step, converged: done });
            }
            let to = if sparse {
                self.sparse_step(&w, &p, &gradient, violation)
            } else if n <= DIRECT {
                self.direct_step(&w, &p, &gradient)
            } else {
                self.cg_step(&w, &p, &gradient, cx)?
            };
            let direction: Vec<f64> = to.iter().zip(&w).map(|(t, w)| t - w).collect();
            let fall = dot(&gradient, &direction) + self.size(&to) - self.size(&w);
            let mut length = 1.0;
            loop {
                let trial: Vec<f64> = w.iter().zip(&direction).map(|(w, d)| w + length * d).collect();
                let (new, new_p) = self.evaluate(&trial);
                // Near the end the fall drowns in the rounding of the value.
                let slack = 1e-14 * value.abs();
                if new <= value + 1e-4 * length * fall + slack {
                    (w, value, p) = (trial, new, new_p);
                    break;
                }
                length *= 0.5;
                if length < 1e-10 {
                    return Ok(Solved { w, objective: value, violation, steps: step, converged: false });
                }
            }
        }
        Err(Error::internal("a descent ended without an answer"))
    }

    /// The L1 penalty.
    fn size(&self, w: &[f64]) -> f64 {
        w.iter().zip(&self.l1).map(|(w, l)| l * w.abs()).sum()
    }

    /// How far the optimality conditions are broken, at the worst coefficient.
    fn violation(&self, w: &[f64], gradient: &[f64]) -> f64 {
        let one = |((w, g), l): ((&f64, &f64), &f64)| {
            if *w == 0.0 { (g.abs() - l).max(0.0) } else { (g + l.copysign(*w)).abs() }
        };
        w.iter().zip(gradient).zip(&self.l1).map(one).fold(0.0, f64::max)
    }

    /// The objective, and each row's probabilities (of the positive class where there is one output).
    fn evaluate(&self, w: &[f64]) -> (f64, Vec<f64>) {
        let k = self.outputs;
        let lanes = lanes(self.codes.len(), self.width);
        let part = |lane: usize| {
            let mut p = vec![0.0; lanes[lane].len() * k];
            let mut loss = 0.0;
            for (row, p) in lanes[lane].clone().zip(p.chunks_exact_mut(k)) {
                let x = self.row(row);
                p.iter_mut().zip(w.chunks_exact(self.width)).for_each(|(p, w)| *p = dot(w, x));
                loss += self.weight[row] * loss_of(p, self.codes[row] as usize);
            }
            (loss, p)
        };
        let mut all = Vec::with_capacity(self.codes.len() * k);
        let mut loss = 0.0;
        for (own, p) in each(self.threads, lanes.len(), part) {
            loss += own;
            all.extend(p);
        }
        let squares: f64 =
            w.chunks_exact(self.width).map(|o| dot(&o[..o.len() - 1], &o[..o.len() - 1])).sum();
        (loss + 0.5 * self.l2 * squares + self.size(w), all)
    }

    /// Of the smooth part.
    fn gradient(&self, w: &[f64], p: &[f64]) -> Vec<f64> {
        let k = self.outputs;
        let mut out = Vec::with_capacity(w.len());
        for (class, w) in w.chunks_exact(self.width).enumerate() {
            let error = |row: usize| {
                let own = self.codes[row] as usize;
                let hit = if k == 1 { own == 1 } else { own == class };
                self.weight[row] * (p[row * k + class] - f64::from(hit))
            };
            let mut g = transposed_times(&self.x, self.width, &error, self.threads);
            let last = self.width - 1;
            g[..last].iter_mut().zip(w).for_each(|(g, w)| *g += self.l2 * w);
            out.extend(g);
        }
        out
    }

    /// The second derivatives at `w`.
    pub(super) fn information(&self, w: &[f64]) -> Vec<f64> {
        self.hessian(&self.evaluate(w).1)
    }

    fn hessian(&self, p: &[f64]) -> Vec<f64> {
        let (m, k) = (self.width, self.outputs);
        let n = m * k;
        let mut out = vec![0.0; n * n];
        for a in 0..k {
            for b in 0..=a {
                // The weight of x xᵀ; off the diagonal its negative.
                let bend = |row: usize| {
                    let (pa, pb) = (p[row * k + a], p[row * k + b]);
                    self.weight[row] * if a == b { pa * (1.0 - pa) } else { pa * pb }
                };
                let block = gram(&self.x, m, Some(&bend), self.threads);
                let sign = if a == b { 1.0 } else { -1.0 };
                for i in 0..m {
                    for j in 0..m {
                        out[(a * m + i) * n + b * m + j] = sign * block[i * m + j];
                        out[(b * m + j) * n + a * m + i] = sign * block[i * m + j];
                    }
                }
            }
            (0..m - 1).for_each(|i| out[(a * m + i) * n + a * m + i] += self.l2);
        }
        out
    }

    fn direct_step(&self, w: &[f64], p: &[f64], gradient: &[f64]) -> Vec<f64> {
        let mut hessian = self.hessian(p);
        let mut step = gradient.to_vec();
        cholesky_solve(&mut hessian, &mut step);
        w.iter().zip(&step).map(|(w, s)| w - s).collect()
    }

    fn sparse_step(&self, w: &[f64], p: &[f64], gradient: &[f64], violation: f64) -> Vec<f64> {
        let n = w.len();
        let mut q = self.hessian(p);
        // A little more on the diagonal keeps the model bounded where classes are all but certain.
        (0..n).for_each(|i| q[i * n + i] *= 1.0 + 1e-12);
        let b: Vec<f64> = (0..n).map(|i| dot(&q[i * n..(i + 1) * n], w) - gradient[i]).collect();
        let model = Quadratic { q: &q, b: &b, l1: &self.l1, positive: false };
        let mut to = w.to_vec();
        model.minimise(&mut to, violation * 1e-3, 2000);
        to
    }

    fn hessian_times(&self, p: &[f64], v: &[f64]) -> Vec<f64> {
        let (m, k) = (self.width, self.outputs);
        let lanes = lanes(self.codes.len(), m);
        let part = |lane: usize| {
            let mut out = vec![0.0; v.len()];
            let mut u = vec![0.0; k];
            for row in lanes[lane].clone() {
                let (x, p) = (self.row(row), &p[row * k..(row + 1) * k]);
                u.iter_mut().zip(v.chunks_exact(m)).for_each(|(u, v)| *u = dot(v, x));
                let mean = dot(&u, p);
                for (class, out) in out.chunks_exact_mut(m).enumerate() {
                    let s = if k == 1 { u[0] * p[0] * (1.0 - p[0]) } else { p[class] * (u[class] - mean) };
                    let s = s * self.weight[row];
                    out.iter_mut().zip(x).for_each(|(o, x)| *o += s * x);
                }
            }
            out
        };
        let mut out = super::numerics::total(each(self.threads, lanes.len(), part));
        for (out, v) in out.chunks_exact_mut(m).zip(v.chunks_exact(m)) {
            out[..m - 1].iter_mut().zip(v).for_each(|(o, v)| *o += self.l2 * v);
        }
        out
    }

    fn cg_step(&self, w: &[f64], p: &[f64], gradient: &[f64], cx: &FitContext) -> Result<Vec<f64>> {
        let mut to = w.to_vec();
        let mut rest: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut direction = rest.clone();
        let mut size = dot(&rest, &rest);
        let enough = size * (0.1f64.min(size.sqrt()) * 0.1).powi(2);
        for _ in 0..gradient.len().min(500) {
            cx.cx.check()?;
            let image = self.hessian_times(p, &direction);
            let bend = dot(&direction, &image);
            if bend <= 0.0 || size <= enough {
                break;
            }
            let length = size / bend;
            to.iter_mut().zip(&direction).for_each(|(s, d)| *s += length * d);
            rest.iter_mut().zip(&image).for_each(|(r, i)| *r -= length * i);
            let new = dot(&rest, &rest);
            direction.iter_mut().zip(&rest).for_each(|(d, r)| *d = r + new / size * *d);
            size = new;
        }
        Ok(to)
    }
}

/// The loss of a row of class `own`; its raw outputs become probabilities.
fn loss_of(p: &mut [f64], own: usize) -> f64 {
    if let [p] = p {
        let z = *p;
        *p = 1.0 / (1.0 + (-z).exp());
        let against = if own == 1 { -z } else { z };
        return against.max(0.0) + (-against.abs()).exp().ln_1p();
    }
    let z = p[own];
    let max = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    p.iter_mut().for_each(|p| *p = (*p - max).exp());
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    max + sum.ln() - z
}

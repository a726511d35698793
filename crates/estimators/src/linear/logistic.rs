//! Logistic regression, two classes or more, by Newton's method: minimises ½‖w‖² + C·Σ loss (scikit-learn's scale).
//!
//! The Newton step comes from a Cholesky factorisation while the Hessian is small, else from conjugate gradients; a
//! back-tracking line search makes every step a descent.
#![allow(clippy::indexing_slicing, reason = "indices stay below the matrix's shape")]

use super::design::Design;
use super::model::{LinearModel, Link};
use super::solve::{add_outer, cholesky_solve};
use crate::Features;
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Target, TrainingSet, Value};

/// Hessians of at most this order are factorised.
const DIRECT: usize = 400;

/// Logistic regression with an L2 penalty.
#[derive(Debug, Clone, Copy)]
pub struct Logistic {
    /// Inverse strength of the penalty, above 0.
    pub c: f64,
    /// Newton steps at most.
    pub max_iter: usize,
    /// Stops when no entry of the gradient exceeds this times the number of rows times `c`.
    pub tol: f64,
}

impl Default for Logistic {
    fn default() -> Self {
        Self { c: 1.0, max_iter: 100, tol: 1e-9 }
    }
}

impl Estimator for Logistic {
    fn params(&self) -> Params {
        [
            ("C", Value::Float(self.c)),
            ("max_iter", Value::Int(self.max_iter as i64)),
            ("tol", Value::Float(self.tol)),
        ]
        .into_iter()
        .map(|(k, v)| (k.into(), v))
        .collect()
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        if !(self.c > 0.0 && self.c.is_finite()) {
            return Err(Error::invalid("expected a finite number above 0").at_key("C"));
        }
        let (codes, outputs, link): (Vec<u32>, usize, Link) = match &data.y {
            Target::Binary(y) => (y.iter().map(|y| u32::from(*y > 0)).collect(), 1, Link::Logit),
            Target::Multiclass { codes, classes } => (codes.clone(), *classes, Link::Softmax),
            Target::Regression(_) => {
                let e = Error::invalid("logistic regression wants classes, not numbers");
                return Err(e.hint("use least squares or ridge"));
            }
        };
        if codes.is_empty() || data.x.rows() != codes.len() {
            return Err(Error::invalid(
                "there are no rows to learn from, or features and target differ in rows",
            ));
        }
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let problem =
            Problem { design: &design, codes: &codes, weight: data.weight.as_deref(), outputs, c: self.c };
        let (w, iterations, converged) = problem.solve(self, cx)?;
        let d = design.width;
        let coef = w.chunks_exact(d + 1).flat_map(|o| &o[..d]).copied().collect();
        let intercept = w.chunks_exact(d + 1).map(|o| o[d]).collect();
        let mut model = LinearModel::new(link, &features, coef, intercept);
        (model.iterations, model.converged) = (iterations, converged);
        Ok(Box::new(model))
    }
}

/// Parameters are laid out output by output: coefficients, then the intercept.
struct Problem<'a> {
    design: &'a Design,
    codes: &'a [u32],
    weight: Option<&'a [f64]>,
    outputs: usize,
    c: f64,
}

impl Problem<'_> {
    fn solve(&self, options: &Logistic, cx: &FitContext) -> Result<(Vec<f64>, usize, bool)> {
        let n = self.outputs * (self.design.width + 1);
        let mut w = vec![0.0; n];
        let mut p = vec![0.0; self.design.rows() * self.outputs];
        let mut loss = self.evaluate(&w, &mut p);
        let limit = options.tol * self.c * self.design.rows() as f64;
        for iteration in 0..options.max_iter {
            cx.cx.check()?;
            let gradient = self.gradient(&w, &p);
            if gradient.iter().all(|g| g.abs() <= limit) {
                return Ok((w, iteration, true));
            }
            let step =
                if n <= DIRECT { self.direct_step(&p, &gradient) } else { self.cg_step(&p, &gradient, cx)? };
            let slope: f64 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
            let mut size = 1.0;
            loop {
                let trial: Vec<f64> = w.iter().zip(&step).map(|(w, s)| w - size * s).collect();
                let new = self.evaluate(&trial, &mut p);
                if new <= loss - 1e-4 * size * slope || size < 1e-10 {
                    let stuck = loss - new <= 1e-15 * loss.abs() && size < 1.0;
                    w = trial;
                    loss = new;
                    if stuck {
                        return Ok((w, iteration + 1, true));
                    }
                    break;
                }
                size *= 0.5;
            }
        }
        Ok((w, options.max_iter, false))
    }

    fn row_weight(&self, row: usize) -> f64 {
        self.c * self.weight.and_then(|w| w.get(row)).copied().unwrap_or(1.0)
    }

    /// The objective; `p` gets each row's probabilities (of the positive class when there is one output).
    fn evaluate(&self, w: &[f64], p: &mut [f64]) -> f64 {
        let (d, k) = (self.design.width, self.outputs);
        let mut loss = 0.0;
        for (row, p) in p.chunks_exact_mut(k).enumerate() {
            let x = self.design.row(row);
            for (p, w) in p.iter_mut().zip(w.chunks_exact(d + 1)) {
                *p = w[d] + x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
            }
            let own = self.codes[row] as usize;
            let one = if k == 1 {
                let z = p[0];
                p[0] = 1.0 / (1.0 + (-z).exp());
                let against = if own == 1 { -z } else { z };
                against.max(0.0) + (-against.abs()).exp().ln_1p()
            } else {
                let z = p[own];
                let max = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                p.iter_mut().for_each(|p| *p = (*p - max).exp());
                let sum: f64 = p.iter().sum();
                p.iter_mut().for_each(|p| *p /= sum);
                max + sum.ln() - z
            };
            loss += self.row_weight(row) * one;
        }
        let penalty: f64 = w.chunks_exact(d + 1).flat_map(|o| &o[..d]).map(|w| w * w).sum();
        loss + 0.5 * penalty
    }

    fn gradient(&self, w: &[f64], p: &[f64]) -> Vec<f64> {
        let (d, k) = (self.design.width, self.outputs);
        let mut g: Vec<f64> = w.to_vec();
        g.chunks_exact_mut(d + 1).for_each(|o| o[d] = 0.0);
        for (row, p) in p.chunks_exact(k).enumerate() {
            let x = self.design.row(row);
            for (class, (g, p)) in g.chunks_exact_mut(d + 1).zip(p).enumerate() {
                let hit = if k == 1 {
                    self.codes[row] as f64
                } else {
                    f64::from(self.codes[row] as usize == class)
                };
                let error = self.row_weight(row) * (p - hit);
                g.iter_mut().zip(x).for_each(|(g, x)| *g += error * x);
                g[d] += error;
            }
        }
        g
    }

    /// The weight of `x xᵀ` in the Hessian's block of two outputs.
    fn curvature(&self, p: &[f64], a: usize, b: usize) -> f64 {
        if self.outputs == 1 {
            return p[0] * (1.0 - p[0]);
        }
        p[a] * (f64::from(a == b) - p[b])
    }

    fn direct_step(&self, p: &[f64], gradient: &[f64]) -> Vec<f64> {
        let (d, k) = (self.design.width, self.outputs);
        let (m, n) = (d + 1, k * (d + 1));
        let mut hessian = vec![0.0; n * n];
        let mut block = vec![0.0; m * m];
        let mut extended = vec![1.0; m];
        for a in 0..k {
            for b in 0..=a {
                block.fill(0.0);
                for (row, p) in p.chunks_exact(k).enumerate() {
                    extended[..d].copy_from_slice(self.design.row(row));
                    add_outer(&mut block, m, &extended, self.row_weight(row) * self.curvature(p, a, b));
                }
                for i in 0..m {
                    for j in 0..=i {
                        hessian[(a * m + i) * n + b * m + j] = block[i * m + j];
                        hessian[(a * m + j) * n + b * m + i] = block[i * m + j];
                    }
                }
            }
            (0..d).for_each(|i| hessian[(a * m + i) * n + a * m + i] += 1.0);
        }
        let mut step = gradient.to_vec();
        cholesky_solve(&mut hessian, &mut step);
        step
    }

    fn hessian_times(&self, p: &[f64], v: &[f64]) -> Vec<f64> {
        let (d, k) = (self.design.width, self.outputs);
        let mut out: Vec<f64> = v.to_vec();
        out.chunks_exact_mut(d + 1).for_each(|o| o[d] = 0.0);
        let mut u = vec![0.0; k];
        for (row, p) in p.chunks_exact(k).enumerate() {
            let x = self.design.row(row);
            for (u, v) in u.iter_mut().zip(v.chunks_exact(d + 1)) {
                *u = v[d] + x.iter().zip(v).map(|(x, v)| x * v).sum::<f64>();
            }
            let mean: f64 = u.iter().zip(p).map(|(u, p)| u * p).sum();
            for (class, out) in out.chunks_exact_mut(d + 1).enumerate() {
                let s = if k == 1 { u[0] * p[0] * (1.0 - p[0]) } else { p[class] * (u[class] - mean) };
                let s = s * self.row_weight(row);
                out.iter_mut().zip(x).for_each(|(o, x)| *o += s * x);
                out[d] += s;
            }
        }
        out
    }

    fn cg_step(&self, p: &[f64], gradient: &[f64], cx: &FitContext) -> Result<Vec<f64>> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut step = vec![0.0; gradient.len()];
        let mut rest = gradient.to_vec();
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
            step.iter_mut().zip(&direction).for_each(|(s, d)| *s += length * d);
            rest.iter_mut().zip(&image).for_each(|(r, i)| *r -= length * i);
            let new = dot(&rest, &rest);
            direction.iter_mut().zip(&rest).for_each(|(d, r)| *d = r + new / size * *d);
            size = new;
        }
        Ok(step)
    }
}

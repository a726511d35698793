//! min Σ aboveᵢ max(rᵢ, 0) + belowᵢ max(−rᵢ, 0) with r = y − Xw: a linear program, solved by a primal-dual interior point
//! method with Mehrotra's corrector on its dual max yᵀa, Xᵀa = 0, −below ≤ a ≤ above (Portnoy and Koenker, The Gaussian
//! Hare and the Laplacian Tortoise, 1997), then moved to the vertex that it came near.
#![allow(clippy::indexing_slicing, reason = "rows and columns stay below the lengths made here")]

use super::numerics::{dot, gram, transposed_times};
use super::solve::cholesky_solve;
use lyceum_core::{FitContext, Result};

/// Steps of the interior point method at most.
const STEPS: usize = 200;

/// The program.
pub(super) struct Pinball<'a> {
    /// Row-major `[rows, width]`.
    pub(super) x: &'a [f64],
    pub(super) width: usize,
    pub(super) y: &'a [f64],
    /// Cost of a residual above 0, above 0 itself.
    pub(super) above: &'a [f64],
    /// Cost of a residual below 0, above 0 itself.
    pub(super) below: &'a [f64],
}

/// What was found.
pub(super) struct Solved {
    pub(super) w: Vec<f64>,
    /// No coefficients have a smaller value: the dual's value.
    pub(super) bound: f64,
    pub(super) steps: usize,
}

/// A point strictly within: r = u − v, `s` and `t` are how far the dual is from its bounds.
struct Point {
    w: Vec<f64>,
    a: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
    s: Vec<f64>,
    t: Vec<f64>,
}

/// A change of a point.
struct Step {
    w: Vec<f64>,
    a: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
}

impl Pinball<'_> {
    fn residuals(&self, w: &[f64]) -> Vec<f64> {
        if self.width == 0 {
            return self.y.to_vec();
        }
        self.x.chunks_exact(self.width).zip(self.y).map(|(x, y)| y - dot(x, w)).collect()
    }

    /// What is minimised.
    pub(super) fn value(&self, w: &[f64]) -> f64 {
        let cost = |(r, (p, m)): (&f64, (&f64, &f64))| if *r > 0.0 { p * r } else { -m * r };
        self.residuals(w).iter().zip(self.above.iter().zip(self.below)).map(cost).sum()
    }

    /// Ends when the gap is at most `gap` of the value, or where rounding stops it.
    pub(super) fn solve(&self, gap: f64, cx: &FitContext) -> Result<Solved> {
        let n = self.y.len();
        let mut at = self.start();
        let mut steps = 0;
        let mut last = f64::INFINITY;
        let mut stalled = 0;
        while steps < STEPS {
            cx.cx.check()?;
            let apart = dot(&at.u, &at.s) + dot(&at.v, &at.t);
            let value = self.value(&at.w);
            if apart <= gap * value.max(1e-12) {
                break;
            }
            stalled = if apart > 0.9 * last { stalled + 1 } else { 0 };
            last = last.min(apart);
            if stalled > 5 || !apart.is_finite() {
                break;
            }
            let mean = apart / (2 * n) as f64;
            let diagonal: Vec<f64> = (0..n).map(|i| 1.0 / (at.u[i] / at.s[i] + at.v[i] / at.t[i])).collect();
            let square = gram(self.x, self.width, Some(&|i| diagonal[i]), cx.threads);
            let plain = self.direction(&at, &diagonal, &square, &|_| [0.0, 0.0], cx.threads);
            let (primal, dual) = longest(&at, &plain);
            let ahead: f64 = (0..n)
                .map(|i| {
                    let (u, v) = (at.u[i] + primal * plain.u[i], at.v[i] + primal * plain.v[i]);
                    u * (at.s[i] - dual * plain.a[i]) + v * (at.t[i] + dual * plain.a[i])
                })
                .sum();
            let centre = mean * (ahead / apart).clamp(0.0, 1.0).powi(3);
            let correct = |i: usize| [centre + plain.u[i] * plain.a[i], centre - plain.v[i] * plain.a[i]];
            let step = self.direction(&at, &diagonal, &square, &correct, cx.threads);
            let (primal, dual) = longest(&at, &step);
            self.take(&mut at, &step, 0.9995 * primal, 0.9995 * dual);
            steps += 1;
        }
        let bound = self.bound(&at.a, cx.threads);
        let vertex = self.vertex(&at);
        let better = |w: &Vec<f64>| {
            let (own, new) = (self.value(&at.w), self.value(w));
            new <= own + 1e-13 * own.abs()
        };
        let w = vertex.filter(better).unwrap_or(at.w);
        Ok(Solved { w, bound, steps })
    }

    /// The dual at 0, or where there is none, between its bounds; the primal at 0.
    fn start(&self) -> Point {
        let n = self.y.len();
        let w = vec![0.0; self.width];
        let (a, s, t) = (vec![0.0; n], self.above.to_vec(), self.below.to_vec());
        let spread = self.y.iter().map(|y| y.abs()).sum::<f64>() / n.max(1) as f64;
        let room = spread.max(1e-3);
        let u = self.y.iter().map(|r| r.max(0.0) + room).collect();
        let v = self.y.iter().map(|r| (-r).max(0.0) + room).collect();
        Point { w, a, u, v, s, t }
    }

    /// Newton's step towards u s = v t = the goals, keeping u − v = y − Xw and Xᵀa = 0.
    fn direction(
        &self,
        at: &Point,
        diagonal: &[f64],
        square: &[f64],
        goal: &dyn Fn(usize) -> [f64; 2],
        threads: usize,
    ) -> Step {
        let n = self.y.len();
        let off = self.residuals(&at.w);
        let from = |i: usize| {
            let [up, down] = goal(i);
            let (gu, gv) = (up / at.s[i] - at.u[i], down / at.t[i] - at.v[i]);
            ([gu, gv], off[i] - at.u[i] + at.v[i] - gu + gv)
        };
        let parts: Vec<([f64; 2], f64)> = (0..n).map(from).collect();
        let right = |i: usize| diagonal[i] * parts[i].1 + at.a[i];
        let b = transposed_times(self.x, self.width, &right, threads);
        let w = solve_scaled(square, &b);
        let mut a = Vec::with_capacity(n);
        for i in 0..n {
            let along = dot(&self.x[i * self.width..(i + 1) * self.width], &w);
            a.push(diagonal[i] * (parts[i].1 - along));
        }
        let u = (0..n).map(|i| parts[i].0[0] + at.u[i] / at.s[i] * a[i]).collect();
        let v = (0..n).map(|i| parts[i].0[1] - at.v[i] / at.t[i] * a[i]).collect();
        Step { w, a, u, v }
    }

    fn take(&self, at: &mut Point, step: &Step, primal: f64, dual: f64) {
        at.w.iter_mut().zip(&step.w).for_each(|(w, d)| *w += primal * d);
        for i in 0..self.y.len() {
            at.u[i] += primal * step.u[i];
            at.v[i] += primal * step.v[i];
            at.a[i] += dual * step.a[i];
            at.s[i] -= dual * step.a[i];
            at.t[i] += dual * step.a[i];
        }
    }

    /// The dual's value at the point nearest to `a` with Xᵀa = 0, drawn within its bounds: whatever the search did, no
    /// coefficients have a smaller value.
    fn bound(&self, a: &[f64], threads: usize) -> f64 {
        let room = |i: usize| ((self.above[i] - a[i]) * (a[i] + self.below[i])).max(0.0);
        let square = gram(self.x, self.width, Some(&room), threads);
        let mut own = a.to_vec();
        for _ in 0..2 {
            let off = transposed_times(self.x, self.width, &|i| own[i], threads);
            let w = solve_scaled(&square, &off);
            for (i, own) in own.iter_mut().enumerate() {
                *own -= room(i) * dot(&self.x[i * self.width..(i + 1) * self.width], &w);
            }
        }
        // 0 is within the bounds and Xᵀ0 = 0, so any share of the way to it is, too.
        let share = (0..own.len()).fold(1.0f64, |m, i| {
            let most = if own[i] > 0.0 { self.above[i] } else { self.below[i] };
            if own[i].abs() > most { m.min(most / own[i].abs()) } else { m }
        });
        share * dot(&own, self.y)
    }

    /// The coefficients at which the rows that are surest to have no residual have none.
    fn vertex(&self, at: &Point) -> Option<Vec<f64>> {
        let d = self.width;
        let mut order: Vec<usize> = (0..self.y.len()).collect();
        // A row on the plane is far from the dual's bounds, all others are at one.
        let sure = |i: usize| (at.u[i] + at.v[i]) / (at.s[i] / self.above[i]).min(at.t[i] / self.below[i]);
        let ranks: Vec<f64> = (0..self.y.len()).map(sure).collect();
        order.sort_by(|a, b| ranks[*a].total_cmp(&ranks[*b]));
        // Gauss-Jordan with rows taken in that order, each as far as the ones before do not explain it.
        let mut kept: Vec<(usize, Vec<f64>)> = Vec::with_capacity(d);
        for row in order.into_iter().take(20 * d + 100) {
            if kept.len() == d {
                break;
            }
            let mut own = self.x[row * d..(row + 1) * d].to_vec();
            own.push(self.y[row]);
            let size = own[..d].iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (pivot, other) in &kept {
                let factor = own[*pivot];
                own.iter_mut().zip(other).for_each(|(o, x)| *o -= factor * x);
                own[*pivot] = 0.0;
            }
            let pivot = (0..d).max_by(|a, b| own[*a].abs().total_cmp(&own[*b].abs()))?;
            if own[pivot].abs() <= 1e-9 * size || size == 0.0 {
                continue;
            }
            let over = own[pivot];
            own.iter_mut().for_each(|o| *o /= over);
            own[pivot] = 1.0;
            for (_, other) in &mut kept {
                let factor = other[pivot];
                other.iter_mut().zip(&own).for_each(|(o, x)| *o -= factor * x);
                other[pivot] = 0.0;
            }
            kept.push((pivot, own));
        }
        let mut w = vec![0.0; d];
        // Columns that no row decides stay at 0.
        for (pivot, own) in &kept {
            w[*pivot] = own[d];
        }
        Some(w)
    }
}

/// How far the primal and the dual may go along a step, at most 1.
fn longest(at: &Point, step: &Step) -> (f64, f64) {
    let (mut primal, mut dual) = (1.0f64, 1.0f64);
    let bound = |most: &mut f64, value: f64, change: f64| {
        if change < 0.0 {
            *most = most.min(-value / change);
        }
    };
    for i in 0..at.u.len() {
        bound(&mut primal, at.u[i], step.u[i]);
        bound(&mut primal, at.v[i], step.v[i]);
        bound(&mut dual, at.s[i], -step.a[i]);
        bound(&mut dual, at.t[i], step.a[i]);
    }
    (primal, dual)
}

/// Solves with a diagonal of 1 and one step of refinement; a variable that others explain gets 0.
fn solve_scaled(square: &[f64], b: &[f64]) -> Vec<f64> {
    let d = b.len();
    let root = |v: f64| if v > 0.0 { 1.0 / v.sqrt() } else { 0.0 };
    let scale: Vec<f64> = (0..d).map(|j| root(square[j * d + j])).collect();
    let even: Vec<f64> = (0..d * d).map(|at| square[at] * scale[at / d] * scale[at % d]).collect();
    let right: Vec<f64> = b.iter().zip(&scale).map(|(b, s)| b * s).collect();
    let mut w = vec![0.0; d];
    for _ in 0..2 {
        let mut rest: Vec<f64> = (0..d).map(|i| right[i] - dot(&even[i * d..(i + 1) * d], &w)).collect();
        cholesky_solve(&mut even.clone(), &mut rest);
        w.iter_mut().zip(&rest).for_each(|(w, r)| *w += r);
    }
    w.iter_mut().zip(&scale).for_each(|(w, s)| *w *= s);
    w
}

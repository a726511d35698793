//! What a leaf's outputs and gains are, with all that may constrain them.
//!
//! Source: LightGBM's leaf output (L1, L2, largest step, smoothing towards the parent, bounds of monotone constraints)
//! and its penalty of monotone splits.

use super::monotone::{Bounds, NO_BOUNDS};
use crate::boosting::params::TreeParams;

/// Keeps sums of hessians from being 0.
pub(super) const EPSILON: f64 = 1e-15;

/// Gradient sum after L1.
pub(super) fn soften(gradient: f64, l1: f64) -> f64 {
    gradient.signum() * (gradient.abs() - l1).max(0.0)
}

/// The output of a leaf that minimises the loss.
pub(super) fn output(gradient: f64, hessian: f64, l1: f64, l2: f64) -> f64 {
    -soften(gradient, l1) / (hessian + l2)
}

/// Twice the loss that a leaf takes away.
pub(super) fn leaf_gain(gradient: f64, hessian: f64, l1: f64, l2: f64) -> f64 {
    let g = soften(gradient, l1);
    g * g / (hessian + l2)
}

/// What holds for the children of a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    pub(super) p: &'a TreeParams,
    /// The leaf's own output, which smoothing pulls its children towards.
    pub(super) parent: f64,
    /// Least and greatest output.
    pub(super) bounds: Bounds,
    /// The bounds of the left and of the right side of a split after each bin, where they differ from bin to bin.
    pub(super) by_bin: &'a [(Bounds, Bounds)],
    /// Direction of the feature that is split: -1, 0, 1.
    pub(super) direction: i8,
}

impl<'a> Limits<'a> {
    /// No bounds.
    pub(super) fn free(p: &'a TreeParams) -> Self {
        Self { p, parent: 0.0, bounds: NO_BOUNDS, by_bin: &[], direction: 0 }
    }

    /// The same without bounds of monotone constraints: what a leaf is worth before it is split.
    pub(super) fn unbounded(&self) -> Self {
        Self { bounds: NO_BOUNDS, by_bin: &[], direction: 0, ..*self }
    }

    /// Whether gains have their short form.
    pub(super) fn plain(&self) -> bool {
        self.p.max_delta_step <= 0.0
            && self.p.path_smooth <= 0.0
            && self.direction == 0
            && self.bounds == NO_BOUNDS
            && self.by_bin.is_empty()
    }

    /// The output of a side.
    pub(super) fn output(&self, (g, h): (f64, f64), rows: usize, l2: f64) -> f64 {
        let mut w = output(g, h, self.p.lambda_l1, l2);
        if self.p.max_delta_step > 0.0 {
            w = w.clamp(-self.p.max_delta_step, self.p.max_delta_step);
        }
        if self.p.path_smooth > 0.0 {
            let n = rows as f64 / self.p.path_smooth;
            w = (w * n + self.parent) / (n + 1.0);
        }
        w.min(self.bounds.1).max(self.bounds.0)
    }

    /// Twice the loss that a side takes away at its output.
    pub(super) fn side_gain(&self, sums: (f64, f64), rows: usize, l2: f64) -> f64 {
        if self.plain() {
            return leaf_gain(sums.0, sums.1, self.p.lambda_l1, l2);
        }
        let w = self.output(sums, rows, l2);
        self.gain_at(sums, w, l2)
    }

    /// As that, at any output.
    pub(super) fn gain_at(&self, (g, h): (f64, f64), w: f64, l2: f64) -> f64 {
        -(2.0 * soften(g, self.p.lambda_l1) * w + (h + l2) * w * w)
    }

    /// The gain of both sides; nothing where a monotone feature would turn.
    pub(super) fn gain(&self, left: ((f64, f64), usize), right: ((f64, f64), usize), l2: f64) -> Option<f64> {
        if self.plain() {
            return Some(self.side_gain(left.0, left.1, l2) + self.side_gain(right.0, right.1, l2));
        }
        self.gain_within((self.bounds, self.bounds), left, right, l2)
    }

    /// As [`Limits::gain`], of a split after a bin.
    pub(super) fn gain_after(
        &self,
        bin: usize,
        left: ((f64, f64), usize),
        right: ((f64, f64), usize),
        l2: f64,
    ) -> Option<f64> {
        match self.by_bin.get(bin) {
            None => self.gain(left, right, l2),
            Some(bounds) => self.gain_within(*bounds, left, right, l2),
        }
    }

    fn gain_within(
        &self,
        bounds: (Bounds, Bounds),
        left: ((f64, f64), usize),
        right: ((f64, f64), usize),
        l2: f64,
    ) -> Option<f64> {
        if bounds.0.0 > bounds.0.1 || bounds.1.0 > bounds.1.1 {
            return None;
        }
        let a = Self { bounds: bounds.0, ..*self }.output(left.0, left.1, l2);
        let b = Self { bounds: bounds.1, ..*self }.output(right.0, right.1, l2);
        let turns = match self.direction {
            1 => a > b,
            -1 => a < b,
            _ => false,
        };
        (!turns).then(|| self.gain_at(left.0, a, l2) + self.gain_at(right.0, b, l2))
    }
}

/// The factor of a monotone feature's gain at a depth.
pub(super) fn monotone_factor(penalty: f64, depth: i64) -> f64 {
    let depth = depth as f64;
    if penalty >= depth + 1.0 {
        EPSILON
    } else if penalty <= 1.0 {
        1.0 - penalty / depth.exp2() + EPSILON
    } else {
        1.0 - (penalty - 1.0 - depth).exp2() + EPSILON
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_form_agree() {
        let p = TreeParams { lambda_l1: 0.3, lambda_l2: 2.0, ..TreeParams::default() };
        let free = Limits::free(&p);
        let wide = Limits { bounds: (-1e9, 1e9), ..free };
        let sides = (((-5.0, 3.0), 9), ((2.0, 4.0), 7));
        let (a, b) = (free.gain(sides.0, sides.1, 2.0), wide.gain(sides.0, sides.1, 2.0));
        assert!(a.zip(b).is_some_and(|(a, b)| (a - b).abs() < 1e-12));
        let rising = Limits { direction: 1, ..free };
        assert_eq!(rising.gain(sides.0, sides.1, 2.0), None);
    }

    #[test]
    fn smoothing_and_steps() {
        let p = TreeParams { path_smooth: 10.0, max_delta_step: 0.5, ..TreeParams::default() };
        let l = Limits { parent: 0.2, ..Limits::free(&p) };
        assert!((l.output((-8.0, 4.0), 10, 0.0) - (0.5 + 0.2) / 2.0).abs() < 1e-12);
        assert!((monotone_factor(0.5, 1) - 0.75).abs() < 1e-12);
        assert!(monotone_factor(2.0, 0) < 1e-12);
    }
}

//! Objectives of a distance: squared, absolute, Huber, Fair, quantile, relative. Those whose curvature says nothing
//! renew a leaf's output with a percentile of what is left.
#![allow(clippy::indexing_slicing, reason = "rows stay below the labels' length")]

use super::loss::{Rows, in_chunks};
use super::percentile::{percentile, weighted};
use super::{Kind, Loss, Objective};
use lyceum_tensor::Pool;
use std::borrow::Cow;

pub(super) struct Regression<'a> {
    kind: Kind,
    alpha: f64,
    fair_c: f64,
    boost_from_average: bool,
    y: Cow<'a, [f64]>,
    weight: Option<Cow<'a, [f64]>>,
}

impl<'a> Regression<'a> {
    pub(super) fn new(o: &Objective, rows: Rows<'a>) -> Self {
        let y = match o.kind {
            Kind::Regression if o.reg_sqrt => {
                rows.y.iter().map(|y| y.signum() * y.abs().sqrt()).collect::<Vec<_>>().into()
            }
            _ => Cow::Borrowed(rows.y),
        };
        let weight = match o.kind {
            Kind::Mape => {
                let one = |(i, y): (usize, &f64)| rows.weight(i) / y.abs().max(1.0);
                Some(rows.y.iter().enumerate().map(one).collect::<Vec<_>>().into())
            }
            _ => rows.weight.map(Cow::Borrowed),
        };
        Self {
            kind: o.kind,
            alpha: o.alpha,
            fair_c: o.fair_c,
            boost_from_average: o.boost_from_average,
            y,
            weight,
        }
    }

    /// The level of the percentile that is optimal, where one is.
    fn level(&self) -> Option<f64> {
        match self.kind {
            Kind::RegressionL1 | Kind::Mape => Some(0.5),
            Kind::Quantile => Some(self.alpha),
            _ => None,
        }
    }

    fn one(&self, difference: f64) -> (f64, f64) {
        match self.kind {
            Kind::RegressionL1 | Kind::Mape => {
                (if difference == 0.0 { 0.0 } else { difference.signum() }, 1.0)
            }
            Kind::Huber => (difference.clamp(-self.alpha, self.alpha), 1.0),
            Kind::Fair => {
                let c = self.fair_c;
                let size = difference.abs() + c;
                (c * difference / size, c * c / (size * size))
            }
            Kind::Quantile => (if difference >= 0.0 { 1.0 - self.alpha } else { -self.alpha }, 1.0),
            _ => (difference, 1.0),
        }
    }

    fn percentile_of(
        &self,
        rows: impl Iterator<Item = usize>,
        value: impl Fn(usize) -> f64,
        level: f64,
    ) -> f64 {
        match &self.weight {
            Some(w) => weighted(&mut rows.map(|r| (value(r), w[r])).collect::<Vec<_>>(), level),
            None => percentile(&mut rows.map(value).collect::<Vec<_>>(), level),
        }
    }
}

impl Loss for Regression<'_> {
    fn start(&self) -> Vec<f64> {
        if !self.boost_from_average {
            return vec![0.0];
        }
        if let Some(level) = self.level() {
            return vec![self.percentile_of(0..self.y.len(), |r| self.y[r], level)];
        }
        let weight = |r: usize| self.weight.as_ref().map_or(1.0, |w| w[r]);
        let total: f64 = (0..self.y.len()).map(weight).sum();
        vec![self.y.iter().enumerate().map(|(r, y)| y * weight(r)).sum::<f64>() / total]
    }

    fn gradients(&self, _: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        in_chunks(pool, g, h, |rows, g, h| {
            for (i, r) in rows.enumerate() {
                let (slope, curve) = self.one(score[r] - self.y[r]);
                let w = self.weight.as_ref().map_or(1.0, |w| w[r]);
                g[i] = (slope * w) as f32;
                h[i] = (curve * w) as f32;
            }
        });
    }

    fn renew(&self, _: usize, rows: &[u32], score: &[f64]) -> Option<f64> {
        let rows = rows.iter().map(|r| *r as usize);
        Some(self.percentile_of(rows, |r| self.y[r] - score[r], self.level()?))
    }
}

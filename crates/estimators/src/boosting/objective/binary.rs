//! Log loss of two classes.
#![allow(clippy::indexing_slicing, reason = "rows stay below the labels' length")]

use super::loss::{Rows, in_chunks};
use super::{Loss, Objective};
use lyceum_core::{Error, Result};
use lyceum_tensor::{Pool, kernels};

pub(super) struct Binary<'a> {
    sigmoid: f32,
    boost_from_average: bool,
    rows: Rows<'a>,
    /// 1 for positive rows, -1 for others.
    sign: Vec<f32>,
    /// Weights of negative and positive rows.
    class: [f32; 2],
}

impl<'a> Binary<'a> {
    /// Rows with a label above 0 are positive.
    pub(super) fn new(o: &Objective, rows: Rows<'a>) -> Result<Self> {
        Self::among(o, rows, |y| y > 0.0)
    }

    /// Rows whose label passes a test are positive.
    pub(super) fn among(o: &Objective, rows: Rows<'a>, is_positive: impl Fn(f64) -> bool) -> Result<Self> {
        let sign: Vec<f32> = rows.y.iter().map(|y| if is_positive(*y) { 1.0 } else { -1.0 }).collect();
        let positives = sign.iter().filter(|s| **s > 0.0).count() as f64;
        let negatives = sign.len() as f64 - positives;
        if positives == 0.0 || negatives == 0.0 {
            let which = if positives == 0.0 { "0 or less" } else { "above 0" };
            return Err(Error::invalid(format!("all labels are {which}: there is only one class")));
        }
        let mut class = [1.0, o.scale_pos_weight as f32];
        if o.is_unbalance {
            class = [(positives / negatives).max(1.0) as f32, (negatives / positives).max(1.0) as f32];
        }
        let boost_from_average = o.boost_from_average;
        Ok(Self { sigmoid: o.sigmoid as f32, boost_from_average, rows, sign, class })
    }
}

impl Loss for Binary<'_> {
    fn start(&self) -> Vec<f64> {
        if !self.boost_from_average {
            return vec![0.0];
        }
        let (mut positive, mut total) = (0.0, 0.0);
        for (r, sign) in self.sign.iter().enumerate() {
            let w = self.rows.weight(r);
            total += w;
            positive += if *sign > 0.0 { w } else { 0.0 };
        }
        let p = f64::clamp(positive / total, 1e-15, 1.0 - 1e-15);
        vec![(p / (1.0 - p)).ln() / f64::from(self.sigmoid)]
    }

    fn gradients(&self, _: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        let s = self.sigmoid;
        in_chunks(pool, g, h, |rows, g, h| {
            let (score, sign) = (&score[rows.clone()], &self.sign[rows.clone()]);
            for ((g, score), sign) in g.iter_mut().zip(score).zip(sign) {
                *g = sign * s * *score as f32;
            }
            kernels::exp_all(g, 0.0);
            for ((g, h), sign) in g.iter_mut().zip(h.iter_mut()).zip(sign) {
                let size = s / (1.0 + *g);
                *g = -sign * size;
                *h = size * (s - size);
            }
            if self.class != [1.0, 1.0] {
                for ((g, h), sign) in g.iter_mut().zip(h.iter_mut()).zip(sign) {
                    let w = if *sign > 0.0 { self.class[1] } else { self.class[0] };
                    (*g, *h) = (*g * w, *h * w);
                }
            }
            if let Some(weight) = self.rows.weight {
                for ((g, h), w) in g.iter_mut().zip(h).zip(&weight[rows]) {
                    (*g, *h) = (*g * *w as f32, *h * *w as f32);
                }
            }
        });
    }
}

//! Several classes: one softmax, or a log loss for each.
#![allow(clippy::indexing_slicing, reason = "rows and classes stay below the lengths made here")]

use super::binary::Binary;
use super::loss::Rows;
use super::{Loss, Objective};
use crate::boosting::model::softmax;
use lyceum_core::Result;
use lyceum_tensor::Pool;
use std::sync::{Mutex, PoisonError};

pub(super) struct Softmax<'a> {
    classes: usize,
    boost_from_average: bool,
    rows: Rows<'a>,
}

impl<'a> Softmax<'a> {
    pub(super) fn new(o: &Objective, rows: Rows<'a>) -> Self {
        Self { classes: o.num_class, boost_from_average: o.boost_from_average, rows }
    }
}

impl Loss for Softmax<'_> {
    fn start(&self) -> Vec<f64> {
        let mut mass = vec![0.0; self.classes];
        if self.boost_from_average {
            let total: f64 = (0..self.rows.y.len()).map(|r| self.rows.weight(r)).sum();
            self.rows.y.iter().enumerate().for_each(|(r, y)| mass[*y as usize] += self.rows.weight(r));
            mass.iter_mut().for_each(|m| *m = (*m / total).max(1e-15).ln());
        }
        mass
    }

    fn gradients(&self, _: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        const CHUNK: usize = 1024;
        let (k, rows) = (self.classes, self.rows.y.len());
        let factor = k as f64 / (k as f64 - 1.0);
        // A chunk of rows of every class is one task.
        let parts = cut(g, h, rows, CHUNK);
        pool.run_near(parts.len(), |i| {
            let mut part = parts[i].lock().unwrap_or_else(PoisonError::into_inner);
            let mut p = vec![0.0; k];
            let here = part[0].0.len();
            for at in 0..here {
                let r = i * CHUNK + at;
                (0..k).for_each(|c| p[c] = score[c * rows + r]);
                softmax(&mut p);
                let w = self.rows.weight(r);
                for (c, (g, h)) in part.iter_mut().enumerate() {
                    let hit = f64::from(u8::from(self.rows.y[r] as usize == c));
                    g[at] = (w * (p[c] - hit)) as f32;
                    h[at] = (w * factor * p[c] * (1.0 - p[c])) as f32;
                }
            }
        });
    }
}

/// The gradients and hessians of some rows, one pair a class.
type Part<'a> = Vec<(&'a mut [f32], &'a mut [f32])>;

fn cut<'a>(g: &'a mut [f32], h: &'a mut [f32], rows: usize, chunk: usize) -> Vec<Mutex<Part<'a>>> {
    let mut parts: Vec<Part<'a>> = (0..rows.div_ceil(chunk)).map(|_| Vec::new()).collect();
    for (g, h) in g.chunks_mut(rows).zip(h.chunks_mut(rows)) {
        let pairs = g.chunks_mut(chunk).zip(h.chunks_mut(chunk));
        pairs.zip(&mut parts).for_each(|(pair, part)| part.push(pair));
    }
    parts.into_iter().map(Mutex::new).collect()
}

pub(super) struct OneVsAll<'a>(Vec<Binary<'a>>);

impl<'a> OneVsAll<'a> {
    pub(super) fn new(o: &Objective, rows: Rows<'a>) -> Result<Self> {
        let one = |class: usize| Binary::among(o, rows, |y| y as usize == class);
        Ok(Self((0..o.num_class).map(one).collect::<Result<_>>()?))
    }
}

impl Loss for OneVsAll<'_> {
    fn start(&self) -> Vec<f64> {
        self.0.iter().flat_map(Binary::start).collect()
    }

    fn gradients(&self, iteration: usize, score: &[f64], g: &mut [f32], h: &mut [f32], pool: &Pool) {
        let rows = score.len() / self.0.len().max(1);
        let parts = g.chunks_mut(rows).zip(h.chunks_mut(rows)).zip(score.chunks(rows));
        for (one, ((g, h), score)) in self.0.iter().zip(parts) {
            one.gradients(iteration, score, g, h, pool);
        }
    }
}

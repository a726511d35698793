//! What a model says of many rows: raw scores, predictions, leaves, contributions.
//!
//! The layout is chosen by the model: bit masks over tiles of 64 rows or 16 words of one row where no tree is very large,
//! else a walk of several trees side by side; early stopping and linear leaves take the trees one row at a time. Sums
//! are of f64 in the order of the trees, so that every layout gives the same bits.
#![allow(clippy::indexing_slicing, reason = "rows, trees and outputs stay below the lengths made here")]

mod compiled;
mod masks;
mod shap;

pub(super) use compiled::Compiled;
pub(super) use masks::Bits;

use super::matrix::Matrix;
use super::model::Booster;
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// When a row's remaining trees are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStop {
    /// Iterations between looks, from 1.
    pub freq: usize,
    /// Margin that is enough: twice the size of a binary raw score, the best less the second best of several.
    pub margin: f64,
}

/// How to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct Predict {
    /// The iterations whose trees count.
    pub iterations: Range<usize>,
    /// Threads to use.
    pub threads: usize,
    /// Whether rows may stop before the last tree; ignored where the objective has no margin.
    pub early_stop: Option<EarlyStop>,
}

impl Predict {
    /// All trees of a model, on all processors.
    pub fn of(model: &Booster) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self { iterations: 0..model.iterations(), threads, early_stop: None }
    }
}

/// Rows that a task predicts.
const CHUNK: usize = 1024;

impl Booster {
    /// Raw scores, row-major `[rows, per_iteration]`: sums of the trees, of a forest too.
    ///
    /// # Errors
    /// Rows with fewer columns than the model has features.
    pub fn raw_rows(&self, x: &Matrix<'_>, how: &Predict) -> Result<Vec<f64>> {
        self.fits(x)?;
        let k = self.per_iteration;
        let trees = self.trees_of(&how.iterations);
        let early = how.early_stop.filter(|_| self.has_margin());
        let compiled = self.compiled();
        let mut out = vec![0.0; x.rows() * k];
        self.in_chunks(&mut out, k, how.threads, |rows, out| match early {
            None if compiled.tiles() => compiled.tiled(x, rows, &trees, k, out),
            _ => {
                let mut row = vec![0.0; x.width()];
                for (r, out) in rows.zip(out.chunks_exact_mut(k)) {
                    x.row(r, &mut row);
                    self.one(&row, how, early, out);
                }
            }
        });
        Ok(out)
    }

    /// Predictions, row-major `[rows, per_iteration]`: raw scores (a forest's averaged) after the objective's transform.
    ///
    /// # Errors
    /// As [`Booster::raw_rows`].
    pub fn predict_rows(&self, x: &Matrix<'_>, how: &Predict) -> Result<Vec<f64>> {
        let mut out = self.raw_rows(x, how)?;
        let k = self.per_iteration;
        if self.average_output {
            let n = how.iterations.len().max(1) as f64;
            out.iter_mut().for_each(|s| *s /= n);
        }
        let transform = self.transform;
        if transform != super::Transform::Identity {
            self.in_chunks(&mut out, k, how.threads, |_, out| {
                let mut raw = vec![0.0; k];
                for row in out.chunks_exact_mut(k) {
                    raw.copy_from_slice(row);
                    transform.apply(&raw, row);
                }
            });
        }
        Ok(out)
    }

    /// The leaf of every row in every tree, row-major `[rows, trees]`.
    ///
    /// # Errors
    /// As [`Booster::raw_rows`].
    pub fn leaf_rows(&self, x: &Matrix<'_>, how: &Predict) -> Result<Vec<u32>> {
        self.fits(x)?;
        let trees = &self.trees[self.trees_of(&how.iterations)];
        let width = trees.len();
        let mut out = vec![0u32; x.rows() * width];
        self.in_chunks(&mut out, width, how.threads, |rows, out| {
            let mut row = vec![0.0; x.width()];
            for (r, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                x.row(r, &mut row);
                out.iter_mut().zip(trees).for_each(|(out, tree)| *out = tree.leaf(&row) as u32);
            }
        });
        Ok(out)
    }

    /// What each feature adds to each raw score, row-major `[rows, per_iteration · (features + 1)]`, the expected value
    /// last in each block: path-dependent TreeSHAP (Lundberg et al. 2020) with the rows of training as cover.
    ///
    /// # Errors
    /// As [`Booster::raw_rows`]; linear leaves, or more than 256 features on a path of a tree.
    pub fn contribution_rows(&self, x: &Matrix<'_>, how: &Predict) -> Result<Vec<f64>> {
        self.fits(x)?;
        self.explains()?;
        let k = self.per_iteration;
        let width = (self.features.len() + 1) * k;
        let trees = &self.trees[self.trees_of(&how.iterations)];
        let shares = shap::Shares::new(trees, k, self.features.len())?;
        let mut out = vec![0.0; x.rows() * width];
        self.in_chunks(&mut out, width, how.threads, |rows, out| {
            let mut own = vec![0.0; x.width() * rows.len()];
            own.chunks_exact_mut(x.width().max(1)).zip(rows).for_each(|(row, r)| x.row(r, row));
            shares.add(&own, x.width(), &mut shap::Room::default(), out);
        });
        Ok(out)
    }

    /// What each pair of features adds to each raw score, row-major `[rows, per_iteration, features + 1, features + 1]`:
    /// symmetric, a feature's row sums to its contribution, the expected value in the last corner (Lundberg et al. 2020).
    ///
    /// # Errors
    /// As [`Booster::contribution_rows`].
    pub fn interaction_rows(&self, x: &Matrix<'_>, how: &Predict) -> Result<Vec<f64>> {
        self.fits(x)?;
        self.explains()?;
        let k = self.per_iteration;
        let width = (self.features.len() + 1).pow(2) * k;
        let shares = shap::Shares::new(&self.trees[self.trees_of(&how.iterations)], k, self.features.len())?;
        let mut out = vec![0.0; x.rows() * width];
        self.in_chunks(&mut out, width, how.threads, |rows, out| {
            let (mut row, mut room) = (vec![0.0; x.width()], shap::Room::default());
            for (r, out) in rows.zip(out.chunks_exact_mut(width)) {
                x.row(r, &mut row);
                shares.interactions(&row, &mut room, out);
            }
        });
        Ok(out)
    }

    fn explains(&self) -> Result<()> {
        if self.trees.iter().any(super::Tree::is_linear) {
            return Err(Error::unsupported("models with linear leaves have no contributions"));
        }
        Ok(())
    }

    fn fits(&self, x: &Matrix<'_>) -> Result<()> {
        if x.width() < self.features.len() {
            let message =
                format!("the rows have {} columns, the model {} features", x.width(), self.features.len());
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    fn trees_of(&self, iterations: &Range<usize>) -> Range<usize> {
        let k = self.per_iteration;
        (iterations.start * k).min(self.trees.len())..(iterations.end * k).min(self.trees.len())
    }

    fn has_margin(&self) -> bool {
        !self.average_output && (self.per_iteration > 1 || self.objective.starts_with("binary"))
    }

    /// One row, tree after tree, until its margin is enough.
    fn one(&self, row: &[f64], how: &Predict, early: Option<EarlyStop>, out: &mut [f64]) {
        out.fill(0.0);
        let k = self.per_iteration;
        for (done, iteration) in how.iterations.clone().enumerate() {
            for (class, out) in out.iter_mut().enumerate() {
                if let Some(tree) = self.trees.get(iteration * k + class) {
                    *out += tree.predict(row);
                }
            }
            if let Some(early) = early
                && (done + 1) % early.freq == 0
                && margin(out) > early.margin
            {
                return;
            }
        }
    }

    /// Runs `task(rows, outputs)` over chunks of all rows.
    fn in_chunks<T: Send>(
        &self,
        out: &mut [T],
        width: usize,
        threads: usize,
        task: impl Fn(Range<usize>, &mut [T]) + Sync,
    ) {
        if width == 0 || out.is_empty() {
            return;
        }
        let rows = out.len() / width;
        // A task is whole tiles of rows, some a thread.
        let chunk = rows.div_ceil(threads.max(1)).div_ceil(4).next_multiple_of(64).clamp(64, CHUNK);
        if rows <= chunk || threads <= 1 {
            task(0..rows, out);
            return;
        }
        let own;
        let pool = if Pool::global().threads() == threads {
            Pool::global()
        } else {
            own = Pool::new(threads);
            &own
        };
        let parts: Vec<Mutex<&mut [T]>> = out.chunks_mut(chunk * width).map(Mutex::new).collect();
        pool.run(parts.len(), |i| {
            let mut part = parts[i].lock().unwrap_or_else(PoisonError::into_inner);
            let from = i * chunk;
            task(from..from + part.len() / width, &mut part);
        });
    }
}

/// Twice the size of one raw score; of several the best less the second best.
fn margin(raw: &[f64]) -> f64 {
    match raw {
        [one] => 2.0 * one.abs(),
        _ => {
            let (mut best, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
            for x in raw {
                if *x > best {
                    (best, second) = (*x, best);
                } else if *x > second {
                    second = *x;
                }
            }
            best - second
        }
    }
}

//! Rows by class: what both discriminants learn from.
#![allow(clippy::indexing_slicing, reason = "classes, rows and columns stay below their numbers")]

use crate::Features;
use crate::linear::{Design, classes, weights};
use lyceum_core::{Error, Result, TrainingSet};

/// A training set as a matrix, with its rows by class.
pub(super) struct Groups {
    pub(super) features: Features,
    pub(super) design: Design,
    /// Of each class: its rows of weight above 0, with their weights.
    rows: Vec<Vec<(usize, f64)>>,
    /// Weight of each class.
    pub(super) totals: Vec<f64>,
    /// Mean of each class, row-major `[classes, width]`.
    pub(super) means: Vec<f64>,
}

impl Groups {
    /// # Errors
    /// A target of numbers, a class without rows, fewer rows than classes + 1, features that are not complete numbers.
    pub(super) fn new(data: &TrainingSet) -> Result<Self> {
        let (codes, k) = classes(&data.y)?;
        if data.x.rows() != codes.len() {
            return Err(Error::invalid("features and target differ in rows"));
        }
        if codes.len() <= k {
            let message = format!("{} rows are too few for the covariance within {k} classes", codes.len());
            return Err(Error::invalid(message));
        }
        let weight = weights(data)?;
        let features = Features::of(&data.x)?;
        let design = Design::new(&features, &data.x)?;
        let mut rows = vec![Vec::new(); k];
        for (row, code) in codes.iter().enumerate() {
            let w = weight.as_ref().map_or(1.0, |w| w[row]);
            if w > 0.0 {
                rows[*code as usize].push((row, w));
            }
        }
        if let Some(class) = rows.iter().position(Vec::is_empty) {
            return Err(Error::invalid(format!("no row is of class {class}, so it has no mean")));
        }
        let totals: Vec<f64> = rows.iter().map(|r| r.iter().map(|r| r.1).sum()).collect();
        let mut means = vec![0.0; k * design.width];
        for ((own, total), mean) in rows.iter().zip(&totals).zip(means.chunks_exact_mut(design.width.max(1)))
        {
            for (row, w) in own {
                mean.iter_mut().zip(design.row(*row)).for_each(|(m, x)| *m += w / total * x);
            }
        }
        Ok(Self { features, design, rows, totals, means })
    }

    /// Number of classes.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn mean(&self, class: usize) -> &[f64] {
        &self.means[class * self.design.width..(class + 1) * self.design.width]
    }

    /// Weight of all rows.
    pub(super) fn total(&self) -> f64 {
        self.totals.iter().sum()
    }

    /// Rows of a class minus its mean, one after the other.
    pub(super) fn centred(&self, class: usize) -> Vec<f64> {
        let mean = self.mean(class);
        let own = self.rows[class].iter();
        own.flat_map(|(row, _)| self.design.row(*row).iter().zip(mean).map(|(x, m)| x - m)).collect()
    }

    /// Weight of a class's row.
    pub(super) fn weight(&self, class: usize, row: usize) -> f64 {
        self.rows[class][row].1
    }
}

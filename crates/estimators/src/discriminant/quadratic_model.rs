//! A fitted quadratic discriminant: for each class its mean and the matrix that makes its rows white.

use super::one_row::OneRow;
use crate::Features;
use crate::linear::Design;
use lyceum_core::{Error, Model, Prediction, Result, RowPredictor, Table};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Normal distributions, one a class. A class's score is its `constant` minus half the squared size of its white row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuadraticModel {
    names: Vec<Arc<str>>,
    pub(super) levels: Vec<Option<Vec<Arc<str>>>>,
    /// Columns of the dense matrix that scores are made of, rising.
    pub(super) used: Vec<usize>,
    pub(super) classes: Vec<Class>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Class {
    /// ln prior − ½ ln|Σ|.
    constant: f64,
    /// One a used column.
    mean: Vec<f64>,
    /// Row-major `[used, used]`; its rows are the class's principal axes over their standard deviations.
    whiten: Vec<f64>,
}

/// The file of a saved model within its folder.
const FILE: &str = "quadratic_discriminant.json";

impl QuadraticModel {
    pub(super) fn new(features: &Features, used: Vec<usize>) -> Self {
        let levels = features.levels.iter().map(|l| l.as_ref().map(|l| l.to_vec())).collect();
        Self { names: features.names.clone(), levels, used, classes: Vec::new() }
    }

    pub(super) fn push(&mut self, constant: f64, mean: Vec<f64>, whiten: Vec<f64>) {
        self.classes.push(Class { constant, mean, whiten });
    }

    fn features(&self) -> Features {
        let levels = self.levels.iter().map(|l| l.as_ref().map(|l| Arc::from(l.as_slice()))).collect();
        Features { names: self.names.clone(), levels }
    }

    /// Loads what [`Model::save`] wrote.
    ///
    /// # Errors
    /// A file that is not there or not such a model.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
        let model: Self =
            serde_json::from_str(&text).map_err(|e| Error::corrupt(e.to_string()).in_file(&path))?;
        let m = model.used.len();
        let width: usize = model.levels.iter().map(|l| l.as_ref().map_or(1, Vec::len)).sum();
        let fits = |c: &Class| c.mean.len() == m && c.whiten.len() == m * m;
        let sound = model.names.len() == model.levels.len()
            && model.used.iter().all(|j| *j < width)
            && model.classes.len() > 1
            && model.classes.iter().all(fits);
        if sound {
            return Ok(model);
        }
        Err(Error::corrupt("classes and features do not fit each other").in_file(&path))
    }
}

impl Class {
    fn score(&self, row: &[f64]) -> f64 {
        let white = self.whiten.chunks_exact(self.mean.len().max(1)).map(|axis| {
            axis.iter().zip(row.iter().zip(&self.mean)).map(|(a, (x, m))| a * (x - m)).sum::<f64>()
        });
        self.constant - 0.5 * white.map(|z| z * z).sum::<f64>()
    }
}

/// Probabilities of a row's used cells, one a class; false where every class's is 0 to the last bit.
pub(super) fn probabilities(classes: &[Class], cells: &[f64], p: &mut [f64]) -> bool {
    p.iter_mut().zip(classes).for_each(|(p, class)| *p = class.score(cells));
    let most = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return false;
    }
    p.iter_mut().for_each(|p| *p = (*p - most).exp());
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    true
}

impl Model for QuadraticModel {
    fn predict(&self, x: &Table) -> Result<Prediction> {
        let design = Design::new(&self.features(), x)?;
        let classes = self.classes.len();
        let mut p = vec![0.0; x.rows() * classes];
        let mut cells = vec![0.0; self.used.len()];
        for (row, p) in p.chunks_exact_mut(classes).enumerate() {
            let wide = design.row(row);
            cells.iter_mut().zip(&self.used).for_each(|(c, j)| *c = wide.get(*j).copied().unwrap_or(0.0));
            if !probabilities(&self.classes, &cells, p) {
                return Err(Error::invalid(format!("row {} is too far from every class", row + 1)));
            }
        }
        Ok(Prediction::Probabilities { p, classes })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).map_err(|e| Error::internal(e.to_string()))?;
        lyceum_core::write_atomic(folder.join(FILE), &json)
    }

    fn row(&self) -> Option<Box<dyn RowPredictor + '_>> {
        Some(Box::new(OneRow::new(self)))
    }
}

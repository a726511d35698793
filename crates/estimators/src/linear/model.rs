//! A fitted linear model: `intercept + coef · x` for each output.

use super::design::{Design, column_names};
use super::numerics::dot;
use super::one_row::OneRow;
use crate::Features;
use lyceum_core::{Error, Model, Prediction, Result, RowPredictor, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What the outputs mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    /// A number.
    Identity,
    /// The logarithm of a mean.
    Log,
    /// Log-odds of the positive class.
    Logit,
    /// Log-probabilities of the classes, up to a constant.
    Softmax,
}

/// Coefficients and intercepts, one set an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearModel {
    pub(super) link: Link,
    names: Vec<Arc<str>>,
    levels: Vec<Option<Vec<Arc<str>>>>,
    /// Row-major `[outputs, width]`: a feature's coefficient, or one for each of a category's values.
    pub coef: Vec<f64>,
    /// One an output.
    pub intercept: Vec<f64>,
    /// Iterations that the fit took; 0 for a closed form.
    pub iterations: usize,
    /// Whether the fit ended by itself and not at its limit of iterations.
    pub converged: bool,
    /// What else the fit found, by the estimator's own names: the penalty it chose, its duality gap, its path.
    #[serde(default)]
    pub fitted: BTreeMap<String, serde_json::Value>,
}

/// The file of a saved model within its folder.
const FILE: &str = "linear.json";

impl LinearModel {
    pub(crate) fn new(link: Link, features: &Features, coef: Vec<f64>, intercept: Vec<f64>) -> Self {
        Self {
            link,
            names: features.names.clone(),
            levels: features.levels.iter().map(|l| l.as_ref().map(|l| l.to_vec())).collect(),
            coef,
            intercept,
            iterations: 0,
            converged: true,
            fitted: BTreeMap::new(),
        }
    }

    pub(super) fn features(&self) -> Features {
        let levels = self.levels.iter().map(|l| l.as_ref().map(|l| Arc::from(l.as_slice()))).collect();
        Features { names: self.names.clone(), levels }
    }

    /// Names of the coefficients: the feature's, or `feature=value`.
    pub fn coefficient_names(&self) -> Vec<String> {
        column_names(&self.features())
    }

    /// Loads what [`Model::save`] wrote.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
        let model: Self =
            serde_json::from_str(&text).map_err(|e| Error::corrupt(e.to_string()).in_file(&path))?;
        let width = super::design::width(&model.features());
        if model.intercept.is_empty()
            || model.coef.len() != width * model.intercept.len()
            || model.names.len() != model.levels.len()
        {
            return Err(Error::corrupt("coefficients and features do not fit each other").in_file(&path));
        }
        Ok(model)
    }

    pub(super) fn outputs(&self, row: &[f64], out: &mut [f64]) {
        let width = row.len();
        for ((o, b), w) in out.iter_mut().zip(&self.intercept).zip(self.coef.chunks_exact(width.max(1))) {
            *o = b + dot(w, row);
        }
        if width == 0 {
            out.copy_from_slice(&self.intercept);
        }
    }

    /// Raw outputs to probabilities; `out` has one entry a class.
    pub(super) fn probabilities(&self, raw: &[f64], out: &mut [f64]) {
        match (self.link, raw, out) {
            (Link::Logit, [z], [no, yes]) => {
                *yes = 1.0 / (1.0 + (-z).exp());
                *no = 1.0 - *yes;
            }
            (_, raw, out) => {
                let max = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                out.iter_mut().zip(raw).for_each(|(o, z)| *o = (z - max).exp());
                let sum: f64 = out.iter().sum();
                out.iter_mut().for_each(|o| *o /= sum);
            }
        }
    }
}

impl Model for LinearModel {
    fn predict(&self, x: &Table) -> Result<Prediction> {
        let design = Design::new(&self.features(), x)?;
        let k = self.intercept.len();
        let classes = if self.link == Link::Logit { 2 } else { k };
        let mut raw = vec![0.0; k];
        let mut out = vec![0.0; x.rows() * classes];
        for (row, out) in out.chunks_exact_mut(classes).enumerate() {
            self.outputs(design.row(row), &mut raw);
            match self.link {
                Link::Identity => out.copy_from_slice(&raw),
                Link::Log => out.iter_mut().zip(&raw).for_each(|(o, z)| *o = z.exp()),
                Link::Logit | Link::Softmax => self.probabilities(&raw, out),
            }
        }
        Ok(match self.link {
            Link::Identity | Link::Log => Prediction::Numbers(out),
            _ => Prediction::Probabilities { p: out, classes },
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).map_err(|e| Error::internal(e.to_string()))?;
        lyceum_core::write_atomic(folder.join(FILE), &json)
    }

    fn row(&self) -> Option<Box<dyn RowPredictor + '_>> {
        Some(Box::new(OneRow::new(self)))
    }

    /// Size of the coefficients (root of their sum of squares over outputs and values): comparable where the features
    /// are on one scale.
    fn importance(&self) -> Option<BTreeMap<String, f64>> {
        let mut out = BTreeMap::new();
        let width = super::design::width(&self.features());
        let mut at = 0;
        for (name, levels) in self.names.iter().zip(&self.levels) {
            let span = levels.as_ref().map_or(1, Vec::len);
            let own =
                self.coef.chunks_exact(width.max(1)).flat_map(|w| w.get(at..at + span).unwrap_or_default());
            out.insert(name.to_string(), own.map(|w| w * w).sum::<f64>().sqrt());
            at += span;
        }
        Some(out)
    }
}

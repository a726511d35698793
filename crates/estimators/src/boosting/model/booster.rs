//! A fitted ensemble of trees: prediction, importance, saving.

use super::transform::Transform;
use super::tree::Tree;
use crate::boosting::predict::{Bits, Compiled, Predict};
use crate::features::Features;
use lyceum_core::{Contributions, Error, Model, Prediction, Result, RowPredictor, Table};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Trees, `per_iteration` of them an iteration, and what is done to their sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Booster {
    /// The columns that it was trained on.
    pub features: Features,
    /// The trees, iteration after iteration.
    pub trees: Vec<Tree>,
    /// Trees of an iteration: the classes of a multiclass model, else 1.
    pub per_iteration: usize,
    /// The `objective` line of the model file.
    pub objective: String,
    /// What is done to raw scores.
    pub transform: Transform,
    /// Whether the sums are divided by the number of iterations (random forests).
    pub average_output: bool,
    /// `feature_infos` of the model file, one a feature.
    pub(in crate::boosting) infos: Vec<String>,
    /// Name and value of every parameter.
    pub(in crate::boosting) parameters: Vec<(String, String)>,
    /// The trees laid out for prediction, made at the first one. Trees are not changed after it.
    pub(in crate::boosting) compiled: Cache,
}

/// A layout that is made when it is first asked for; a copy has none yet.
#[derive(Debug, Default)]
pub(in crate::boosting) struct Cache(OnceLock<Compiled>);

impl Clone for Cache {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Cache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The file of a saved model within its folder.
const FILE: &str = "model.txt";

impl Booster {
    /// Sums of the trees of iterations `from..to` for each output of a row.
    pub fn raw(&self, row: &[f64], iterations: std::ops::Range<usize>, out: &mut [f64]) {
        out.fill(0.0);
        let from = iterations.start * self.per_iteration;
        let trees = self.trees.iter().skip(from).take(iterations.len() * self.per_iteration);
        for (i, tree) in trees.enumerate() {
            if let Some(sum) = out.get_mut(i % self.per_iteration) {
                *sum += tree.predict(row);
            }
        }
    }

    /// Number of iterations.
    pub fn iterations(&self) -> usize {
        self.trees.len() / self.per_iteration.max(1)
    }

    pub(in crate::boosting) fn compiled(&self) -> &Compiled {
        self.compiled.0.get_or_init(|| Compiled::new(&self.trees, self.features.len()))
    }

    /// What the transform gives for every row of a table, row-major `[rows, per_iteration]`.
    ///
    /// # Errors
    /// A missing column, or one of another kind than in training.
    pub fn transformed(&self, x: &Table) -> Result<Vec<f64>> {
        let threads = lyceum_tensor::Pool::global().threads();
        self.predict_rows(&self.features.matrix(x)?, &Predict { threads, ..Predict::of(self) })
    }

    /// Reads a model file in LightGBM's text format.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
        Self::parse(&text).map_err(|e| e.in_file(path))
    }

    /// Loads what [`Model::save`] wrote.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self> {
        Self::read(folder.as_ref().join(FILE))
    }

    /// Splits and total gain of each feature.
    pub fn split_counts(&self) -> Vec<(usize, f64)> {
        let mut out = vec![(0, 0.0); self.features.len()];
        for tree in &self.trees {
            for (feature, gain) in tree.split_feature.iter().zip(&tree.split_gain) {
                if let Some((n, sum)) = out.get_mut(*feature) {
                    *n += 1;
                    *sum += f64::from(*gain);
                }
            }
        }
        out
    }
}

impl Model for Booster {
    /// Numbers, or probabilities where the objective is a classification's.
    fn predict(&self, x: &Table) -> Result<Prediction> {
        let out = self.transformed(x)?;
        Ok(match self.transform {
            Transform::Sigmoid(_) => {
                let p = out.iter().flat_map(|p| [1.0 - p, *p]).collect();
                Prediction::Probabilities { p, classes: 2 }
            }
            Transform::Softmax => Prediction::Probabilities { p: out, classes: self.per_iteration },
            Transform::OneVsAll(_) => {
                let mut p = out;
                for row in p.chunks_exact_mut(self.per_iteration) {
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|x| *x /= sum);
                }
                Prediction::Probabilities { p, classes: self.per_iteration }
            }
            _ => Prediction::Numbers(out),
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        lyceum_core::write_atomic(folder.join(FILE), self.to_text().as_bytes())
    }

    fn row(&self) -> Option<Box<dyn RowPredictor + '_>> {
        Some(Box::new(Row {
            model: self,
            compiled: self.compiled(),
            raw: vec![0.0; self.per_iteration],
            own: vec![0.0; self.features.len()],
            bits: Bits::default(),
        }))
    }

    fn contributions(&self, x: &Table) -> Option<Result<Contributions>> {
        let width = (self.features.len() + 1) * self.per_iteration;
        let all = || self.contribution_rows(&self.features.matrix(x)?, &Predict::of(self));
        Some(all().map(|values| Contributions { values, width }))
    }

    /// Total gain of the splits on each feature that was split on.
    fn importance(&self) -> Option<BTreeMap<String, f64>> {
        let counts = self.split_counts();
        let used = self.features.names.iter().zip(counts).filter(|(_, (n, _))| *n > 0);
        Some(used.map(|(name, (_, gain))| (name.to_string(), gain)).collect())
    }
}

struct Row<'a> {
    model: &'a Booster,
    compiled: &'a Compiled,
    raw: Vec<f64>,
    /// The row's values made comparable.
    own: Vec<f64>,
    bits: Bits,
}

impl RowPredictor for Row<'_> {
    fn predict(&mut self, row: &[f64], out: &mut [f64]) {
        let model = self.model;
        if self.compiled.walks() {
            self.raw.fill(0.0);
            self.compiled.prepare(row, &mut self.own);
            self.compiled.walk(&self.own, 0..model.trees.len(), &mut self.bits, &mut self.raw);
        } else {
            model.raw(row, 0..model.iterations(), &mut self.raw);
        }
        if model.average_output {
            let n = model.iterations().max(1) as f64;
            self.raw.iter_mut().for_each(|x| *x /= n);
        }
        model.transform.apply(&self.raw, out);
    }
}

/// Names without blanks, as the model file wants them.
pub(in crate::boosting) fn file_name_of(name: &Arc<str>) -> String {
    name.split_whitespace().collect::<Vec<_>>().join("_")
}

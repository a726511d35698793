//! Classical learning behind one wall: an estimator fits a model, a model predicts.

use crate::{Context, Error, Map, NoProgress, Progress, Result, Table};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Parameters by the field's own names, as set, for descriptions and artefacts.
pub type Params = Map;

/// What is to be predicted.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Numbers.
    Regression(Vec<f64>),
    /// 0 or 1.
    Binary(Vec<u8>),
    /// Codes below `classes`.
    Multiclass {
        /// One code a row.
        codes: Vec<u32>,
        /// Number of classes, at least two.
        classes: usize,
    },
}

impl Target {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Regression(v) => v.len(),
            Self::Binary(v) => v.len(),
            Self::Multiclass { codes, .. } => codes.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an estimator learns from. `x` has number and category columns only; categories are codes.
#[derive(Clone)]
pub struct TrainingSet {
    /// Features, one row an example.
    pub x: Arc<Table>,
    /// Target, as many rows as `x`.
    pub y: Target,
    /// Weight of each row, positive; absent means 1.
    pub weight: Option<Vec<f64>>,
    /// Rows of each query in order, for ranking.
    pub group: Option<Vec<usize>>,
    /// Raw scores to start from.
    pub init_score: Option<Vec<f64>>,
    /// Sets on which progress is measured and early stopping decides; the first decides.
    pub valid: Vec<(Arc<Table>, Target)>,
    /// The model to continue from.
    pub from: Option<Arc<dyn Model>>,
}

impl TrainingSet {
    /// Features and target, nothing else. Fails when their lengths differ.
    pub fn new(x: Arc<Table>, y: Target) -> Result<Self> {
        if x.rows() != y.len() {
            return Err(Error::invalid(format!("x has {} rows, y has {}", x.rows(), y.len())));
        }
        Ok(Self { x, y, weight: None, group: None, init_score: None, valid: Vec::new(), from: None })
    }
}

/// What accompanies a fit.
#[derive(Clone)]
pub struct FitContext {
    /// Cancellation and deadline.
    pub cx: Context,
    /// Fixes every random choice.
    pub seed: u64,
    /// Threads to use.
    pub threads: usize,
    /// Told of rounds and losses.
    pub progress: Arc<dyn Progress>,
}

impl Default for FitContext {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self { cx: Context::new(), seed: 42, threads, progress: Arc::new(NoProgress) }
    }
}

/// Learns a model from data. The laws are in [`crate::laws::estimator`].
pub trait Estimator: Send + Sync {
    /// The parameters as set, defaults filled in.
    fn params(&self) -> Params;
    /// Learns. Does not change the estimator: a second fit forgets the first.
    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>>;
}

/// What a model says of some rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// One number a row.
    Numbers(Vec<f64>),
    /// Class probabilities, row-major `[rows, classes]`; each row sums to 1. A binary model has two classes.
    Probabilities {
        /// The probabilities.
        p: Vec<f64>,
        /// Classes a row.
        classes: usize,
    },
}

/// What each feature adds to each raw score, row-major `[rows, features + 1]`, the expected value last.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// The contributions.
    pub values: Vec<f64>,
    /// Features + 1 (times the number of classes for multiclass models).
    pub width: usize,
}

/// Predicts one row at a time without allocating.
pub trait RowPredictor: Send {
    /// From the features of one row (in training order, missing is NaN, categories as codes) to the outputs.
    fn predict(&mut self, row: &[f64], out: &mut [f64]);
}

/// A fitted model.
pub trait Model: std::any::Any + Send + Sync {
    /// Predicts every row. Columns are found by name; a missing one is an error that names it.
    fn predict(&self, x: &Table) -> Result<Prediction>;

    /// Writes the model's files into a folder that exists.
    fn save(&self, folder: &Path) -> Result<()>;

    /// A predictor of single rows, where the model has one.
    fn row(&self) -> Option<Box<dyn RowPredictor + '_>> {
        None
    }

    /// Shares of each feature in each prediction, where the model can tell.
    fn contributions(&self, _x: &Table) -> Option<Result<Contributions>> {
        None
    }

    /// How much each feature matters, by name, in the model's own measure (said in its documentation).
    fn importance(&self) -> Option<BTreeMap<String, f64>> {
        None
    }
}

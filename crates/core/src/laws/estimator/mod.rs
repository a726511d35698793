//! Laws of [`Estimator`] and [`Model`], each a check with a name, after scikit-learn's common tests. A test runs them
//! over every estimator that there is; one that breaks a law has to say so with a reason.

mod fitting;
mod inputs;
mod predicting;

use super::law;
use crate::{Column, Error, Estimator, FitContext, Model, Prediction, Result, Table, Target, TrainingSet};
use std::path::Path;

/// What a law is held to.
pub struct EstimatorCase<'a> {
    /// The estimator.
    pub estimator: &'a dyn Estimator,
    /// A training set that suits it, of at least 50 rows, without weights, its first column numbers.
    pub data: &'a TrainingSet,
    /// Whether a missing number is a value to learn from.
    pub takes_missing: bool,
    /// An empty folder for what is saved.
    pub folder: &'a Path,
    /// Loads what the model saved.
    pub load: &'a dyn Fn(&Path) -> Result<Box<dyn Model>>,
}

/// A law by name.
pub struct EstimatorLaw {
    /// What is kept.
    pub name: &'static str,
    /// Fails with what was seen where the law is broken.
    pub check: fn(&EstimatorCase<'_>) -> Result<()>,
}

/// Every law of estimators and their models.
pub const ESTIMATOR: &[EstimatorLaw] = &[
    EstimatorLaw { name: "same seed, same model", check: fitting::same_seed },
    EstimatorLaw { name: "a second fit forgets the first", check: fitting::forgets },
    EstimatorLaw { name: "any number of threads, same model", check: fitting::threads },
    EstimatorLaw { name: "the order of rows is no matter but of rounding", check: fitting::row_order },
    EstimatorLaw { name: "a row of weight two is two rows", check: fitting::repeats },
    EstimatorLaw { name: "a row of weight zero is none", check: fitting::zero_weight },
    EstimatorLaw { name: "cancelled means stopped", check: fitting::cancelled },
    EstimatorLaw { name: "parameters are JSON and stay as set", check: fitting::parameters },
    EstimatorLaw { name: "one answer for one row", check: predicting::alone },
    EstimatorLaw { name: "a row predictor says what the batch says", check: predicting::one_row },
    EstimatorLaw { name: "many threads predict as one", check: predicting::together },
    EstimatorLaw { name: "probabilities are from 0 to 1 and sum to 1", check: predicting::probabilities },
    EstimatorLaw { name: "columns are found by name", check: predicting::by_name },
    EstimatorLaw { name: "no rows, no predictions", check: predicting::no_rows },
    EstimatorLaw { name: "what is saved predicts the same bits", check: predicting::saved },
    EstimatorLaw { name: "importance is of the features", check: predicting::importance },
    EstimatorLaw { name: "a missing column is an error that names it", check: inputs::missing_column },
    EstimatorLaw { name: "a column of another kind is an error that names it", check: inputs::other_kind },
    EstimatorLaw { name: "text is an error that names the column", check: inputs::text },
    EstimatorLaw { name: "no rows is an error", check: inputs::empty },
    EstimatorLaw { name: "features and target have the same rows", check: inputs::other_rows },
    EstimatorLaw { name: "weights are finite numbers from 0, one a row", check: inputs::weights },
    EstimatorLaw { name: "a missing number is an error that names column and row", check: inputs::hole },
    EstimatorLaw { name: "an infinite number is no silent value", check: inputs::infinite },
    EstimatorLaw { name: "a constant column changes nothing", check: inputs::constant },
    EstimatorLaw { name: "one class or one row ends in an error or in numbers", check: inputs::degenerate },
];

/// Holds an estimator to every law; the broken ones by name, with what was seen.
pub fn estimator(case: &EstimatorCase<'_>) -> Vec<(&'static str, Error)> {
    let check = |l: &EstimatorLaw| (l.check)(case).err().map(|e| (l.name, e));
    ESTIMATOR.iter().filter_map(check).collect()
}

impl EstimatorCase<'_> {
    fn fit(&self, data: &TrainingSet) -> Result<Box<dyn Model>> {
        self.estimator.fit(data, &one_thread())
    }

    /// What a model of some data says of this case's rows.
    fn learned(&self, data: &TrainingSet) -> Result<Prediction> {
        self.fit(data)?.predict(&self.data.x)
    }
}

fn one_thread() -> FitContext {
    FitContext { threads: 1, ..FitContext::default() }
}

/// Some rows of a set, in any order.
fn take(data: &TrainingSet, rows: &[usize]) -> TrainingSet {
    fn pick<T: Copy>(v: &[T], rows: &[usize]) -> Vec<T> {
        rows.iter().filter_map(|r| v.get(*r)).copied().collect()
    }
    let y = match &data.y {
        Target::Regression(v) => Target::Regression(pick(v, rows)),
        Target::Binary(v) => Target::Binary(pick(v, rows)),
        Target::Multiclass { codes, classes } => {
            Target::Multiclass { codes: pick(codes, rows), classes: *classes }
        }
    };
    TrainingSet { x: data.x.take(rows).into(), y, ..data.clone() }
}

/// The numbers of a prediction.
fn values(p: &Prediction) -> &[f64] {
    match p {
        Prediction::Numbers(v) => v,
        Prediction::Probabilities { p, .. } => p,
    }
}

/// Whether two predictions differ by rounding only: by at most a part in a million of their largest number.
fn near(a: &Prediction, b: &Prediction) -> bool {
    let (a, b) = (values(a), values(b));
    let scale = a.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 * scale)
}

/// The table with one of its columns changed.
fn with(table: &Table, place: usize, change: impl Fn(&Column) -> Column) -> Result<Table> {
    Table::new(table.columns().enumerate().map(|(i, (name, column))| {
        (name.to_string(), if i == place { change(column) } else { column.clone() })
    }))
}

/// An error that tells of a column.
fn names(result: Result<impl Sized>, column: &str, law_name: &str) -> Result<()> {
    match result {
        Ok(_) => law(false, law_name, || "it went through".into()),
        Err(e) => law(e.to_string().contains(column), law_name, || format!("it says only: {e}")),
    }
}

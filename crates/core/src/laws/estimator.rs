//! Laws of [`Estimator`] and [`Model`]: same seed same model, refit forgets, one answer for one row, wrong shapes
//! are clear errors, rows alone equal rows together.

use super::law;
use crate::{Estimator, FitContext, Prediction, Result, Table, TrainingSet};

/// Checks an estimator on a training set that suits it.
pub fn estimator(e: &dyn Estimator, data: &TrainingSet) -> Result<()> {
    let cx = FitContext { threads: 1, ..FitContext::default() };
    let first = e.fit(data, &cx)?;
    let whole = first.predict(&data.x)?;

    let again = e.fit(data, &cx)?.predict(&data.x)?;
    law(again == whole, "same seed, same model; refit forgets", || "a second fit predicts otherwise".into())?;
    let threads = e.fit(data, &FitContext { threads: 2, ..cx.clone() })?.predict(&data.x)?;
    law(threads == whole, "any number of threads, same model", || "two threads predict otherwise".into())?;

    let rows = data.x.rows();
    for row in [0, rows / 2, rows.saturating_sub(1)] {
        let alone = first.predict(&data.x.take(&[row]))?;
        law(same_row(&alone, 0, &whole, row), "one answer for one row", || {
            format!("row {row} alone differs")
        })?;
    }
    law(first.predict(&Table::default()).is_err(), "a missing column is an error", || {
        "an empty table was predicted".into()
    })?;
    let empty = data.x.take(&[]);
    law(
        e.fit(&TrainingSet { x: empty.into(), ..data.clone() }, &cx).is_err(),
        "no rows is an error",
        || "it fitted nothing to something".into(),
    )?;
    let stopped = FitContext::default();
    stopped.cx.cancel();
    law(e.fit(data, &stopped).is_err(), "cancelled means stopped", || "a cancelled fit came back".into())
}

fn same_row(a: &Prediction, i: usize, b: &Prediction, j: usize) -> bool {
    match (a, b) {
        (Prediction::Numbers(a), Prediction::Numbers(b)) => a.get(i) == b.get(j),
        (Prediction::Probabilities { p: a, classes: n }, Prediction::Probabilities { p: b, classes: m }) => {
            n == m && a.get(i * n..(i + 1) * n) == b.get(j * n..(j + 1) * n)
        }
        _ => false,
    }
}

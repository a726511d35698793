//! Laws of what a fit depends on: data, seed and parameters, and nothing else.

use super::{EstimatorCase, law, near, one_thread, take};
use crate::{FitContext, Result, TrainingSet, Value};

pub(super) fn same_seed(case: &EstimatorCase<'_>) -> Result<()> {
    let (a, b) = (case.learned(case.data)?, case.learned(case.data)?);
    law(a == b, "same seed, same model", || "a second fit predicts otherwise".into())
}

pub(super) fn forgets(case: &EstimatorCase<'_>) -> Result<()> {
    let first = case.learned(case.data)?;
    let half: Vec<usize> = (0..case.data.x.rows() / 2).collect();
    case.fit(&take(case.data, &half))?;
    let again = case.learned(case.data)?;
    law(first == again, "a second fit forgets the first", || "a fit between two changed the second".into())
}

pub(super) fn threads(case: &EstimatorCase<'_>) -> Result<()> {
    let one = case.learned(case.data)?;
    for threads in [2, 3, 8] {
        let many =
            case.estimator.fit(case.data, &FitContext { threads, ..one_thread() })?.predict(&case.data.x)?;
        law(one == many, "any number of threads, same model", || {
            format!("{threads} threads predict otherwise")
        })?;
    }
    Ok(())
}

pub(super) fn row_order(case: &EstimatorCase<'_>) -> Result<()> {
    let rows: Vec<usize> = (0..case.data.x.rows()).rev().collect();
    let turned = case.learned(&take(case.data, &rows))?;
    law(near(&case.learned(case.data)?, &turned), "the order of rows is no matter but of rounding", || {
        "rows in reverse predict otherwise".into()
    })
}

pub(super) fn repeats(case: &EstimatorCase<'_>) -> Result<()> {
    let n = case.data.x.rows();
    let twice = |row: usize| row.is_multiple_of(3);
    let weight = (0..n).map(|row| if twice(row) { 2.0 } else { 1.0 }).collect();
    let rows: Vec<usize> =
        (0..n).flat_map(|row| std::iter::repeat_n(row, 1 + usize::from(twice(row)))).collect();
    let weighted = case.learned(&TrainingSet { weight: Some(weight), ..case.data.clone() })?;
    let repeated = case.learned(&take(case.data, &rows))?;
    law(near(&weighted, &repeated), "a row of weight two is two rows", || "they predict otherwise".into())
}

pub(super) fn zero_weight(case: &EstimatorCase<'_>) -> Result<()> {
    let n = case.data.x.rows();
    let kept = |row: usize| !row.is_multiple_of(4);
    let weight = (0..n).map(|row| f64::from(kept(row))).collect();
    let rows: Vec<usize> = (0..n).filter(|row| kept(*row)).collect();
    let weighted = case.learned(&TrainingSet { weight: Some(weight), ..case.data.clone() })?;
    let without = case.learned(&take(case.data, &rows))?;
    law(near(&weighted, &without), "a row of weight zero is none", || "they predict otherwise".into())
}

pub(super) fn cancelled(case: &EstimatorCase<'_>) -> Result<()> {
    let stopped = one_thread();
    stopped.cx.cancel();
    let came_back = case.estimator.fit(case.data, &stopped).is_ok();
    law(!came_back, "cancelled means stopped", || "a cancelled fit came back".into())
}

pub(super) fn parameters(case: &EstimatorCase<'_>) -> Result<()> {
    let before = case.estimator.params();
    let back = Value::from_json(Value::from(before.clone()).to_json());
    law(back == Value::from(before.clone()), "parameters are JSON and stay as set", || {
        "JSON tells them otherwise".into()
    })?;
    case.fit(case.data)?;
    law(before == case.estimator.params(), "parameters are JSON and stay as set", || {
        "a fit changed them".into()
    })
}

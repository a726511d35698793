//! Laws of input that is wrong or at the edge: one clear error, or finite numbers; never a panic.

use super::{EstimatorCase, law, names, near, take, values, with};
use crate::{Column, Result, Table, Target, TrainingSet};

/// The name of the first column.
fn first<'a>(case: &'a EstimatorCase<'_>) -> &'a str {
    case.data.x.names().first().map_or("", |n| &**n)
}

pub(super) fn missing_column(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    let rest = Table::new(case.data.x.columns().skip(1).map(|(n, c)| (n.to_string(), c.clone())))?;
    names(model.predict(&rest), first(case), "a missing column is an error that names it")
}

pub(super) fn other_kind(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    let words = |c: &Column| Column::Text(vec![None; c.len()]);
    let turned = with(&case.data.x, 0, words)?;
    names(model.predict(&turned), first(case), "a column of another kind is an error that names it")
}

pub(super) fn text(case: &EstimatorCase<'_>) -> Result<()> {
    let turned = with(&case.data.x, 0, |c| Column::Text(vec![None; c.len()]))?;
    let data = TrainingSet { x: turned.into(), ..case.data.clone() };
    names(case.fit(&data), first(case), "text is an error that names the column")
}

pub(super) fn empty(case: &EstimatorCase<'_>) -> Result<()> {
    let fitted = case.fit(&take(case.data, &[])).is_ok();
    law(!fitted, "no rows is an error", || "it fitted nothing to something".into())
}

pub(super) fn other_rows(case: &EstimatorCase<'_>) -> Result<()> {
    let fewer: Vec<usize> = (1..case.data.x.rows()).collect();
    let data = TrainingSet { x: case.data.x.take(&fewer).into(), ..case.data.clone() };
    let fitted = case.fit(&data).is_ok();
    law(!fitted, "features and target have the same rows", || "it fitted other rows".into())
}

pub(super) fn weights(case: &EstimatorCase<'_>) -> Result<()> {
    let n = case.data.x.rows();
    let spoilt = |w: f64| (0..n).map(|row| if row == 1 { w } else { 1.0 }).collect::<Vec<_>>();
    let wrong = [
        ("too few weights", vec![1.0; n - 1]),
        ("a negative weight", spoilt(-1.0)),
        ("a weight that is not a number", spoilt(f64::NAN)),
        ("an infinite weight", spoilt(f64::INFINITY)),
    ];
    for (what, weight) in wrong {
        let fitted = case.fit(&TrainingSet { weight: Some(weight), ..case.data.clone() }).is_ok();
        law(!fitted, "weights are finite numbers from 0, one a row", || format!("it took {what}"))?;
    }
    Ok(())
}

/// The first column's second cell as another number.
fn spoilt(case: &EstimatorCase<'_>, value: f64) -> Result<Table> {
    with(&case.data.x, 0, |c| match c {
        Column::Number(v) => {
            Column::Number(v.iter().enumerate().map(|(i, x)| if i == 1 { value } else { *x }).collect())
        }
        other => other.clone(),
    })
}

pub(super) fn hole(case: &EstimatorCase<'_>) -> Result<()> {
    let name = "a missing number is an error that names column and row";
    let table = spoilt(case, f64::NAN)?;
    let data = TrainingSet { x: table.clone().into(), ..case.data.clone() };
    if case.takes_missing {
        let finite = values(&case.fit(&data)?.predict(&table)?).iter().all(|v| v.is_finite());
        return law(finite, name, || "a prediction is not finite".into());
    }
    names(case.fit(&data), first(case), name)?;
    names(case.fit(&data), "row 2", name)?;
    names(case.fit(case.data)?.predict(&table), "row 2", name)
}

pub(super) fn infinite(case: &EstimatorCase<'_>) -> Result<()> {
    let name = "an infinite number is no silent value";
    let table = spoilt(case, f64::INFINITY)?;
    let data = TrainingSet { x: table.clone().into(), ..case.data.clone() };
    match case.fit(&data) {
        Err(e) => law(e.to_string().contains(first(case)), name, || format!("it says only: {e}")),
        Ok(model) => {
            let finite = values(&model.predict(&table)?).iter().all(|v| v.is_finite());
            law(case.takes_missing && finite, name, || "it went through".into())
        }
    }
}

pub(super) fn constant(case: &EstimatorCase<'_>) -> Result<()> {
    let flat = Column::Number(vec![3.0; case.data.x.rows()]);
    let columns = case.data.x.columns().map(|(n, c)| (n.to_string(), c.clone()));
    let table = Table::new(columns.chain([("flat".to_string(), flat)]))?;
    let data = TrainingSet { x: table.clone().into(), ..case.data.clone() };
    let same = near(&case.learned(case.data)?, &case.fit(&data)?.predict(&table)?);
    law(same, "a constant column changes nothing", || "with it the model predicts otherwise".into())
}

pub(super) fn degenerate(case: &EstimatorCase<'_>) -> Result<()> {
    let rows = case.data.x.rows();
    let y = match &case.data.y {
        Target::Regression(_) => Target::Regression(vec![2.0; rows]),
        Target::Binary(_) => Target::Binary(vec![1; rows]),
        Target::Multiclass { classes, .. } => Target::Multiclass { codes: vec![1; rows], classes: *classes },
    };
    let alike = TrainingSet { y, ..case.data.clone() };
    for data in [&alike, &take(case.data, &[0])] {
        if let Ok(model) = case.fit(data) {
            let finite = values(&model.predict(&case.data.x)?).iter().all(|v| v.is_finite());
            law(finite, "one class or one row ends in an error or in numbers", || {
                "a prediction is not finite".into()
            })?;
        }
    }
    Ok(())
}

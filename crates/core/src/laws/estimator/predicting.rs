//! Laws of predictions: one answer for one row, however it is asked for.

use super::{EstimatorCase, law, values};
use crate::{Column, Prediction, Result, Table};

pub(super) fn alone(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    let whole = model.predict(&case.data.x)?;
    let rows = case.data.x.rows();
    let width = values(&whole).len() / rows.max(1);
    for row in [0, 1, rows / 2, rows.saturating_sub(1)] {
        let own = model.predict(&case.data.x.take(&[row]))?;
        let same = values(&whole).get(row * width..(row + 1) * width) == Some(values(&own));
        law(same, "one answer for one row", || format!("row {row} alone differs"))?;
    }
    Ok(())
}

/// A cell as a row predictor wants it.
fn cell(column: &Column, row: usize) -> f64 {
    let found = match column {
        Column::Number(v) => v.get(row).copied(),
        Column::Bool(v) => v.get(row).copied().flatten().map(|b| f64::from(u8::from(b))),
        Column::Category { codes, .. } => {
            codes.get(row).filter(|c| **c != Column::MISSING).map(|c| f64::from(*c))
        }
        Column::Text(_) => None,
    };
    found.unwrap_or(f64::NAN)
}

pub(super) fn one_row(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    let Some(mut predictor) = model.row() else { return Ok(()) };
    let whole = model.predict(&case.data.x)?;
    let classes = match whole {
        Prediction::Numbers(_) => 1,
        Prediction::Probabilities { classes, .. } => classes,
    };
    for row in 0..case.data.x.rows().min(50) {
        let cells: Vec<f64> = case.data.x.columns().map(|(_, c)| cell(c, row)).collect();
        let want = values(&whole).get(row * classes..(row + 1) * classes).unwrap_or_default();
        // A binary model says the probability of the positive class.
        let want = if classes == 2 { want.get(1..).unwrap_or_default() } else { want };
        let mut out = vec![f64::NAN; want.len()];
        predictor.predict(&cells, &mut out);
        law(out == want, "a row predictor says what the batch says", || {
            format!("row {row}: {out:?}, {want:?}")
        })?;
    }
    Ok(())
}

pub(super) fn together(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    let serial = model.predict(&case.data.x)?;
    let same = std::thread::scope(|scope| {
        let ask = || (0..3).all(|_| model.predict(&case.data.x).is_ok_and(|p| p == serial));
        let all: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        all.into_iter().all(|t| t.join().unwrap_or(false))
    });
    law(same, "many threads predict as one", || "one of four threads got another answer".into())
}

pub(super) fn probabilities(case: &EstimatorCase<'_>) -> Result<()> {
    let whole = case.learned(case.data)?;
    let name = "probabilities are from 0 to 1 and sum to 1";
    match &whole {
        Prediction::Numbers(v) => {
            law(v.iter().all(|v| v.is_finite()), name, || "a number is not finite".into())
        }
        Prediction::Probabilities { p, classes } => {
            law(p.iter().all(|p| (0.0..=1.0).contains(p)), name, || "one is out of bounds".into())?;
            let sums = p.chunks_exact(*classes).all(|r| (r.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            law(sums, name, || "a row sums to another number".into())
        }
    }
}

pub(super) fn by_name(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    let mut columns: Vec<_> = case.data.x.columns().map(|(n, c)| (n.to_string(), c.clone())).collect();
    columns.reverse();
    columns.push(("one more".into(), Column::Number(vec![f64::NAN; case.data.x.rows()])));
    let turned = model.predict(&Table::new(columns)?)?;
    law(turned == model.predict(&case.data.x)?, "columns are found by name", || {
        "columns in another order predict otherwise".into()
    })
}

pub(super) fn no_rows(case: &EstimatorCase<'_>) -> Result<()> {
    let none = case.fit(case.data)?.predict(&case.data.x.take(&[]))?;
    law(values(&none).is_empty(), "no rows, no predictions", || "it predicted something".into())
}

pub(super) fn saved(case: &EstimatorCase<'_>) -> Result<()> {
    let model = case.fit(case.data)?;
    model.save(case.folder)?;
    let back = (case.load)(case.folder)?;
    let name = "what is saved predicts the same bits";
    law(back.predict(&case.data.x)? == model.predict(&case.data.x)?, name, || {
        "it predicts otherwise".into()
    })?;
    law(back.importance() == model.importance(), name, || "its importance differs".into())
}

pub(super) fn importance(case: &EstimatorCase<'_>) -> Result<()> {
    let Some(found) = case.fit(case.data)?.importance() else { return Ok(()) };
    let name = "importance is of the features";
    law(found.keys().all(|k| case.data.x.get(k).is_some()), name, || "it names no column".into())?;
    law(found.values().all(|v| *v >= 0.0 && v.is_finite()), name, || "one is negative or not finite".into())
}

//! Shares of a linear model's columns, and the means that they are measured from.
//!
//! The share of a column is coefficient × (value − mean of the training rows); a category has a column a value, 0 or 1.
//! The means are kept with what else the fit found, under `means`, in the order of the coefficients.

use super::shares::Parts;
use lyceum_core::{Column, Error, Model, Result, Table};
use lyceum_estimators::linear::LinearModel;
use std::any::Any;

const MEANS: &str = "means";

/// Keeps the means of the training rows with a linear model; other models stay as they are.
pub fn note_means(mut model: Box<dyn Model>, training: &Table) -> Box<dyn Model> {
    let any: &mut dyn Any = &mut *model;
    if let Some(linear) = any.downcast_mut::<LinearModel>() {
        linear.fitted.insert(MEANS.into(), means(training).into());
    }
    model
}

/// One mean a coefficient: of a number its own, of a category's value its share of the rows.
fn means(table: &Table) -> Vec<f64> {
    let rows = table.rows().max(1) as f64;
    let mut out = Vec::new();
    for (_, column) in table.columns() {
        match column {
            Column::Category { codes, levels } => {
                let mut counts = vec![0.0; levels.len()];
                for code in codes {
                    if let Some(n) = counts.get_mut(*code as usize) {
                        *n += 1.0;
                    }
                }
                out.extend(counts.into_iter().map(|n| n / rows));
            }
            other => out.push(other.as_numbers().unwrap_or_default().iter().sum::<f64>() / rows),
        }
    }
    out
}

/// The shares of a table's columns.
pub(super) fn parts(model: &LinearModel, table: &Table) -> Result<Parts> {
    let spans: Vec<usize> = table
        .columns()
        .map(|(_, c)| if let Column::Category { levels, .. } = c { levels.len() } else { 1 })
        .collect();
    let width: usize = spans.iter().sum();
    let (scores, columns) = (model.intercept.len(), spans.len());
    let means = kept_means(model, width)?;
    let each = columns + 1;
    let mut values = vec![0.0; table.rows() * scores * each];
    for (score, intercept) in model.intercept.iter().enumerate() {
        let coef = model.coef.get(score * width..(score + 1) * width);
        let coef = coef.ok_or_else(|| Error::corrupt("coefficients and features do not fit each other"))?;
        let expected = intercept + coef.iter().zip(&means).map(|(c, m)| c * m).sum::<f64>();
        let mut first = 0;
        for (at, ((_, column), span)) in table.columns().zip(&spans).enumerate() {
            let own = coef.get(first..first + span).unwrap_or_default();
            let mean = means.get(first..first + span).unwrap_or_default();
            let middle: f64 = own.iter().zip(mean).map(|(c, m)| c * m).sum();
            for (row, out) in values.chunks_exact_mut(scores * each).enumerate() {
                if let Some(out) = out.get_mut(score * each + at) {
                    *out = term(column, row, own) - middle;
                }
            }
            first += span;
        }
        for out in values.chunks_exact_mut(scores * each) {
            if let Some(out) = out.get_mut(score * each + columns) {
                *out = expected;
            }
        }
    }
    Ok(Parts { values, scores, columns })
}

/// What a cell adds to a score; an unknown category adds nothing.
fn term(column: &Column, row: usize, coef: &[f64]) -> f64 {
    match column {
        Column::Category { codes, .. } => {
            codes.get(row).and_then(|c| coef.get(*c as usize)).copied().unwrap_or(0.0)
        }
        other => {
            let x = other.as_numbers().and_then(|v| v.get(row)).copied().unwrap_or(f64::NAN);
            coef.first().map_or(0.0, |c| c * x)
        }
    }
}

fn kept_means(model: &LinearModel, width: usize) -> Result<Vec<f64>> {
    let kept = model.fitted.get(MEANS).and_then(|m| m.as_array());
    let Some(kept) = kept else {
        let e = Error::unsupported("this linear model was saved without the means of its training rows");
        return Err(e.hint("train it again"));
    };
    let means: Vec<f64> = kept.iter().filter_map(serde_json::Value::as_f64).collect();
    if means.len() != width {
        return Err(Error::corrupt(format!("{} means are kept for {width} coefficients", means.len())));
    }
    Ok(means)
}

//! Predictions as columns, by Ludwig's names.

use crate::prepared::{FittedOutput, Prepared};
use crate::scores::Scores;
use lyceum_core::{Column, Result, Table, Value};
use std::sync::Arc;

impl Prepared {
    /// One row a prediction. Lists (`_probabilities`, `_predictions_top_k`) are JSON text.
    pub fn prediction_table(&self, scores: &[Scores]) -> Result<Table> {
        let mut table = Table::default();
        for (output, scores) in self.outputs.iter().zip(scores) {
            for (suffix, cells) in columns(&output.fitted, scores) {
                table.push(format!("{}_{suffix}", output.name), to_column(&cells))?;
            }
        }
        Ok(table)
    }

    /// One object a row; lists are lists.
    pub fn prediction_rows(&self, scores: &[Scores], rows: usize) -> Vec<Value> {
        let mut out = vec![lyceum_core::Map::new(); rows];
        for (output, scores) in self.outputs.iter().zip(scores) {
            for (suffix, cells) in columns(&output.fitted, scores) {
                let name: Arc<str> = format!("{}_{suffix}", output.name).into();
                out.iter_mut().zip(cells).for_each(|(row, cell)| drop(row.insert(name.clone(), cell)));
            }
        }
        out.into_iter().map(Value::from).collect()
    }
}

fn to_column(cells: &[Value]) -> Column {
    match cells.first() {
        Some(Value::Float(_)) => {
            Column::Number(cells.iter().map(|c| c.as_f64().unwrap_or(f64::NAN)).collect())
        }
        Some(Value::Bool(_)) => Column::Bool(cells.iter().map(Value::as_bool).collect()),
        _ => Column::Text(
            cells
                .iter()
                .map(|c| Some(c.as_str().map_or_else(|| c.to_json().to_string().into(), Arc::from)))
                .collect(),
        ),
    }
}

type Named = (String, Vec<Value>);

fn columns(output: &FittedOutput, scores: &Scores) -> Vec<Named> {
    match (output, scores) {
        (FittedOutput::Binary { fitted, threshold }, Scores::Binary(p)) => {
            let says = |p: &f64| match (fitted.is_boolean(), p >= threshold) {
                (true, says) => Value::Bool(says),
                (false, true) => fitted.true_label.as_str().into(),
                (false, false) => fitted.false_label.as_str().into(),
            };
            let (no, yes) = if fitted.is_boolean() {
                ("False", "True")
            } else {
                (&*fitted.false_label, &*fitted.true_label)
            };
            let column = |f: &dyn Fn(f64) -> f64| p.iter().map(|p| Value::Float(f(*p))).collect::<Vec<_>>();
            let both = |p: &f64| vec![Value::Float(1.0 - p), Value::Float(*p)].into();
            vec![
                ("predictions".into(), p.iter().map(says).collect()),
                ("probabilities".into(), p.iter().map(both).collect()),
                (format!("probabilities_{no}"), column(&|p| 1.0 - p)),
                (format!("probabilities_{yes}"), column(&|p| p)),
                ("probability".into(), column(&|p| p.max(1.0 - p))),
            ]
        }
        (FittedOutput::Category { fitted, top_k }, Scores::Category { p, classes }) => {
            category(&fitted.levels, *top_k, p, *classes)
        }
        (_, Scores::Number(v)) => vec![("predictions".into(), v.iter().map(|x| Value::Float(*x)).collect())],
        _ => Vec::new(),
    }
}

/// A class that training had not (`<UNK>`) has probability 0.
fn category(levels: &[Arc<str>], top_k: usize, p: &[f64], classes: usize) -> Vec<Named> {
    let rows = || p.chunks_exact(classes.max(1));
    let level = |c: usize| levels.get(c).map_or(Value::Null, |l| Value::Str(l.clone()));
    let ranked = |row: &[f64]| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        let value = |i: &usize| row.get(*i).copied().unwrap_or(0.0);
        order.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.cmp(b)));
        order
    };
    let best = |row: &[f64]| row.iter().copied().fold(0.0, f64::max);
    let first = |row: &[f64]| ranked(row).first().map_or(Value::Null, |c| level(*c));
    let top = |row: &[f64]| ranked(row).into_iter().take(top_k).map(level).collect::<Value>();
    let list =
        |row: &[f64]| std::iter::once(0.0).chain(row.iter().copied()).map(Value::Float).collect::<Value>();
    let mut out: Vec<Named> = vec![
        ("predictions".into(), rows().map(first).collect()),
        ("probabilities".into(), rows().map(list).collect()),
        ("probabilities_<UNK>".into(), rows().map(|_| Value::Float(0.0)).collect()),
    ];
    for (c, name) in levels.iter().enumerate() {
        let of = |row: &[f64]| Value::Float(row.get(c).copied().unwrap_or(0.0));
        out.push((format!("probabilities_{name}"), rows().map(of).collect()));
    }
    out.push(("probability".into(), rows().map(|r| Value::Float(best(r))).collect()));
    out.push(("predictions_top_k".into(), rows().map(top).collect()));
    out
}

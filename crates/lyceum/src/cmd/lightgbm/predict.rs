//! `task=predict`: a line of predictions a row.

use super::data::{CellsExt, take_column};
use super::settings::Settings;
use super::train::model;
use super::writable;
use crate::ui::Ui;
use lyceum_core::{Error, FitContext, Result, write_atomic};
use lyceum_data::numbers::{Cells, read_numbers};
use lyceum_estimators::boosting::{Booster, EarlyStop, Matrix, Predict, Saved};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

/// What a line holds.
#[derive(Clone, Copy, PartialEq)]
enum Output {
    Normal,
    Raw,
    Leaf,
    Contributions,
}

pub(super) fn run(settings: &Settings, fit: &FitContext, ui: &Ui) -> Result<()> {
    let output = PathBuf::from(settings.or("output_result", "LightGBM_predict_result.txt"));
    writable(&output)?;
    let kind = output_kind(settings)?;
    let model = model(settings)?;
    let path = settings.file("data", "the rows to predict")?;
    if Saved::is_one(&path)? {
        let message = "is a saved data set, predictions need the rows' own numbers";
        return Err(Error::invalid(message).in_file(&path));
    }
    let file = read_numbers(&path, settings.flag("header")?)?;
    let cells = features(file.cells, &model, settings).map_err(|e| e.in_file(&path))?;
    let start = Instant::now();
    let (values, width) = predict(&model, &cells.matrix()?, kind, settings, fit)?;
    let seconds = start.elapsed().as_secs_f64();
    let rows = values.len() / width.max(1);
    write_atomic(&output, lines(&values, width).as_bytes())?;
    let report = serde_json::json!({
        "task": "predict", "result": output, "rows": rows, "columns": width, "predict_s": seconds
    });
    ui.result(&report, |_| format!("{rows} rows predicted: {}\n", output.display()))
}

fn output_kind(settings: &Settings) -> Result<Output> {
    let asked = [
        (settings.flag("predict_raw_score")?, Output::Raw, "predict_raw_score"),
        (settings.flag("predict_leaf_index")?, Output::Leaf, "predict_leaf_index"),
        (settings.flag("predict_contrib")?, Output::Contributions, "predict_contrib"),
    ];
    let mut asked = asked.iter().filter(|a| a.0);
    match (asked.next(), asked.next()) {
        (None, _) => Ok(Output::Normal),
        (Some(one), None) => Ok(one.1),
        (Some(one), Some(other)) => {
            Err(Error::invalid(format!("cannot be set together with {}", other.2)).at_key(one.2))
        }
    }
}

/// The feature columns of a file that may or may not have labels.
fn features(cells: Cells, model: &Booster, settings: &Settings) -> Result<Cells> {
    let want = model.features.len();
    let free = settings.flag("predict_disable_shape_check")?;
    match cells {
        Cells::Dense { values, width } if width == want + 1 => {
            let label = settings.number("label_column", 0usize).unwrap_or(0).min(want);
            Ok(Cells::Dense { values: take_column(&values, width, label).1, width: want })
        }
        Cells::Dense { width, .. } if width != want && !free => {
            let message = format!("has {width} columns, the model {want} features (one more with labels)");
            Err(Error::invalid(message))
        }
        Cells::Sparse { width, .. } if width > want && !free => {
            Err(Error::invalid(format!("has a column {}, the model {want} features", width - 1)))
        }
        mut cells => {
            if cells.width() < want {
                cells.widen(want);
            }
            Ok(cells)
        }
    }
}

/// Numbers row after row, and how many a row has.
fn predict(
    model: &Booster,
    x: &Matrix<'_>,
    kind: Output,
    settings: &Settings,
    fit: &FitContext,
) -> Result<(Vec<f64>, usize)> {
    let start = settings.number("start_iteration_predict", 0usize)?;
    let count = settings.number("num_iteration_predict", -1i64)?;
    let all = model.iterations();
    let end = if count > 0 { start.saturating_add(count as usize).min(all) } else { all };
    let mut options = Predict { iterations: start.min(end)..end, threads: fit.threads, ..Predict::of(model) };
    if settings.flag("pred_early_stop")? {
        options.early_stop = Some(EarlyStop {
            freq: settings.number("pred_early_stop_freq", 10usize)?.max(1),
            margin: settings.number("pred_early_stop_margin", 10.0)?,
        });
    }
    let k = model.per_iteration;
    Ok(match kind {
        Output::Normal => (model.predict_rows(x, &options)?, k),
        Output::Raw => (model.raw_rows(x, &options)?, k),
        Output::Leaf => {
            let leaves = model.leaf_rows(x, &options)?;
            (leaves.iter().map(|l| f64::from(*l)).collect(), options.iterations.len() * k)
        }
        Output::Contributions => {
            let width = (model.features.len() + 1) * k;
            (model.contribution_rows(x, &options)?, width)
        }
    })
}

fn lines(values: &[f64], width: usize) -> String {
    let mut out = String::with_capacity(values.len() * 20);
    for row in values.chunks_exact(width.max(1)) {
        for (i, x) in row.iter().enumerate() {
            if i > 0 {
                out.push('\t');
            }
            // Whole numbers as they are, others so that they read back to the same bits.
            let _ =
                if x.fract() == 0.0 && x.abs() < 1e15 { write!(out, "{x}") } else { write!(out, "{x:?}") };
        }
        out.push('\n');
    }
    out
}

//! The report of a fitted estimator, drawn from a table: `lyceum fit` keeps a model, not its rows.

use super::data::Part;
use super::evaluate::rows;
use super::files::write_report;
use super::summary::{Summary, outputs};
use crate::explain::report::explained;
use crate::fit::{Curves, Material};
use crate::fitted::{Fitted, is_fitted};
use crate::model::{Learned, TabularModel};
use lyceum_core::{Error, FitContext, Params, Result, Value};
use lyceum_data::{Splits, file_hash, read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Draws the report of a fitted estimator's folder from a table with the target: from the rows that were held out, where
/// the table is the one that it learned from, else from all rows; `part` says otherwise. It lies in the folder; the
/// answer is its path.
///
/// # Errors
/// A folder of another kind of model; what prediction fails with; a part without rows.
pub fn visualize_on(folder: &Path, dataset: &Path, part: Option<Part>, cx: &FitContext) -> Result<PathBuf> {
    let model = TabularModel::load(folder)?;
    let Learned::Fitted(fitted) = &model.learned else {
        let e = Error::unsupported("the report of a training is drawn from what the training kept");
        return Err(e.in_file(folder).hint("leave out --dataset"));
    };
    let raw = read(dataset)?;
    let hash = file_hash(dataset)?;
    let held_out = model.about.data_sha256.contains(&hash) && model.about.rows[2] > 0;
    let part = part.unwrap_or(if held_out { Part::Test } else { Part::Full });
    let rows = rows(&model, &raw, part)?;
    let material = Material {
        prepared: model.prepared.clone(),
        encoded: model.encode(&raw)?,
        wanted: model.wanted(&raw)?,
        splits: Splits::default(),
    };
    drop(raw);
    let scores = model.scores_of(&material.encoded, &rows)?;
    let mut outputs = outputs(&material, &model, &scores, None, &rows);
    cx.cx.check()?;
    let why = explained(&material, &model, &rows, cx.seed)?;
    outputs.iter_mut().zip(why).for_each(|(o, why)| o.explained = why);
    let [training, kept, test] = model.about.rows;
    let data = |name: &str, hash: &str| format!("{name} (sha256 {}…)", hash.get(..12).unwrap_or(hash));
    let own = model.about.data.iter().zip(&model.about.data_sha256);
    let fact = |k: &str, v: String| (k.to_string(), v);
    let summary = Summary {
        title: format!("{} of {}", fitted.entry.name, fitted.columns.target.column),
        model_type: fitted.entry.name.into(),
        facts: vec![
            fact("Model", fitted.entry.doc.into()),
            fact("Parameters", chosen(fitted)),
            fact("Learned from", own.map(|(n, h)| data(n, h)).collect::<Vec<_>>().join(", ")),
            fact("Rows", format!("{training} training, {kept} for calibration and threshold, {test} test")),
            fact(
                "Drawn from",
                format!("{} rows of {}", rows.len(), data(&dataset.display().to_string(), &hash)),
            ),
            fact("Seed", model.about.seed.to_string()),
            fact("Made by", format!("lyceum {}", model.about.made_by)),
        ],
        warnings: Vec::new(),
        training: Curves::new(),
        validation: Curves::new(),
        best: 0,
        measured_on: part.name().into(),
        outputs,
    };
    write_report(folder, &summary)
}

/// The parameters that are not as they are where nobody says.
fn chosen(fitted: &Fitted) -> String {
    let usual = fitted.entry.make(&Params::new()).map(|e| Value::Map(Arc::new(e.params())).to_json());
    let usual = usual.unwrap_or_default();
    let set = fitted.story.params.as_object().into_iter().flatten();
    let shown = set.filter(|(name, value)| usual.get(name) != Some(value)).map(|(name, value)| match value {
        serde_json::Value::String(word) => format!("{name} {word}"),
        other => format!("{name} {other}"),
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "all as by default".into() } else { shown.join(", ") }
}

/// Why a fitted estimator's folder has no report to draw again.
pub(super) fn no_report(folder: &Path) -> Option<Error> {
    is_fitted(folder).then(|| {
        let e = Error::not_found("there is no report yet").in_file(folder);
        e.hint("draw one from a table with --dataset FILE")
    })
}

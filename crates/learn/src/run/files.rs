//! The output folder of a run, as Ludwig lays it out. Files are whole or absent; the model's folder appears at once.

use super::drawn::no_report;
use super::summary::Summary;
use crate::explain::report::drawn_tree;
use crate::fitted::is_fitted;
use crate::model::{TabularModel, read_json};
use crate::report;
use lyceum_core::{Error, Result, Table, write_atomic};
use lyceum_data::csv_text;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which files a run leaves behind; Ludwig's `skip_save_…` flags, turned round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// `description.json`.
    pub description: bool,
    /// `training_statistics.json` and the report.
    pub statistics: bool,
    /// The model's folder.
    pub model: bool,
    /// Predictions.
    pub predictions: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self { description: true, statistics: true, model: true, predictions: true }
    }
}

/// Most runs of one name.
const MOST_RUNS: usize = 100_000;

/// `<output>/<experiment>_<model>`, then `…_0`, `…_1`, …: where runs of this name are, or would be next.
pub(super) fn run_folders(
    output: &Path,
    experiment: &str,
    model: &str,
) -> Result<impl Iterator<Item = PathBuf>> {
    for name in [experiment, model] {
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Error::invalid(format!("\"{name}\" cannot be part of a folder's name")));
        }
    }
    let base = output.join(format!("{experiment}_{model}")).into_os_string();
    let suffixes = std::iter::once(String::new()).chain((0..MOST_RUNS).map(|n| format!("_{n}")));
    Ok(suffixes.map(move |suffix| {
        let mut path = base.clone();
        path.push(suffix);
        PathBuf::from(path)
    }))
}

/// Makes `<output>/<experiment>_<model>`, or the first free of `…_0`, `…_1`, ….
pub(super) fn results_folder(output: &Path, experiment: &str, model: &str) -> Result<PathBuf> {
    let folders = run_folders(output, experiment, model)?;
    let io = |path: &Path, e| Error::io(path, "create folder", e);
    std::fs::create_dir_all(output).map_err(|e| io(output, e))?;
    for folder in folders {
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io(&folder, e)),
        }
    }
    let message = format!("{MOST_RUNS} runs called {experiment}_{model} are there already");
    Err(Error::invalid(message).in_file(output))
}

/// Writes JSON for people to read.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json =
        serde_json::to_vec_pretty(value).map_err(|e| Error::internal(format!("cannot write JSON: {e}")))?;
    write_atomic(path, &json)
}

/// Fills a folder under a temporary name, then gives it its own.
pub(super) fn whole_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    std::fs::create_dir_all(&part).map_err(|e| Error::io(&part, "create folder", e))?;
    let done = fill(&part)
        .and_then(|()| std::fs::rename(&part, path).map_err(|e| Error::io(path, "rename folder", e)));
    if done.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    done
}

/// Writes predictions as CSV.
pub(super) fn write_predictions(folder: &Path, table: &Table) -> Result<PathBuf> {
    let path = folder.join("predictions.csv");
    write_atomic(&path, csv_text(table)?.as_bytes())?;
    Ok(path)
}

/// The numbers that a report is drawn from.
pub(crate) const SUMMARY: &str = "report_data.json";

/// The report's page.
pub(crate) const REPORT: &str = "report.html";

/// Writes the report of a run and the numbers that it is drawn from.
pub(super) fn write_report(folder: &Path, summary: &Summary) -> Result<PathBuf> {
    write_json(&folder.join(SUMMARY), summary)?;
    draw(folder, summary)
}

/// Draws the report of a results folder (or of the model folder within it) again. The answer is the page's path.
pub fn visualize(folder: &Path) -> Result<PathBuf> {
    let folder = of_results(folder);
    draw(folder, &kept(folder)?)
}

/// The same with one more tree of the model, by its number from 0: beside the first tree of each output, in place of
/// the one that was asked for before. Reads the model's folder within the results.
///
/// # Errors
/// As [`visualize`]; a model without trees, or without so many.
pub fn visualize_tree(folder: &Path, tree: usize) -> Result<PathBuf> {
    let folder = of_results(folder);
    let mut summary = kept(folder)?;
    let own = if is_fitted(folder) { folder.to_path_buf() } else { folder.join("model") };
    let model = TabularModel::load(&own)?;
    let mut most = 0;
    let mut found = false;
    for (i, output) in summary.outputs.iter_mut().enumerate() {
        let Some(booster) = model.booster(i) else {
            let e = Error::unsupported("only boosted trees have trees to draw").in_file(folder);
            return Err(e.hint("train with `model_type: gbm`, or fit `gradient_boosting`"));
        };
        most = most.max(booster.trees.len());
        let first = drawn_tree(booster, 0, model.classes(i));
        let chosen = drawn_tree(booster, tree, model.classes(i)).filter(|t| t.index > 0);
        found |= tree < booster.trees.len();
        output.explained.get_or_insert_default().trees = first.into_iter().chain(chosen).collect();
    }
    if !found {
        let message =
            format!("there is no tree {tree}: the model's trees are 0 to {}", most.saturating_sub(1));
        return Err(Error::invalid(message).in_file(folder));
    }
    write_json(&folder.join(SUMMARY), &summary)?;
    draw(folder, &summary)
}

/// The results folder of itself or of the model's folder within it.
fn of_results(folder: &Path) -> &Path {
    let above = folder.parent().filter(|p| p.join(SUMMARY).is_file());
    if folder.join(SUMMARY).is_file() { folder } else { above.unwrap_or(folder) }
}

fn kept(folder: &Path) -> Result<Summary> {
    let file = folder.join(SUMMARY);
    if !file.is_file() {
        if let Some(e) = no_report(folder) {
            return Err(e);
        }
        let e = Error::not_found("there is no report_data.json").in_file(folder);
        return Err(e.hint("give the results folder of a training or an experiment"));
    }
    read_json(&file)
}

fn draw(folder: &Path, summary: &Summary) -> Result<PathBuf> {
    let path = folder.join(REPORT);
    write_atomic(&path, report::page(summary).as_bytes())?;
    Ok(path)
}

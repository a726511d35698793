//! Learning a model of tables within a project.

use crate::project::TableModel;
use lyceum_core::{Context, FitContext, Progress, Result};
use lyceum_learn::{ConfigSource, DataFiles, TrainOptions, Trained, train};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Parts of the results folder's name.
const RESULTS: (&str, &str) = ("results", "run");

/// Where the model lies within its artefact.
pub(crate) fn model_folder(artefact: &Path) -> PathBuf {
    artefact.join(format!("{}_{}", RESULTS.0, RESULTS.1)).join("model")
}

/// Trains a model into a fresh `folder`; gives its metrics, the baseline's, and which rows they are of.
pub(crate) fn learn(
    model: &TableModel,
    data: &Path,
    folder: &Path,
    progress: &Arc<dyn Progress>,
    cx: &Context,
) -> Result<Json> {
    // A killed run leaves a half-filled folder; a table is learnt in seconds, so it begins anew.
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|e| lyceum_core::Error::io(folder, "remove", e))?;
    }
    let yaml = match model {
        TableModel::Ludwig(yaml) => yaml,
        TableModel::Estimator(fit) => {
            let fit = fit.of_file(data.to_path_buf(), model_folder(folder));
            let report = fit.work(cx, progress.clone())?;
            let (metrics, measured_on) = report.measured();
            let metrics = json!({ fit.target(): metrics });
            return Ok(json!({ "metrics": metrics, "baseline": {}, "measured_on": measured_on }));
        }
    };
    let mut options = TrainOptions::new(ConfigSource::Text(yaml.to_string()), DataFiles::one(data));
    options.output_directory = folder.to_path_buf();
    options.experiment_name = RESULTS.0.into();
    options.model_name = RESULTS.1.into();
    let fit = FitContext { cx: cx.clone(), progress: progress.clone(), ..FitContext::default() };
    let Trained { metrics, baseline, measured_on, .. } = train(&options, &fit)?;
    Ok(json!({ "metrics": metrics, "baseline": baseline, "measured_on": measured_on }))
}

//! `task=refit`: the trees of a model with leaf outputs learned again on other rows.

use super::set::Set;
use super::settings::Settings;
use super::train::model;
use super::writable;
use crate::ui::Ui;
use lyceum_core::{FitContext, Result, write_atomic};
use lyceum_estimators::boosting::BoostingParams;
use std::path::PathBuf;

pub(super) fn run(settings: &Settings, fit: &FitContext, ui: &Ui) -> Result<()> {
    let params = BoostingParams::from_params(&settings.learner)?;
    let output = PathBuf::from(settings.or("output_model", "LightGBM_model.txt"));
    writable(&output)?;
    let model = model(settings)?;
    let path = settings.file("data", "the rows to refit on")?;
    let data = Set::whole(&path, settings, Some(model.features.len()), ui)?;
    let decay = settings.number("refit_decay_rate", 0.9)?;
    let renewed = model.refit(&data.examples()?, decay, &params, fit)?;
    write_atomic(&output, renewed.to_text().as_bytes())?;
    let report = serde_json::json!({
        "task": "refit", "model": output, "rows": data.rows(), "trees": renewed.trees.len()
    });
    ui.result(&report, |_| {
        format!(
            "{} trees refitted on {} rows\nmodel: {}\n",
            renewed.trees.len(),
            data.rows(),
            output.display()
        )
    })
}

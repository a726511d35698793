//! `lyceum lightgbm`: LightGBM's command line, with its configuration files, data files and model files.

mod convert;
mod data;
mod predict;
mod refit;
mod save;
mod set;
mod settings;
mod train;
mod two_round;

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, FitContext, Result};
use settings::Settings;
use std::path::Path;

/// Train and predict with LightGBM's configuration, data and model files
#[derive(Args)]
pub(crate) struct LightGbm {
    /// Settings as `key=value`; `config=FILE` names a file of them
    #[arg(required = true, value_name = "KEY=VALUE")]
    words: Vec<String>,
}

impl LightGbm {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let settings = Settings::read(&self.words)?;
        let task = settings.or("task", "train");
        if settings.number("saved_feature_importance_type", 0u8)? != 0 {
            let message = "importances are saved as counts of splits (0) only";
            return Err(Error::unsupported(message).at_key("saved_feature_importance_type"));
        }
        ui.cancellable(|cx| {
            let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
            let threads = match settings.number("num_threads", 0usize)? {
                0 => cpus,
                n => n.min(256),
            };
            let fit =
                FitContext { cx: cx.clone(), threads, progress: ui.progress(), ..FitContext::default() };
            match task {
                "train" | "training" => train::run(&settings, &fit, ui),
                "predict" | "prediction" | "test" => predict::run(&settings, &fit, ui),
                "refit" | "refit_tree" => refit::run(&settings, &fit, ui),
                "convert_model" => convert::run(&settings, ui),
                "save_binary" => save::run(&settings, &fit, ui),
                other => {
                    let names = ["train", "predict", "refit", "convert_model", "save_binary"];
                    let e = Error::invalid(format!("expected one of {}, got `{other}`", names.join(", ")));
                    Err(e.at_key("task").did_you_mean(other, names))
                }
            }
        })
    }
}

/// Fails early when the folder of a file to be written is not there.
fn writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::not_found(format!("the folder of {} does not exist", path.display())))
}

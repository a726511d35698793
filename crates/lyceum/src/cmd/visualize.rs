//! `lyceum visualize`: the report of a run, drawn again.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result};
use serde::Serialize;
use std::path::PathBuf;

/// Draw the report of a training or an experiment
#[derive(Args)]
pub(crate) struct Visualize {
    /// Results folder of a run
    #[arg(value_name = "DIR")]
    results: Option<PathBuf>,
    /// Folder of a run's model
    #[arg(long = "model_path", short = 'm', value_name = "DIR", conflicts_with = "results")]
    model_path: Option<PathBuf>,
    /// A tree of the model to draw beside the first one, by its number from 0 (boosted trees)
    #[arg(long, value_name = "N")]
    tree: Option<usize>,
    /// Taken for Ludwig's sake: the page has every picture
    #[arg(long, short = 'v', hide = true)]
    visualization: Option<String>,
}

#[derive(Serialize)]
struct Drawn {
    report: PathBuf,
}

impl Visualize {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let Some(folder) = self.results.or(self.model_path) else {
            return Err(Error::invalid("name the results folder of a run")
                .hint("lyceum visualize results/experiment_run"));
        };
        let report = match self.tree {
            Some(tree) => lyceum_learn::visualize_tree(&folder, tree)?,
            None => lyceum_learn::visualize(&folder)?,
        };
        ui.result(&Drawn { report }, |d| format!("wrote {}", d.report.display()))
    }
}

//! `lyceum visualize`: the report of a run, drawn again.

use super::model_flags::SplitName;
use super::run_flags::fit_context;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result};
use lyceum_learn::{Part, visualize_on};
use serde::Serialize;
use std::path::PathBuf;

/// Draw the report of a training or an experiment, or of a model of `lyceum fit`
#[derive(Args)]
pub(crate) struct Visualize {
    /// Results folder of a run
    #[arg(value_name = "DIR")]
    results: Option<PathBuf>,
    /// Folder of a run's model, or of a model of `lyceum fit`
    #[arg(long = "model_path", short = 'm', value_name = "DIR", conflicts_with = "results")]
    model_path: Option<PathBuf>,
    /// A table with the target to draw the report of a model of `lyceum fit` from: the rows that were held out, where it
    /// is the one that the model learned from, else all
    #[arg(long, value_name = "FILE", requires = "model_path")]
    dataset: Option<PathBuf>,
    /// Other rows of that table
    #[arg(long, short = 's', value_enum, requires = "dataset")]
    split: Option<SplitName>,
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
        let mut report = None;
        if let Some(dataset) = &self.dataset {
            let part = self.split.map(Part::from);
            let drawn = ui.cancellable(|cx| {
                visualize_on(&folder, dataset, part, &fit_context(cx.clone(), ui, 42, None))
            })?;
            report = Some(drawn);
        }
        let report = match (self.tree, report) {
            (Some(tree), _) => lyceum_learn::visualize_tree(&folder, tree)?,
            (None, Some(report)) => report,
            (None, None) => lyceum_learn::visualize(&folder)?,
        };
        ui.result(&Drawn { report }, |d| format!("wrote {}", d.report.display()))
    }
}

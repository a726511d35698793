//! Flags that `evaluate` and `predict` share, by Ludwig's names.

use super::run_flags::{IgnoredFlags, fit_context, metric_lines};
use crate::language::Models;
use crate::ui::Ui;
use clap::{Args, ValueEnum};
use lyceum_core::{FitContext, Result};
use lyceum_learn::{EvaluateOptions, Evaluated, Part, Why};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Which model, on what.
#[derive(Args)]
pub(crate) struct ModelFlags {
    /// Folder of the model
    #[arg(long = "model_path", alias = "model-path", short = 'm', value_name = "DIR")]
    model_path: PathBuf,
    /// Table (CSV, TSV or JSON Lines)
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
    /// Which rows, divided as in training
    #[arg(long, short = 's', value_enum, default_value_t = SplitName::Full)]
    split: SplitName,
    /// Folder that files are written to (also -od)
    #[arg(
        long = "output_directory",
        alias = "output-directory",
        value_name = "DIR",
        default_value = "results"
    )]
    output_directory: PathBuf,
    /// Write no files
    #[arg(long = "skip_save_predictions")]
    skip_save_predictions: bool,
    /// How a language model answers, over its own `generation` section: a YAML or JSON file (also -gc)
    #[arg(long = "generation_config", value_name = "FILE")]
    generation_config: Option<PathBuf>,
    /// Threads to use; all processors when left out
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Taken for Ludwig's sake
    #[arg(long = "batch_size", hide = true)]
    batch_size: Option<usize>,
    #[command(flatten)]
    ignored: IgnoredFlags,
}

/// Parts of a table.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum SplitName {
    Training,
    Validation,
    Test,
    Full,
}

impl From<SplitName> for Part {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Training => Self::Training,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
            SplitName::Full => Self::Full,
        }
    }
}

impl ModelFlags {
    pub(crate) fn run(
        self,
        ui: &Ui,
        verb: fn(&EvaluateOptions<'_>, &FitContext) -> Result<Evaluated>,
        why: Why,
    ) -> Result<()> {
        let models = Models { threads: self.threads };
        let options = EvaluateOptions {
            model_path: self.model_path,
            dataset: self.dataset,
            part: self.split.into(),
            output_directory: (!self.skip_save_predictions).then_some(self.output_directory),
            why,
            generation: self.generation_config,
            llm: Some(&models),
        };
        let done = ui.cancellable(|cx| verb(&options, &fit_context(cx.clone(), ui, 42, self.threads)))?;
        ui.result(&done, show)
    }
}

fn show(e: &Evaluated) -> String {
    let mut out = metric_lines(&e.metrics, &BTreeMap::new(), &format!("{} rows", e.rows));
    if let Some(path) = &e.predictions_path {
        let _ = writeln!(out, "{} predictions in {}", e.rows, path.display());
    }
    let _ = writeln!(out, "{:.2} s", e.seconds);
    out
}

//! Flags that `train` and `experiment` share, by Ludwig's names, and what comes of them.

use crate::language::Models;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Context, Error, FitContext, Result};
use lyceum_learn::{ConfigSource, DataFiles, Keep, TrainOptions, Trained};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// What every training takes.
#[derive(Args)]
pub(crate) struct RunFlags {
    /// Configuration file (YAML)
    #[arg(long, short = 'c', value_name = "FILE")]
    config: Option<PathBuf>,
    /// Configuration as YAML text
    #[arg(long = "config_str", value_name = "YAML", conflicts_with = "config")]
    config_str: Option<String>,
    /// Table that is split by the configuration's rule (CSV, TSV or JSON Lines)
    #[arg(long, value_name = "FILE")]
    dataset: Option<PathBuf>,
    /// Table to learn from, when the data is split already
    #[arg(long = "training_set", value_name = "FILE", conflicts_with = "dataset")]
    training_set: Option<PathBuf>,
    /// Table that decides when to stop
    #[arg(long = "validation_set", value_name = "FILE", requires = "training_set")]
    validation_set: Option<PathBuf>,
    /// Table to test on
    #[arg(long = "test_set", value_name = "FILE", requires = "training_set")]
    test_set: Option<PathBuf>,
    /// Folder that the run's own folder is made in
    #[arg(
        long = "output_directory",
        alias = "output-directory",
        value_name = "DIR",
        default_value = "results"
    )]
    output_directory: PathBuf,
    /// First part of the run's folder name; the verb's own name when left out (`experiment` for train)
    #[arg(long = "experiment_name", value_name = "NAME")]
    experiment_name: Option<String>,
    /// Second part of the run's folder name
    #[arg(long = "model_name", value_name = "NAME", default_value = "run")]
    model_name: String,
    /// Seed of every random choice (also -rs)
    #[arg(long = "random_seed", value_name = "N", default_value_t = 42)]
    random_seed: u64,
    /// Threads to use; all processors when left out
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    skip: SkipFlags,
    #[command(flatten)]
    ignored: IgnoredFlags,
}

/// Files that are not to be written.
#[derive(Args)]
struct SkipFlags {
    /// Do not write description.json (also -sstd)
    #[arg(long = "skip_save_training_description")]
    description: bool,
    /// Do not write statistics and the report (also -ssts)
    #[arg(long = "skip_save_training_statistics")]
    statistics: bool,
    /// Do not write the model (also -ssm)
    #[arg(long = "skip_save_model")]
    model: bool,
    /// Do not write predictions (also -sstp)
    #[arg(long = "skip_save_predictions")]
    predictions: bool,
}

/// Flags of Ludwig's that change nothing here.
#[derive(Args)]
pub(crate) struct IgnoredFlags {
    /// Taken for Ludwig's sake: there is one backend
    #[arg(long, short = 'b', hide = true)]
    backend: Option<String>,
    /// Taken for Ludwig's sake
    #[arg(long = "logging_level", short = 'l', hide = true)]
    logging_level: Option<String>,
    /// Taken for Ludwig's sake
    #[arg(long, short = 'g', hide = true)]
    gpus: Option<String>,
    /// Taken for Ludwig's sake
    #[arg(long = "gpu_memory_limit", hide = true)]
    gpu_memory_limit: Option<String>,
    /// Taken for Ludwig's sake: the extension says it
    #[arg(long = "data_format", hide = true)]
    data_format: Option<String>,
    /// Taken for Ludwig's sake
    #[arg(long = "skip_save_processed_input", hide = true)]
    skip_save_processed_input: bool,
    /// Taken for Ludwig's sake
    #[arg(long = "skip_save_progress", hide = true)]
    skip_save_progress: bool,
    /// Taken for Ludwig's sake
    #[arg(long = "skip_save_log", hide = true)]
    skip_save_log: bool,
    /// Taken for Ludwig's sake
    #[arg(long = "skip_save_unprocessed_output", hide = true)]
    skip_save_unprocessed_output: bool,
    /// Taken for Ludwig's sake
    #[arg(long = "skip_save_eval_stats", hide = true)]
    skip_save_eval_stats: bool,
    /// Taken for Ludwig's sake
    #[arg(long = "disable_parallel_threads", hide = true)]
    disable_parallel_threads: bool,
}

impl RunFlags {
    /// Runs a training verb; Ctrl-C stops it.
    pub(crate) fn run(
        self,
        ui: &Ui,
        verb: fn(&TrainOptions<'_>, &FitContext) -> Result<Trained>,
    ) -> Result<()> {
        self.done(ui, "experiment", verb, |trained| &trained.warnings, show)
    }

    /// Does what a verb does, notes its warnings and shows the rest.
    pub(crate) fn done<T: Serialize>(
        self,
        ui: &Ui,
        experiment_name: &str,
        verb: fn(&TrainOptions<'_>, &FitContext) -> Result<T>,
        warnings: fn(&T) -> &[String],
        show: fn(&T) -> String,
    ) -> Result<()> {
        let config = match (self.config, self.config_str) {
            (Some(file), None) => ConfigSource::File(file),
            (None, Some(text)) => ConfigSource::Text(text),
            _ => return Err(Error::invalid("no configuration is given").hint("--config FILE.yaml")),
        };
        let (dataset, training_set) = (self.dataset, self.training_set);
        let data =
            DataFiles { dataset, training_set, validation_set: self.validation_set, test_set: self.test_set };
        let models = Models { threads: self.threads };
        let options = TrainOptions {
            output_directory: self.output_directory,
            experiment_name: self.experiment_name.unwrap_or_else(|| experiment_name.into()),
            model_name: self.model_name,
            keep: Keep {
                description: !self.skip.description,
                statistics: !self.skip.statistics,
                model: !self.skip.model,
                predictions: !self.skip.predictions,
            },
            llm: Some(&models),
            ..TrainOptions::new(config, data)
        };
        let (seed, threads) = (self.random_seed, self.threads);
        let trained = ui.cancellable(|cx| verb(&options, &fit_context(cx.clone(), ui, seed, threads)))?;
        for warning in warnings(&trained) {
            ui.note(&format!("warning: {warning}"));
        }
        ui.result(&trained, show)
    }
}

/// A context for fitting that the terminal watches.
pub(crate) fn fit_context(cx: Context, ui: &Ui, seed: u64, threads: Option<usize>) -> FitContext {
    let default = FitContext::default();
    FitContext { cx, seed, threads: threads.unwrap_or(default.threads).max(1), progress: ui.progress() }
}

pub(crate) fn show(t: &Trained) -> String {
    let rows = format!("{} {} rows", t.measured_rows, t.measured_on);
    let mut out = metric_lines(&t.metrics, &t.baseline, &rows);
    let _ = writeln!(out, "model   {}", t.model_path.display());
    if let Some(report) = &t.report {
        let _ = writeln!(out, "report  {}", report.display());
    }
    let _ = writeln!(out, "{:.1} s", t.seconds);
    out
}

/// Output to metric to value.
type Measures = BTreeMap<String, BTreeMap<String, f64>>;

/// One line a metric, the baseline beside the model where there is one.
pub(crate) fn metric_lines(metrics: &Measures, baseline: &Measures, rows: &str) -> String {
    let mut out = String::new();
    for (output, values) in metrics {
        let _ = writeln!(out, "{output} ({rows})");
        for (name, value) in values {
            let _ = write!(out, "  {name:32} {value:>12.5}");
            if let Some(base) = baseline.get(output).and_then(|b| b.get(name)) {
                let _ = write!(out, "   baseline {base:>12.5}");
            }
            out.push('\n');
        }
    }
    out
}

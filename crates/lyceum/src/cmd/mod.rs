//! One file a verb: its flags, its work, its output.

pub(crate) mod approvals;
pub(crate) mod bench;
pub(crate) mod bench_adapters;
pub(crate) mod bench_trees;
pub(crate) mod chat;
pub(crate) mod check;
pub(crate) mod estimators;
pub(crate) mod evaluate;
pub(crate) mod experiment;
pub(crate) mod finetune;
pub(crate) mod fit;
pub(crate) mod generate;
pub(crate) mod graph;
mod home;
pub(crate) mod hyperopt;
pub(crate) mod info;
pub(crate) mod init_config;
pub(crate) mod keys;
pub(crate) mod lightgbm;
pub(crate) mod ls;
pub(crate) mod merge;
mod model_args;
mod model_flags;
pub(crate) mod new;
pub(crate) mod perf;
pub(crate) mod perplexity;
pub(crate) mod predict;
pub(crate) mod pretrain;
pub(crate) mod pull;
pub(crate) mod quantize;
pub(crate) mod rm;
mod run_flags;
mod sampling_args;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod tokenize;
pub(crate) mod traces;
pub(crate) mod train;
pub(crate) mod tune;
pub(crate) mod up;
pub(crate) mod visualize;

use crate::cli::Command;
use crate::ui::Ui;
use lyceum_core::Result;
use std::process::ExitCode;

/// Runs one command. The code is 0 unless the command has one of its own (3: a gate has not passed).
pub(crate) fn run(command: Command, ui: &Ui) -> Result<ExitCode> {
    match command {
        Command::Approvals(c) => c.run(ui)?,
        Command::Bench(c) => c.run(ui)?,
        Command::BenchTrees(c) => c.run(ui)?,
        Command::Chat(c) => c.run(ui)?,
        Command::Check(c) => return c.run(ui),
        Command::Estimators(c) => c.run(ui)?,
        Command::Evaluate(c) => c.run(ui)?,
        Command::Experiment(c) => c.run(ui)?,
        Command::Finetune(c) => c.run(ui)?,
        Command::Fit(c) => c.run(ui)?,
        Command::Gc(c) => c.run(ui)?,
        Command::Generate(c) => c.run(ui)?,
        Command::Graph(c) => c.run(ui)?,
        Command::Hyperopt(c) => c.run(ui)?,
        Command::InitConfig(c) => c.run(ui)?,
        Command::Keys(c) => c.run(ui)?,
        Command::LightGbm(c) => c.run(ui)?,
        Command::Ls(c) => c.run(ui)?,
        Command::Merge(c) => c.run(ui)?,
        Command::New(c) => c.run(ui)?,
        Command::Perf(c) => c.run(ui)?,
        Command::Perplexity(c) => c.run(ui)?,
        Command::Predict(c) => c.run(ui)?,
        Command::Pretrain(c) => c.run(ui)?,
        Command::Pull(c) => c.run(ui)?,
        Command::Rm(c) => c.run(ui)?,
        Command::Serve(c) => c.run(ui)?,
        Command::Show(c) => c.run(ui)?,
        Command::Info(c) => c.run(ui)?,
        Command::Quantize(c) => c.run(ui)?,
        Command::Status(c) => c.run(ui)?,
        Command::Tokenize(c) => c.run(ui)?,
        Command::Tune(c) => c.run(ui)?,
        Command::Trace(c) => c.run(ui)?,
        Command::Traces(c) => c.run(ui)?,
        Command::Train(c) => c.run(ui)?,
        Command::Up(c) => return c.run(ui),
        Command::Visualize(c) => c.run(ui)?,
    }
    Ok(ExitCode::SUCCESS)
}

//! The command line: one verb a variant, its flags beside its work in `cmd`.

use clap::{Args, Parser, Subcommand};

/// Learn models from data, serve them, compose them into agents, evaluate what comes out.
#[derive(Parser)]
#[command(name = "lyceum", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Print one JSON object as the last line of standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress on standard error
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Approvals(crate::cmd::approvals::Approvals),
    Bench(crate::cmd::bench::Bench),
    BenchTrees(crate::cmd::bench_trees::BenchTrees),
    Chat(crate::cmd::chat::Chat),
    Check(crate::cmd::check::Check),
    Estimators(crate::cmd::estimators::Estimators),
    Evaluate(crate::cmd::evaluate::Evaluate),
    Experiment(crate::cmd::experiment::Experiment),
    Finetune(crate::cmd::finetune::Finetune),
    Fit(crate::cmd::fit::Fit),
    Gc(crate::cmd::status::Gc),
    Generate(crate::cmd::generate::Generate),
    Graph(crate::cmd::graph::Graph),
    Hyperopt(crate::cmd::hyperopt::Hyperopt),
    #[command(name = "init_config", alias = "init-config")]
    InitConfig(crate::cmd::init_config::InitConfig),
    Keys(crate::cmd::keys::Keys),
    #[command(name = "lightgbm")]
    LightGbm(crate::cmd::lightgbm::LightGbm),
    Ls(crate::cmd::ls::Ls),
    Merge(crate::cmd::merge::Merge),
    New(crate::cmd::new::New),
    Perf(crate::cmd::perf::Perf),
    Perplexity(crate::cmd::perplexity::Perplexity),
    Predict(crate::cmd::predict::Predict),
    Pretrain(crate::cmd::pretrain::Pretrain),
    Pull(crate::cmd::pull::Pull),
    Rm(crate::cmd::rm::Rm),
    Serve(crate::cmd::serve::Serve),
    Show(crate::cmd::show::Show),
    Info(crate::cmd::info::Info),
    Quantize(crate::cmd::quantize::Quantize),
    Status(crate::cmd::status::Status),
    Tokenize(crate::cmd::tokenize::Tokenize),
    Trace(crate::cmd::traces::Trace),
    Traces(crate::cmd::traces::Traces),
    Train(crate::cmd::train::Train),
    Tune(crate::cmd::tune::Tune),
    Up(crate::cmd::up::Up),
    Visualize(crate::cmd::visualize::Visualize),
}

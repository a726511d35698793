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
    Check(crate::cmd::check::Check),
    Evaluate(crate::cmd::evaluate::Evaluate),
    Experiment(crate::cmd::experiment::Experiment),
    #[command(name = "init_config", alias = "init-config")]
    InitConfig(crate::cmd::init_config::InitConfig),
    Finetune(crate::cmd::finetune::Finetune),
    Tokenize(crate::cmd::tokenize::Tokenize),
    Perplexity(crate::cmd::perplexity::Perplexity),
    Generate(crate::cmd::generate::Generate),
    Chat(crate::cmd::chat::Chat),
    Bench(crate::cmd::bench::Bench),
    Keys(crate::cmd::keys::Keys),
    Ls(crate::cmd::ls::Ls),
    New(crate::cmd::new::New),
    Predict(crate::cmd::predict::Predict),
    Perf(crate::cmd::perf::Perf),
    Serve(crate::cmd::serve::Serve),
    Pull(crate::cmd::pull::Pull),
    Rm(crate::cmd::rm::Rm),
    Show(crate::cmd::show::Show),
    Train(crate::cmd::train::Train),
    Visualize(crate::cmd::visualize::Visualize),
}

//! The roof: command line and project file to work; wiring and nothing else.

mod cli;
mod cmd;
mod compose;
mod language;
mod ludwig_flags;
mod project;
mod ui;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(ludwig_flags::spelled_out(std::env::args_os()));
    let ui = ui::Ui::new(&cli.global);
    match instruction_set().and_then(|()| cmd::run(cli.command, &ui)) {
        Ok(code) => code,
        Err(e) => {
            ui.error(&e);
            ExitCode::from(e.kind().exit_code())
        }
    }
}

/// Refuses a `LYCEUM_ISA` that names no instruction set.
fn instruction_set() -> lyceum_core::Result<()> {
    let Ok(asked) = std::env::var("LYCEUM_ISA") else { return Ok(()) };
    let names = lyceum_tensor::Level::NAMES.map(|(name, _)| name);
    if asked.is_empty() || names.contains(&asked.as_str()) {
        return Ok(());
    }
    let e = lyceum_core::Error::invalid(format!("`{asked}` is not one of {}", names.join(", ")));
    Err(e.at_key("LYCEUM_ISA").did_you_mean(&asked, names))
}

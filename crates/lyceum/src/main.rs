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
    match cmd::run(cli.command, &ui) {
        Ok(code) => code,
        Err(e) => {
            ui.error(&e);
            ExitCode::from(e.kind().exit_code())
        }
    }
}

//! One file a verb: its flags, its work, its output.

pub(crate) mod finetune;
mod home;
pub(crate) mod keys;
pub(crate) mod ls;
pub(crate) mod pull;
pub(crate) mod rm;
pub(crate) mod show;

use crate::cli::Command;
use crate::ui::Ui;
use lyceum_core::Result;
use std::process::ExitCode;

/// Runs one command. The code is 0 unless the command has one of its own (3: a gate has not passed).
pub(crate) fn run(command: Command, ui: &Ui) -> Result<ExitCode> {
    match command {
        Command::Finetune(c) => c.run(ui)?,
        Command::Keys(c) => c.run(ui)?,
        Command::Ls(c) => c.run(ui)?,
        Command::Pull(c) => c.run(ui)?,
        Command::Rm(c) => c.run(ui)?,
        Command::Show(c) => c.run(ui)?,
    }
    Ok(ExitCode::SUCCESS)
}

//! One file a verb: its flags, its work, its output.

use crate::cli::Command;
use crate::ui::Ui;
use lyceum_core::Result;
use std::process::ExitCode;

/// Runs one command. The code is 0 unless the command has one of its own (3: a gate has not passed).
pub(crate) fn run(command: Command, _ui: &Ui) -> Result<ExitCode> {
    match command {}
}

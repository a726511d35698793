//! Inspects and tests the house.
//!
//! - `cargo xtask test`: installs what the tests need, inspects, lints, and runs everything.
//! - `cargo xtask tidy`: floors, `//!` lines, file lengths, licences, and names that may not be in the repository.
//! - `cargo xtask report`: sizes and documentation by crate.
//! - `cargo xtask llama`: speed beside llama.cpp.

mod floors;
mod llama;
mod readme;
mod report;
mod sources;
mod test;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    let done = match word.as_str() {
        "test" => test::run(),
        "tidy" => tidy::run(),
        "report" => report::run(),
        "llama" => llama::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => Err("usage: cargo xtask test | tidy | report | llama".to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}

//! `lyceum info`: what this build is and what it found of the machine.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_tensor::{Pool, level};
use serde::Serialize;

/// Show the version, the instruction set in use, and the threads that compute
#[derive(Args)]
pub(crate) struct Info {}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    /// `scalar`, `avx2`, `avx512` or `amx`.
    isa: &'static str,
    /// What `LYCEUM_ISA` asks for, if it is set.
    isa_asked: Option<String>,
    threads: usize,
}

impl Info {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            isa: level().name(),
            isa_asked: std::env::var("LYCEUM_ISA").ok(),
            threads: Pool::global().threads(),
        };
        ui.result(&report, |r| {
            let asked = r.isa_asked.as_ref().map_or(String::new(), |a| format!(" (LYCEUM_ISA asks for {a})"));
            format!("lyceum {}\ninstruction set: {}{asked}\nthreads: {}\n", r.version, r.isa, r.threads)
        })
    }
}

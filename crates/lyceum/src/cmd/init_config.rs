//! `lyceum init_config`: a first configuration from a table.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use serde::Serialize;
use std::path::PathBuf;

/// Write a first configuration, guessed from a table
#[derive(Args)]
pub(crate) struct InitConfig {
    /// Table (CSV, TSV or JSON Lines)
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
    /// Column to predict; may be given several times
    #[arg(long, short = 't', value_name = "COLUMN", required = true, num_args = 1..)]
    target: Vec<String>,
    /// File to write; standard output when left out
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Done {
    config: String,
    path: Option<PathBuf>,
}

impl InitConfig {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let config = lyceum_learn::init_config(&self.dataset, &self.target)?;
        if let Some(path) = &self.output {
            lyceum_core::write_atomic(path, config.as_bytes())?;
        }
        ui.result(&Done { config, path: self.output }, |d| match &d.path {
            Some(path) => format!("wrote {}", path.display()),
            None => d.config.clone(),
        })
    }
}

//! `lyceum rm`: forgets models and frees what no other model needs.

use super::home::{HomeArgs, size};
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_store::Removed;
use serde::Serialize;

/// Remove models from this machine
#[derive(Args)]
pub(crate) struct Rm {
    /// Names of pulled models
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Done {
    removed: Vec<Removed>,
}

impl Rm {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let home = self.home.open()?;
        let removed = self.names.iter().map(|name| home.remove(name)).collect::<Result<_>>()?;
        ui.result(&Done { removed }, |d| {
            d.removed.iter().map(|r| format!("removed {} ({} freed)\n", r.name, size(r.freed))).collect()
        })
    }
}

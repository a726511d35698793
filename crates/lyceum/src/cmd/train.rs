//! `lyceum train`: a configuration and a table to a model.

use super::run_flags::RunFlags;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;

/// Train a model from a Ludwig-style configuration
#[derive(Args)]
pub(crate) struct Train {
    #[command(flatten)]
    flags: RunFlags,
}

impl Train {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        self.flags.run(ui, lyceum_learn::train)
    }
}

//! `lyceum experiment`: train, measure on the test rows, keep their predictions.

use super::run_flags::RunFlags;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;

/// Train a model, measure it on the test rows and write their predictions
#[derive(Args)]
pub(crate) struct Experiment {
    #[command(flatten)]
    flags: RunFlags,
}

impl Experiment {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        self.flags.run(ui, lyceum_learn::experiment)
    }
}

//! `lyceum evaluate`: a model's metrics on a table.

use super::model_flags::ModelFlags;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;

/// Measure a trained model on a table that has the true values
#[derive(Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    flags: ModelFlags,
}

impl Evaluate {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        self.flags.run(ui, lyceum_learn::evaluate)
    }
}

//! `lyceum evaluate`: a model's metrics on a table.

use super::model_flags::ModelFlags;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_learn::Why;

/// Measure a trained model on a table that has the true values
///
/// For a language model: loss and perplexity of the true answers, and what its own are worth beside them (exact_match,
/// token_f1, rouge_l; accuracy and F1 for an output of type category).
#[derive(Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    flags: ModelFlags,
}

impl Evaluate {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        self.flags.run(ui, lyceum_learn::evaluate, Why::default())
    }
}

//! `lyceum predict`: a model's predictions for a table.

use super::model_flags::ModelFlags;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_learn::Why;

/// Predict every row of a table with a trained model
///
/// A language model answers as its configuration's `generation` section says; predictions.csv has its answers in
/// `<output>_predictions` and, as they came, in `<output>_response`.
#[derive(Args)]
pub(crate) struct Predict {
    #[command(flatten)]
    flags: ModelFlags,
    /// Write what each feature adds to each raw score, too (boosted trees and linear models): `<output>_contributions`
    #[arg(long)]
    contributions: bool,
    /// Write what pairs of features add together, too (boosted trees): `<output>_interactions`, SHAP interaction values
    #[arg(long)]
    interactions: bool,
}

impl Predict {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let why = Why { contributions: self.contributions, interactions: self.interactions };
        self.flags.run(ui, lyceum_learn::predict, why)
    }
}

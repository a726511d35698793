//! `lyceum train`: a configuration and a table to a model.

use super::run_flags::RunFlags;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;

/// Train a model from a Ludwig-style configuration
///
/// The configuration says what is predicted from what; the table (CSV, TSV or JSON Lines) is split
/// into training, validation and test rows. The run's folder gets the model, its metrics, a
/// baseline's, and a report.
///
/// A language model is taught from a table in the same way. With this in llm.yaml
///
///     model_type: llm
///     base_model: smollm2-135m-instruct
///     prompt:
///       template: "Ticket: {ticket}\nDesk:"
///     input_features: [{name: ticket, type: text}]
///     output_features: [{name: desk, type: text}]
///     adapter: {type: lora}
///     trainer: {type: finetune, epochs: 3, batch_size: 8, learning_rate: 0.001}
///     generation: {temperature: 0, max_new_tokens: 8}
///
/// and a table tickets.csv with the columns ticket and desk:
///
///     lyceum pull smollm2-135m-instruct
///     lyceum train --config llm.yaml --dataset tickets.csv
///     lyceum predict --model_path results/experiment_run/model --dataset new.csv
///
/// The prompt is plain text with the answer right after it, as Ludwig has it; JSON Lines of
/// {"messages"} or {"prompt", "completion"} go through the model's chat template. A run that was
/// stopped goes on when the command is given again.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Train {
    #[command(flatten)]
    flags: RunFlags,
}

impl Train {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        self.flags.run(ui, lyceum_learn::train)
    }
}

//! `lyceum tokenize`: a text's token ids.

use super::home::HomeArgs;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Result, TextCodec};
use lyceum_models::Text;
use serde::Serialize;

/// Show the token ids of a text
#[derive(Args)]
pub(crate) struct Tokenize {
    /// A pulled model's name, a GGUF file, or a model's folder
    #[arg(long, short)]
    model: String,
    /// The text
    #[arg(long, short)]
    text: String,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Tokens {
    ids: Vec<u32>,
}

impl Tokenize {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let path = self.home.open()?.resolve(&self.model)?;
        let codec = if path.is_dir() {
            Text::from_folder(&path)?
        } else {
            Text::from_gguf(&lyceum_tensor::gguf::Gguf::open(&path)?)?
        };
        let tokens = Tokens { ids: codec.encode(&self.text, true)? };
        ui.result(&tokens, |t| {
            let name = |id: &u32| codec.tokenizer().token(*id).unwrap_or_default();
            t.ids.iter().map(|id| format!("{id}\t{}\n", name(id))).collect()
        })
    }
}

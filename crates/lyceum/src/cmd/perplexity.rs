//! `lyceum perplexity`: how well a model foresees a text.

use super::model_args::ModelArgs;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Context, Engine, Error, Result};
use serde::Serialize;
use std::path::PathBuf;

/// Measure how well a model foresees a text
#[derive(Args)]
pub(crate) struct Perplexity {
    #[command(flatten)]
    model: ModelArgs,
    /// The text
    #[arg(long, value_name = "FILE")]
    text_file: PathBuf,
}

#[derive(Serialize)]
struct Measured {
    /// Tokens scored: all but the first.
    tokens: usize,
    /// Mean negative log-likelihood of a token, in nats.
    mean_nll: f64,
    perplexity: f64,
}

impl Perplexity {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        ui.block_on(|cx| self.work(ui, cx))
    }

    async fn work(self, ui: &Ui, cx: Context) -> Result<()> {
        let file = &self.text_file;
        let bytes = std::fs::read(file).map_err(|e| Error::io(file, "read", e))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Error::invalid(format!("the file is not UTF-8 at byte {at}")).in_file(file)
        })?;
        let (engine, adapter) = self.model.open().await?;
        let ids = engine.text().encode(&text, true)?;
        if ids.len() < 2 {
            return Err(Error::invalid("at least two tokens are needed").in_file(file));
        }
        let progress = ui.progress();
        progress.begin("scoring", None);
        let scores = tokio::select! {
            scores = engine.score(&ids, adapter.as_deref()) => scores?,
            () = cx.cancelled() => return Err(Error::cancelled()),
        };
        progress.end();
        let mean_nll = -scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
        let out = Measured { tokens: scores.len(), mean_nll, perplexity: mean_nll.exp() };
        ui.result(&out, |m| {
            format!("perplexity {:.4} ({:.4} nats a token, {} tokens)", m.perplexity, m.mean_nll, m.tokens)
        })
    }
}

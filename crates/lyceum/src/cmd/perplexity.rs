//! `lyceum perplexity`: how well a model foresees a text.

use super::model_args::ModelArgs;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Context, Engine, Error, Result};
use lyceum_engine::LanguageModel;
use serde::Serialize;
use std::path::{Path, PathBuf};

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
pub(crate) struct Measured {
    /// Tokens scored: all but the first.
    pub(crate) tokens: usize,
    /// Mean negative log-likelihood of a token, in nats.
    mean_nll: f64,
    pub(crate) perplexity: f64,
}

impl Perplexity {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        ui.block_on(|cx| self.work(ui, cx))
    }

    async fn work(self, ui: &Ui, cx: Context) -> Result<()> {
        let text = read(&self.text_file)?;
        let (engine, adapter) = self.model.open().await?;
        let out = measure(&engine, adapter.as_deref(), &text, &self.text_file, ui, &cx).await?;
        ui.result(&out, |m| {
            format!("perplexity {:.4} ({:.4} nats a token, {} tokens)", m.perplexity, m.mean_nll, m.tokens)
        })
    }
}

/// A text file; fails where it is not UTF-8.
pub(crate) fn read(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).map_err(|e| Error::io(file, "read", e))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::invalid(format!("the file is not UTF-8 at byte {at}")).in_file(file)
    })
}

/// The perplexity of a text, which `file` holds.
pub(crate) async fn measure(
    engine: &LanguageModel,
    adapter: Option<&str>,
    text: &str,
    file: &Path,
    ui: &Ui,
    cx: &Context,
) -> Result<Measured> {
    let ids = engine.text().encode(text, true)?;
    if ids.len() < 2 {
        return Err(Error::invalid("at least two tokens are needed").in_file(file));
    }
    let progress = ui.progress();
    progress.begin("scoring", None);
    let scores = tokio::select! {
        scores = engine.score(&ids, adapter) => scores?,
        () = cx.cancelled() => return Err(Error::cancelled()),
    };
    progress.end();
    let mean_nll = -scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
    Ok(Measured { tokens: scores.len(), mean_nll, perplexity: mean_nll.exp() })
}

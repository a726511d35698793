//! `lyceum quantize`: a model in fewer bits, and what that costs.

use super::perplexity;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_engine::{EngineConfig, LanguageModel};
use lyceum_models::quantize::{Mix, quantize};
use lyceum_tensor::Pool;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Write a GGUF model with its matrices in another format
#[derive(Args)]
pub(crate) struct Quantize {
    /// A GGUF file, or a pulled model's name
    #[arg(value_name = "IN")]
    input: String,
    /// The GGUF file to write; it must not exist
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// What to write: q4_k_m, q4_k_s, q5_k_m, q6_k, q8_0, q4_0, q4_1, q5_0, q5_1, f16, bf16 or f32
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Measure the perplexity of a text before and after
    #[arg(long, value_name = "FILE")]
    perplexity: Option<PathBuf>,
}

#[derive(Serialize)]
struct Cost {
    before: f64,
    after: f64,
    tokens: usize,
}

#[derive(Serialize)]
struct Report {
    input: PathBuf,
    output: PathBuf,
    #[serde(rename = "type")]
    kind: &'static str,
    bytes_before: u64,
    bytes_after: u64,
    bits_per_weight: f64,
    tensors: BTreeMap<String, usize>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    perplexity: Option<Cost>,
}

impl Quantize {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let mix = Mix::parse(&self.kind)?;
        let text = self.perplexity.as_deref().map(perplexity::read).transpose()?;
        let input = lyceum_store::Home::open()?.resolve(&self.input)?;
        let start = Instant::now();
        let done = quantize(&input, &self.output, mix, Pool::global(), &*ui.progress())?;
        let seconds = start.elapsed().as_secs_f64();
        if done.twice {
            ui.progress().note("the input was quantised already: its matrices were rounded twice");
        }
        let perplexity = match text {
            Some(text) => {
                let (before, tokens) = self.foresight(ui, &input, &text)?;
                let (after, _) = self.foresight(ui, &self.output, &text)?;
                Some(Cost { before, after, tokens })
            }
            None => None,
        };
        let report = Report {
            input,
            output: self.output.clone(),
            kind: mix.name,
            bytes_before: done.bytes_before,
            bytes_after: done.bytes_after,
            bits_per_weight: 8.0 * done.bytes_after as f64 / done.weights.max(1) as f64,
            tensors: done.tensors,
            seconds,
            perplexity,
        };
        ui.result(&report, |r| {
            let mib = |n: u64| n as f64 / f64::from(1 << 20);
            let cost = r.perplexity.as_ref().map_or(String::new(), |c| {
                format!("\nperplexity {:.4} before, {:.4} after ({} tokens)", c.before, c.after, c.tokens)
            });
            format!(
                "{}: {:.1} MiB of {:.1}, {:.2} bits a weight, {:.1} s{cost}",
                r.output.display(),
                mib(r.bytes_after),
                mib(r.bytes_before),
                r.bits_per_weight,
                r.seconds
            )
        })
    }

    /// Perplexity of a text, and its tokens.
    fn foresight(&self, ui: &Ui, model: &Path, text: &str) -> Result<(f64, usize)> {
        ui.block_on(async |cx| {
            let engine = LanguageModel::open(model, EngineConfig::default())?;
            let file = self.perplexity.clone().unwrap_or_default();
            let m = perplexity::measure(&engine, None, text, &file, ui, &cx).await?;
            Ok((m.perplexity, m.tokens))
        })
    }
}

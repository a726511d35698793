//! `lyceum merge`: base and adapter as one model.

use crate::ui::Ui;
use clap::Args;
use lyceum_core::{Error, Result};
use lyceum_models::decoder::load_without_text;
use lyceum_tensor::Format;
use lyceum_train::lm::{MergeFormat, merge};
use serde::Serialize;
use std::path::PathBuf;

/// Names of the formats that can be written.
const FORMATS: [(&str, Format); 6] = [
    ("f32", Format::F32),
    ("f16", Format::F16),
    ("bf16", Format::BF16),
    ("q8_0", Format::Q8_0),
    ("q4_0", Format::Q4_0),
    ("q4_1", Format::Q4_1),
];

/// Write a base model and an adapter as one model, of the same kind of file as the base
#[derive(Args)]
pub(crate) struct Merge {
    /// Base model: a pulled name, a GGUF file or a safetensors folder
    #[arg(long)]
    model: String,
    /// The adapter's PEFT folder
    #[arg(long)]
    adapter: PathBuf,
    /// File (GGUF) or folder (safetensors) to write; it must not exist
    #[arg(long)]
    output: PathBuf,
    /// Format of the tensors that change: auto, f32, f16, bf16, q8_0, q4_0 or q4_1
    #[arg(long, default_value = "auto")]
    format: String,
}

#[derive(Serialize)]
struct Merged {
    path: PathBuf,
    modules: usize,
}

impl Merge {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        let format = self.format()?;
        let base = lyceum_store::Home::open()?.resolve(&self.model)?;
        let (spec, _) = load_without_text(&base)?;
        if spec.architecture == "phi3" {
            let e =
                Error::unsupported("adapters are not merged into `phi3`, whose projections are stored fused");
            return Err(e.in_file(&base).hint("serve the adapter beside its base"));
        }
        let lora = lyceum_models::peft::read(&self.adapter, &spec)?;
        merge(&base, &spec, &lora, &self.output, format)?;
        let merged = Merged { path: self.output.clone(), modules: lora.modules.len() };
        ui.result(&merged, |m| format!("{}: {} layers changed", m.path.display(), m.modules))
    }

    fn format(&self) -> Result<MergeFormat> {
        let name = self.format.to_lowercase();
        if name == "auto" {
            return Ok(MergeFormat::Auto);
        }
        let found = FORMATS.iter().find(|(n, _)| *n == name);
        found.map(|(_, f)| MergeFormat::Fixed(*f)).ok_or_else(|| {
            let known = FORMATS.map(|(n, _)| n);
            Error::invalid(format!(
                "format `{}` cannot be written; known are auto, {}",
                self.format,
                known.join(", ")
            ))
            .at_key("--format")
            .did_you_mean(&name, known)
        })
    }
}

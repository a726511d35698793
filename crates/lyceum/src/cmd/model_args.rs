//! The flags by which the language-model verbs name a model, and the model opened.

use super::home::HomeArgs;
use clap::Args;
use lyceum_core::{AdapterSource, Engine, Error, Result};
use lyceum_engine::{EngineConfig, LanguageModel, Precision};
use lyceum_models::Loaded;
use std::path::{Path, PathBuf};

/// Which model, and with what.
#[derive(Args)]
pub(crate) struct ModelArgs {
    /// A pulled model's name, a GGUF file, or a folder with safetensors
    #[arg(long, short)]
    pub(crate) model: String,
    /// A LoRA adapter's folder (PEFT format), or the model folder of a trained one
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// Threads that compute [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Compute in f32 throughout (slow; for comparisons)
    #[arg(long)]
    pub(crate) exact: bool,
    /// Compute each answer as if it were alone, whatever else runs (slower where many run at once)
    #[arg(long, conflicts_with = "exact")]
    pub(crate) deterministic: bool,
    #[command(flatten)]
    home: HomeArgs,
}

/// Name under which the command's one adapter is loaded.
const ADAPTER: &str = "adapter";

impl ModelArgs {
    /// The path of the model.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        self.home.open()?.resolve(&self.model)
    }

    /// Reads the model, with the pool of threads set up.
    pub(crate) fn load(&self) -> Result<Loaded> {
        if self.threads == Some(0) {
            return Err(Error::invalid("--threads is 0, at least 1 expected").at_key("threads"));
        }
        if let Some(n) = self.threads {
            lyceum_tensor::Pool::init_global(n);
        }
        lyceum_models::load(&self.path()?)
    }

    /// How products are computed.
    pub(crate) fn precision(&self) -> Precision {
        match (self.exact, self.deterministic) {
            (true, _) => Precision::Exact,
            (_, true) => Precision::Steady,
            _ => Precision::Fast,
        }
    }

    /// Opens the model, and the adapter if one is named; gives the adapter's name for requests.
    pub(crate) async fn open(&self) -> Result<(LanguageModel, Option<String>)> {
        let config = EngineConfig { precision: self.precision(), ..EngineConfig::default() };
        let engine = LanguageModel::new(self.load()?, config)?;
        let adapter = self.with_adapter(&engine).await?;
        Ok((engine, adapter))
    }

    /// Loads the adapter that is named, if one is; its name for requests.
    pub(crate) async fn with_adapter(&self, engine: &LanguageModel) -> Result<Option<String>> {
        let Some(folder) = &self.adapter else { return Ok(None) };
        if let Some(adapters) = engine.adapters() {
            adapters.load(ADAPTER, AdapterSource::Folder(adapter_folder(folder))).await?;
        }
        Ok(Some(ADAPTER.to_string()))
    }
}

/// The adapter within a model folder that `lyceum train` made, or the folder itself.
fn adapter_folder(folder: &Path) -> PathBuf {
    let within = folder.join("model_weights");
    let is_adapter = |f: &Path| f.join("adapter_config.json").is_file();
    if !is_adapter(folder) && is_adapter(&within) { within } else { folder.to_path_buf() }
}

//! The folder of a language model: configuration, how it was made, and the adapter as a PEFT folder.

use super::{Rendering, Speech};
use crate::config::{Config, LlmConfig, ModelConfig, generation_file};
use crate::metrics::Measures;
use crate::model::{FORMAT, read_json};
use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Where the adapter lies within a model's folder.
pub(crate) const WEIGHTS: &str = "model_weights";
/// What `model.json` calls a language model.
const KIND: &str = "llm";
/// Ludwig's limit of an answer.
const MAX_NEW_TOKENS: usize = 32;

/// What a language model is and how it was made (`model.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlmAbout {
    /// Always `llm`.
    pub kind: String,
    /// Always `llm`.
    pub model_type: String,
    /// Version of the format of this folder.
    pub format: u32,
    /// Version of Lyceum that made it.
    pub made_by: String,
    /// How prompts are put to it.
    pub rendering: Rendering,
    /// Whether `model_weights` holds an adapter; otherwise the base answers alone.
    pub adapter: bool,
    /// Most tokens of an answer.
    pub max_new_tokens: usize,
    /// The labels of the training rows, for an output of type category.
    pub labels: Vec<String>,
    /// The data that it learned from, by file name.
    pub data: Vec<String>,
    /// SHA-256 of each data file.
    pub data_sha256: Vec<String>,
    /// Rows of the three parts.
    pub rows: [usize; 3],
    /// The seed.
    pub seed: u64,
    /// Metrics of the measured rows.
    pub metrics: Measures,
}

impl LlmAbout {
    /// A model that nothing is known of yet. An answer may be as long as the configuration says, otherwise as the
    /// longest one that was learnt, at least Ludwig's 32 tokens.
    pub(crate) fn new(config: &LlmConfig, rendering: Rendering, longest_answer: usize) -> Self {
        let longest = longest_answer.max(config.output.max_length.unwrap_or(0));
        Self {
            kind: KIND.into(),
            model_type: KIND.into(),
            format: FORMAT,
            made_by: env!("CARGO_PKG_VERSION").into(),
            rendering,
            adapter: false,
            max_new_tokens: config.generation.max_new_tokens.unwrap_or(longest.max(MAX_NEW_TOKENS)),
            labels: Vec::new(),
            data: Vec::new(),
            data_sha256: Vec::new(),
            rows: [0; 3],
            seed: 42,
            metrics: Measures::new(),
        }
    }

    /// How it answers.
    pub fn speech(&self, config: &LlmConfig) -> Speech {
        let mut sampling = config.generation.sampling.clone();
        sampling.seed = self.seed;
        Speech { max_new_tokens: self.max_new_tokens, sampling }
    }
}

/// A language model's folder, read.
pub struct LlmModel {
    /// Its configuration.
    pub config: Config,
    /// How it was made.
    pub about: LlmAbout,
    /// The adapter's folder; absent where the base answers alone.
    pub adapter: Option<PathBuf>,
}

/// Whether a model's folder is a language model's.
pub fn is_language_model(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    read_json::<Kind>(&folder.join("model.json")).is_ok_and(|k| k.kind == KIND)
}

impl LlmModel {
    /// Reads a model's folder.
    pub fn load(folder: &Path) -> Result<Self> {
        let about: LlmAbout = read_json(&folder.join("model.json"))?;
        if about.kind != KIND || about.format != FORMAT {
            let message =
                format!("a model of kind {} and format {} is not read here", about.kind, about.format);
            return Err(Error::unsupported(message).in_file(folder));
        }
        let file = folder.join("model_hyperparameters.json");
        let text = std::fs::read_to_string(&file).map_err(|e| Error::io(&file, "read", e))?;
        let config = Config::parse(&text, Some(&file))?;
        let model = Self { config, about, adapter: None };
        let given = model.llm()?.adapter.as_ref().and_then(|a| a.pretrained.as_ref()).map(PathBuf::from);
        let adapter = if model.about.adapter { Some(folder.join(WEIGHTS)) } else { given };
        Ok(Self { adapter, ..model })
    }

    /// The same model with other settings of how it answers: those of a file over its own.
    pub fn with_generation(mut self, file: &Path) -> Result<Self> {
        let given = generation_file(file)?;
        if let Some(n) = given.get("max_new_tokens").and_then(Json::as_u64) {
            self.about.max_new_tokens = n as usize;
        }
        let mut rendered = self.config.rendered.clone();
        if let Some(own) = rendered.get_mut("generation").and_then(Json::as_object_mut) {
            own.extend(given);
        }
        self.config = Config::parse(&rendered.to_string(), None)?;
        Ok(self)
    }

    /// The language model's part of the configuration.
    pub fn llm(&self) -> Result<&LlmConfig> {
        match &self.config.model {
            ModelConfig::Llm(llm) => Ok(llm),
            _ => Err(Error::corrupt("model.json and the configuration name different kinds of model")),
        }
    }
}

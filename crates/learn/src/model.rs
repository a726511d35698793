//! A trained model: configuration, preprocessing and what was learned, as one folder.

use crate::config::{Config, ModelConfig};
use crate::ecd::{Network, Rows};
use crate::prepared::{Encoded, FittedOutput, Prepared, Scale};
use crate::scores::Scores;
use lyceum_core::{Error, Model, Result, write_atomic};
use lyceum_data::Raw;
use lyceum_estimators::boosting::Booster;
use lyceum_estimators::linear::LinearModel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Tokens of a text feature that trees see.
pub(crate) const TREE_WORDS: usize = 300;
/// Tokens of a text feature that linear models see.
pub(crate) const LINEAR_WORDS: usize = 500;

/// What was learned.
pub enum Learned {
    /// A network for all outputs.
    Ecd(Box<Network>),
    /// Trees, an ensemble for each output.
    Gbm(Vec<Box<dyn Model>>),
    /// A linear model for each output.
    Linear(Vec<Box<dyn Model>>),
}

/// A trained model.
pub struct TabularModel {
    /// Its configuration.
    pub config: Config,
    /// Its preprocessing.
    pub prepared: Prepared,
    /// What was learned.
    pub learned: Learned,
    /// How it was made.
    pub about: About,
}

/// What a model is and how it was made (`model.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Always `tabular`.
    pub kind: String,
    /// `ecd`, `gbm` or `linear`.
    pub model_type: String,
    /// Version of the format of this folder.
    pub format: u32,
    /// Version of Lyceum that made it.
    pub made_by: String,
    /// The data that it learned from, by file name.
    pub data: Vec<String>,
    /// SHA-256 of each data file.
    pub data_sha256: Vec<String>,
    /// Rows of the three parts.
    pub rows: [usize; 3],
    /// The seed.
    pub seed: u64,
    /// Metrics of the test rows (of the validation rows where there are none).
    pub metrics: crate::metrics::Measures,
}

/// The version of the folder's format that is written and read.
pub const FORMAT: u32 = 1;

impl TabularModel {
    /// Predictions of every row of a table, an entry an output.
    pub fn scores(&self, raw: &Raw) -> Result<Vec<Scores>> {
        let encoded = self.prepared.encode(raw)?;
        self.scores_of(&encoded, &(0..encoded.rows).collect::<Vec<_>>())
    }

    /// Predictions of some rows of an encoded table.
    pub fn scores_of(&self, encoded: &Encoded, rows: &[usize]) -> Result<Vec<Scores>> {
        let scores = match &self.learned {
            Learned::Ecd(network) => network.scores(&Rows::new(encoded), rows),
            Learned::Gbm(models) => self.estimators(models, encoded, rows, Scale::Raw, TREE_WORDS)?,
            Learned::Linear(models) => self.estimators(models, encoded, rows, Scale::Scaled, LINEAR_WORDS)?,
        };
        Ok(self.prepared.finish(scores))
    }

    fn estimators(
        &self,
        models: &[Box<dyn Model>],
        encoded: &Encoded,
        rows: &[usize],
        scale: Scale,
        words: usize,
    ) -> Result<Vec<Scores>> {
        let table = self.prepared.table(encoded, rows, scale, words)?;
        let outputs = self.prepared.outputs.iter();
        models
            .iter()
            .zip(outputs)
            .map(|(m, o)| Ok(Scores::of_prediction(m.predict(&table)?, &o.fitted)))
            .collect()
    }

    /// How much each feature matters for an output, largest first, where the model can tell. Parts of one feature
    /// (tokens of a text) are added up.
    pub fn importance(&self, output: usize) -> Vec<(String, f64)> {
        let (Learned::Gbm(models) | Learned::Linear(models)) = &self.learned else { return Vec::new() };
        let Some(parts) = models.get(output).and_then(|m| m.importance()) else { return Vec::new() };
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for (name, value) in parts {
            let whole = self
                .prepared
                .inputs
                .iter()
                .find(|f| name.strip_prefix(&f.name).is_some_and(|r| r.starts_with('=')));
            *sums.entry(whole.map_or(name, |f| f.name.clone())).or_default() += value;
        }
        let mut out: Vec<(String, f64)> = sums.into_iter().collect();
        out.sort_by(|a, b| b.1.total_cmp(&a.1));
        out
    }

    /// The trees of an output, where the model is of trees.
    pub(crate) fn booster(&self, output: usize) -> Option<&Booster> {
        let Learned::Gbm(models) = &self.learned else { return None };
        let any: &dyn std::any::Any = &**models.get(output)?;
        any.downcast_ref()
    }

    /// The classes of an output that is a category, commonest first; none of others.
    pub(crate) fn classes(&self, output: usize) -> Vec<String> {
        match self.prepared.outputs.get(output).map(|o| &o.fitted) {
            Some(FittedOutput::Category { fitted, .. }) => {
                fitted.levels.iter().map(|l| l.to_string()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes the model's files into an empty folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let json = |name: &str, value: &dyn erased::Json| write_atomic(folder.join(name), &value.pretty()?);
        json("model_hyperparameters.json", &self.config.rendered)?;
        json("training_set_metadata.json", &self.prepared)?;
        match &self.learned {
            Learned::Ecd(network) => network.save(&folder.join("model_weights.safetensors"))?,
            Learned::Gbm(models) | Learned::Linear(models) => {
                for (i, model) in models.iter().enumerate() {
                    model.save(&output_folder(folder, i, models.len())?)?;
                }
            }
        }
        json("model.json", &self.about)
    }

    /// Loads a model's folder.
    ///
    /// # Errors
    /// What is missing or does not fit together, with its file.
    pub fn load(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::not_found("there is no model folder").in_file(folder));
        }
        let about: About = read_json(&folder.join("model.json"))?;
        if about.kind != "tabular" || about.format != FORMAT {
            let message =
                format!("a model of kind {} and format {} is not read here", about.kind, about.format);
            let e = Error::unsupported(message).in_file(folder);
            let adapter =
                "its model_weights folder is an adapter: `lyceum serve --model BASE --adapter NAME=DIR`";
            return Err(if about.kind == "llm" { e.hint(adapter) } else { e });
        }
        let file = folder.join("model_hyperparameters.json");
        let text = std::fs::read_to_string(&file).map_err(|e| Error::io(&file, "read", e))?;
        let config = Config::parse(&text, Some(&file))?;
        let prepared: Prepared = read_json(&folder.join("training_set_metadata.json"))?;
        let count = config.outputs.len();
        if prepared.outputs.len() != count || prepared.inputs.len() != config.inputs.len() {
            return Err(Error::corrupt("configuration and metadata name different features").in_file(folder));
        }
        let folders = (0..count).map(|i| output_folder(folder, i, count));
        let learned = match &config.model {
            ModelConfig::Ecd { combiner, .. } => {
                let mut network = Network::new(&config, combiner, &prepared, about.seed)?;
                network.load(&folder.join("model_weights.safetensors"))?;
                Learned::Ecd(Box::new(network))
            }
            ModelConfig::Gbm(_) => Learned::Gbm(
                folders.map(|f| Ok(Box::new(Booster::load(f?)?) as Box<dyn Model>)).collect::<Result<_>>()?,
            ),
            ModelConfig::Linear(_) => Learned::Linear(
                folders
                    .map(|f| Ok(Box::new(LinearModel::load(f?)?) as Box<dyn Model>))
                    .collect::<Result<_>>()?,
            ),
            ModelConfig::Llm(_) => {
                return Err(Error::unsupported("a language model is not loaded here").in_file(folder));
            }
        };
        Ok(Self { config, prepared, learned, about })
    }
}

/// A model with one output lies in the folder itself, several in `output_0`, `output_1`, …
fn output_folder(folder: &Path, output: usize, outputs: usize) -> Result<std::path::PathBuf> {
    if outputs == 1 {
        return Ok(folder.to_path_buf());
    }
    let own = folder.join(format!("output_{output}"));
    std::fs::create_dir_all(&own).map_err(|e| Error::io(&own, "create folder", e))?;
    Ok(own)
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
    serde_json::from_str(&text).map_err(|e| Error::corrupt(e.to_string()).in_file(path))
}

mod erased {
    //! JSON of anything, behind one pointer.
    use lyceum_core::{Error, Result};

    pub(super) trait Json {
        fn pretty(&self) -> Result<Vec<u8>>;
    }

    impl<T: serde::Serialize> Json for T {
        fn pretty(&self) -> Result<Vec<u8>> {
            serde_json::to_vec_pretty(self).map_err(|e| Error::internal(format!("cannot write JSON: {e}")))
        }
    }
}

//! A trained model: configuration, preprocessing and what was learned, as one folder.

use crate::config::{Config, ModelConfig};
use crate::ecd::{Network, Rows};
use crate::explain::Sees;
use crate::fitted::{self, Fitted};
use crate::prepared::{Encoded, FittedOutput, Prepared, Scale, Wanted};
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
    /// An estimator of the house for the one output (`lyceum fit`).
    Fitted(Box<Fitted>),
}

/// A trained model.
pub struct TabularModel {
    /// Its configuration; a fitted estimator has none.
    pub config: Option<Config>,
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
    /// `tabular`, or `fit` for a fitted estimator.
    pub kind: String,
    /// `ecd`, `gbm` or `linear`; a fitted estimator's name.
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

/// What every `model.json` says, whatever kind of model it is of.
#[derive(Deserialize)]
pub(crate) struct Kind {
    pub(crate) kind: String,
    pub(crate) format: u32,
}

/// The version of the folder's format that is written and read.
pub const FORMAT: u32 = 1;

impl TabularModel {
    /// Predictions of every row of a table, an entry an output.
    pub fn scores(&self, raw: &Raw) -> Result<Vec<Scores>> {
        let encoded = self.encode(raw)?;
        self.scores_of(&encoded, &(0..encoded.rows).collect::<Vec<_>>())
    }

    /// A fitted estimator as a model of tables.
    pub fn of_fitted(fitted: Fitted, about: About) -> Self {
        let prepared = fitted.prepared();
        Self { config: None, prepared, learned: Learned::Fitted(Box::new(fitted)), about }
    }

    /// Encodes the inputs of every row.
    ///
    /// # Errors
    /// A missing column, a cell of the wrong type, a cell that is missing where the model wants complete numbers.
    pub fn encode(&self, raw: &Raw) -> Result<Encoded> {
        let encoded = self.prepared.encode(raw)?;
        if let Learned::Fitted(fitted) = &self.learned {
            fitted.complete(&self.prepared, &encoded, raw)?;
        }
        Ok(encoded)
    }

    /// The wanted outputs of every row, in the outputs' order.
    ///
    /// # Errors
    /// A missing column or a cell of the wrong type.
    pub fn wanted(&self, raw: &Raw) -> Result<Vec<Wanted>> {
        match &self.learned {
            Learned::Fitted(fitted) => Ok(vec![fitted.columns.target.wanted(raw)?]),
            _ => self.prepared.wanted(raw),
        }
    }

    /// The models of the outputs and what they see of the features; none of a network.
    pub(crate) fn models(&self) -> Option<(&[Box<dyn Model>], Sees)> {
        match &self.learned {
            Learned::Ecd(_) => None,
            Learned::Gbm(models) => Some((models, Sees { scale: Scale::Raw, words: TREE_WORDS })),
            Learned::Linear(models) => Some((models, Sees { scale: Scale::Scaled, words: LINEAR_WORDS })),
            Learned::Fitted(fitted) => {
                Some((std::slice::from_ref(&fitted.model), Sees { scale: Scale::Raw, words: 0 }))
            }
        }
    }

    /// Predictions of some rows of an encoded table.
    pub fn scores_of(&self, encoded: &Encoded, rows: &[usize]) -> Result<Vec<Scores>> {
        let scores = match (&self.learned, self.models()) {
            (_, Some((models, sees))) => {
                let table = self.prepared.table(encoded, rows, sees.scale, sees.words)?;
                let both = models.iter().zip(&self.prepared.outputs);
                both.map(|(m, o)| Ok(Scores::of_prediction(m.predict(&table)?, &o.fitted)))
                    .collect::<Result<_>>()?
            }
            (Learned::Ecd(network), None) => network.scores(&Rows::new(encoded), rows),
            (_, None) => return Err(Error::internal("a model without a model")),
        };
        Ok(self.prepared.finish(scores))
    }

    /// How much each feature matters for an output, largest first, where the model can tell. Parts of one feature
    /// (tokens of a text) are added up.
    pub fn importance(&self, output: usize) -> Vec<(String, f64)> {
        let Some((models, _)) = self.models() else { return Vec::new() };
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
        let (models, _) = self.models()?;
        let any: &dyn std::any::Any = fitted::bare(&**models.get(output)?);
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

    /// Writes the model's files into an empty folder; a fitted estimator's also in place of an earlier one's.
    ///
    /// # Errors
    /// What the operating system refuses; for a fitted estimator as [`fitted::check_folder`].
    pub fn save(&self, folder: &Path) -> Result<()> {
        if let Learned::Fitted(fitted) = &self.learned {
            return fitted::save(&self.about, fitted, folder);
        }
        let json = |name: &str, value: &dyn erased::Json| write_atomic(folder.join(name), &value.pretty()?);
        json("model_hyperparameters.json", &self.config.as_ref().map(|c| &c.rendered))?;
        json("training_set_metadata.json", &self.prepared)?;
        match &self.learned {
            Learned::Ecd(network) => network.save(&folder.join("model_weights.safetensors"))?,
            Learned::Gbm(models) | Learned::Linear(models) => {
                for (i, model) in models.iter().enumerate() {
                    model.save(&output_folder(folder, i, models.len())?)?;
                }
            }
            Learned::Fitted(_) => {}
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
        let known = kind_of(folder)?;
        if known.kind == fitted::KIND {
            return fitted::load(folder);
        }
        let about: About = read_json(&folder.join(FILE))?;
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
        Ok(Self { config: Some(config), prepared, learned, about })
    }
}

const FILE: &str = "model.json";

/// What kind of model a folder holds: one that is read here.
fn kind_of(folder: &Path) -> Result<Kind> {
    let file = folder.join(FILE);
    if !file.exists() {
        let e = Error::not_found("there is no model.json, which is written last").in_file(folder);
        return Err(
            e.hint("name the folder of a model, or train it again: `lyceum train`, `lyceum fit … --output`")
        );
    }
    let known: Kind = read_json(&file)?;
    let newest = match known.kind.as_str() {
        "tabular" => FORMAT,
        fitted::KIND => fitted::FORMAT,
        _ => {
            let message =
                format!("a model of kind {} and format {} is not read here", known.kind, known.format);
            let e = Error::unsupported(message).in_file(folder);
            let adapter =
                "its model_weights folder is an adapter: `lyceum serve --model BASE --adapter NAME=DIR`";
            return Err(if known.kind == "llm" { e.hint(adapter) } else { e });
        }
    };
    if known.format != newest {
        let message = format!("is of format {}, this Lyceum reads format {newest}", known.format);
        let e = Error::unsupported(message).in_file(file);
        return Err(
            e.hint("use the Lyceum that wrote it (`made_by`) or a later one, or train the model again")
        );
    }
    Ok(known)
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

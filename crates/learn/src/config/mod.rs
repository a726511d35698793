//! A Ludwig-style configuration: YAML to a checked, typed description with every default filled in. What is valid in
//! Ludwig but not done here is an error that names the key; nothing is ignored silently.

mod ecd;
mod features;
mod hyperopt;
mod issue;
mod keys;
mod llm;
mod section;
mod split;
mod trees;
mod upgrade;

pub use ecd::{Clipping, Combiner, Decay, EcdTrainer, FcStack, OptimizerKind, Schedule};
pub use features::{
    BinaryOutput, CategoryEncoder, CategoryOutput, DenseEncoder, Input, InputKind, NumberOutput, Output,
    OutputKind, TextEncoder,
};
pub use hyperopt::{Hyperopt, HyperoptSplit};
pub use issue::{Issue, Issues};
pub use llm::{
    Adapter, Answer, Generation, LlmConfig, LlmFeature, LlmTrainer, LlmTrainerKind, PromptConfig,
    generation_file,
};
pub use trees::{LinearTrainer, TreesTrainer};

use lyceum_core::{Error, Result};
use lyceum_data::SplitRule;
use lyceum_data::yaml::{Node, Yaml, parse};
use section::Section;
use serde_json::Value as Json;
use std::path::Path;

/// What is trained.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelConfig {
    /// A network of encoders, a combiner and decoders, trained by gradient.
    Ecd {
        /// How the encoders' outputs become one.
        combiner: Combiner,
        /// How it is trained.
        trainer: Box<EcdTrainer>,
    },
    /// Boosted trees, an ensemble for each output.
    Gbm(Box<TreesTrainer>),
    /// Linear or logistic regression, a model for each output.
    Linear(LinearTrainer),
    /// A language model.
    Llm(Box<LlmConfig>),
}

impl ModelConfig {
    /// The name in a configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ecd { .. } => "ecd",
            Self::Gbm(_) => "gbm",
            Self::Linear(_) => "linear",
            Self::Llm(_) => "llm",
        }
    }
}

/// A checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What is trained.
    pub model: ModelConfig,
    /// The inputs, at least one. For a language model this and `outputs` are empty.
    pub inputs: Vec<Input>,
    /// The outputs, at least one.
    pub outputs: Vec<Output>,
    /// Which rows train, validate and test.
    pub split: SplitRule,
    /// Share of the rows that is used at all, in (0, 1].
    pub sample_ratio: f64,
    /// The data file, where the configuration names one (`data`).
    pub data: Option<String>,
    /// The search that it describes (`hyperopt`); training leaves it out.
    pub hyperopt: Option<Box<Hyperopt>>,
    /// The whole configuration, upgraded, with its defaults, without the search.
    pub rendered: Json,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the text of a configuration; of several faults the first invalid one is the error.
    pub fn parse(text: &str, file: Option<&Path>) -> Result<Self> {
        let placed = |e: Error| match file {
            Some(file) => e.in_file(file),
            None => e,
        };
        let root = parse(text).map_err(placed)?;
        Self::from_node(&root).map_err(|issues| {
            let first = issues.iter().find(|i| !i.unsupported).or(issues.first());
            first.map_or_else(
                || Error::internal("a configuration without a fault was refused"),
                |i| i.to_error(file),
            )
        })
    }

    /// Reads a configuration file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        let text = String::from_utf8(text)
            .map_err(|_| Error::invalid("the file is not valid UTF-8").in_file(path))?;
        Self::parse(&text, Some(path))
    }

    /// Reads a parsed configuration; the errors are everything that is wrong with it.
    pub fn from_node(root: &Node) -> std::result::Result<Self, Vec<Issue>> {
        let issues = Issues::default();
        let upgraded = upgrade::upgrade(root, &issues);
        let mut read = read_root(&upgraded, &issues);
        if let (Some(config), Some(node)) = (&mut read, upgraded.get("hyperopt")) {
            config.hyperopt = hyperopt::read(root, node, &issues, config.model.name()).map(Box::new);
        }
        let (found, warnings) = issues.into_parts();
        match read {
            Some(config) if found.is_empty() => Ok(Self { warnings, ..config }),
            _ => Err(found),
        }
    }
}

/// Everything wrong with the text of a configuration, and the warnings.
pub fn check(text: &str) -> (Vec<Issue>, Vec<String>) {
    match parse(text) {
        Err(e) => {
            let (line, column) = (e.at().line.unwrap_or(0), e.at().column.unwrap_or(0));
            let message = e.message().to_string();
            let issue = Issue { path: String::new(), line, column, message, hint: None, unsupported: false };
            (vec![issue], Vec::new())
        }
        Ok(root) => match Config::from_node(&root) {
            Ok(config) => (Vec::new(), config.warnings),
            Err(issues) => (issues, Vec::new()),
        },
    }
}

/// Keys at the top that change nothing here.
const HARMLESS: &[&str] = &["backend", "ludwig_version"];

fn read_root(root: &Node, issues: &Issues) -> Option<Config> {
    let mut top = Section::new(Some(root), "", issues);
    top.node()?;
    let model_type = top.choice("model_type", "ecd", &["ecd", "gbm", "linear", "llm"], "");
    let data = top.text("data");
    let (split, sample_ratio) = top.section("preprocessing", split::read);
    top.peek("hyperopt");
    if let Some(node) = top.take("preset") {
        issues.unsupported(node, "preset", "is not supported yet");
    }
    if model_type == "llm" {
        let llm = llm::read(&mut top);
        top.finish(&["top.llm"], HARMLESS);
        let rendered = Json::Object(top.rendered());
        let model = ModelConfig::Llm(Box::new(llm?));
        let (inputs, outputs, warnings) = (Vec::new(), Vec::new(), Vec::new());
        let hyperopt = None;
        return Some(Config {
            model,
            inputs,
            outputs,
            split,
            sample_ratio,
            data,
            hyperopt,
            rendered,
            warnings,
        });
    }
    let (inputs, outputs) = features::read(&mut top, model_type == "ecd");
    let model = match model_type {
        "gbm" => ModelConfig::Gbm(Box::new(top.section("trainer", trees::read))),
        "linear" => ModelConfig::Linear(top.section("trainer", trees::read_linear)),
        _ => {
            let combiner = ecd::read_combiner(&mut top, inputs.len());
            let trainer = top.section("trainer", |s| ecd::read_trainer(s, &outputs));
            ModelConfig::Ecd { combiner, trainer: Box::new(trainer) }
        }
    };
    if model_type != "ecd"
        && let Some(node) = top.take("combiner")
    {
        issues.wrong(node, "combiner", format!("model_type `{model_type}` has no combiner"));
    }
    top.finish(&["top.ecd"], HARMLESS);
    cross_checks(&top, &inputs, &outputs, root);
    let rendered = Json::Object(top.rendered());
    let (hyperopt, warnings) = (None, Vec::new());
    Some(Config { model, inputs, outputs, split, sample_ratio, data, hyperopt, rendered, warnings })
}

/// Names are unique over inputs and outputs together.
fn cross_checks(top: &Section<'_>, inputs: &[Input], outputs: &[Output], root: &Node) {
    let mut seen = std::collections::HashMap::new();
    let named = |part: &'static str, name: &str, i: usize| (part, name.to_string(), i);
    let all = inputs.iter().map(|f| named("input_features", &f.name, f.index));
    for (part, name, index) in all.chain(outputs.iter().map(|f| named("output_features", &f.name, f.index))) {
        if let Some(first) = seen.insert(name.clone(), format!("{part}[{index}]")) {
            let node = match root.get(part).map(|n| &n.value) {
                Some(Yaml::List(items)) => items.get(index),
                _ => None,
            };
            let node = node.and_then(|n| n.get("name"));
            let message = format!("feature \"{name}\" comes twice (first as {first})");
            top.issues().missing(node, &format!("{part}[{index}].name"), message);
        }
    }
}

//! What a file may name and does not hold itself: models, predictors, retrievers, tools. Whoever reads the file hands
//! them in.

use lyceum_core::{Error, Result, Runnable};
use std::fmt;
use std::sync::Arc;

/// How a model of a file answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelOptions {
    /// Tokens of an answer at most.
    pub max_tokens: Option<usize>,
    /// 0 or nothing: always the likeliest token.
    pub temperature: Option<f32>,
    /// Keep the smallest set of tokens whose mass reaches this.
    pub top_p: Option<f32>,
    /// Over 1 makes what was said less likely.
    pub repetition_penalty: Option<f32>,
    /// Fixes the draws.
    pub seed: Option<u64>,
}

/// A kind of thing that a file may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A language model, or an adapter of one.
    Model,
    /// A learnt model of tables.
    Predictor,
    /// A folder of documents that can be searched.
    Retriever,
    /// A tool.
    Tool,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Predictor => "predictor",
            Self::Retriever => "retriever",
            Self::Tool => "tool",
        })
    }
}

/// Hands in what a file names. A file asks only for names that [`Parts::names`] has; what is expensive to open may
/// wait until it is first run.
pub trait Parts: Send + Sync {
    /// The names that there are.
    fn names(&self, kind: PartKind) -> Vec<String>;

    /// Text or messages in, text out.
    fn model(&self, name: &str, options: &ModelOptions) -> Result<Arc<dyn Runnable>>;

    /// A map of columns in, a map of predictions out.
    fn predictor(&self, name: &str) -> Result<Arc<dyn Runnable>>;

    /// Text in, a list of `k` maps with `text`, `source`, `heading`, `score` out.
    fn retriever(&self, name: &str, k: usize) -> Result<Arc<dyn Runnable>>;

    /// A map of arguments in, anything out.
    fn tool(&self, name: &str) -> Result<Arc<dyn Runnable>>;
}

/// Nothing to name: for files that hold all they need.
pub struct NoParts;

impl Parts for NoParts {
    fn names(&self, _: PartKind) -> Vec<String> {
        Vec::new()
    }

    fn model(&self, name: &str, _: &ModelOptions) -> Result<Arc<dyn Runnable>> {
        Err(missing(PartKind::Model, name))
    }

    fn predictor(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        Err(missing(PartKind::Predictor, name))
    }

    fn retriever(&self, name: &str, _: usize) -> Result<Arc<dyn Runnable>> {
        Err(missing(PartKind::Retriever, name))
    }

    fn tool(&self, name: &str) -> Result<Arc<dyn Runnable>> {
        Err(missing(PartKind::Tool, name))
    }
}

/// The error of a name that nothing has.
pub fn missing(kind: PartKind, name: &str) -> Error {
    Error::not_found(format!("no {kind} is called `{name}`"))
}

//! Low code: a Ludwig-style configuration becomes a checked description, the description a trained model with its
//! baseline, metrics and report, the model a `Runnable`. An estimator that was fitted by its name is a model of the same
//! kind (`fitted`).
//!
//! Nothing here knows a protocol, a database or a language-model engine: `model_type: llm` is read and checked here
//! and taught and asked by whoever the caller hands in.

pub mod config;
pub mod ecd;
pub mod explain;
pub mod fit;
pub mod fitted;
pub mod llm;
pub mod metrics;
pub mod model;
mod predictions;
mod predictor;
pub mod prepared;
mod report;
pub mod run;
pub mod scores;

pub use predictor::{Predictor, load};
pub use run::{
    Attempt, ConfigSource, DataFiles, EvaluateOptions, Evaluated, Keep, Part, Searched, TrainOptions,
    Trained, Why, evaluate, experiment, hyperopt, init_config, predict, train, visualize, visualize_on,
    visualize_tree,
};

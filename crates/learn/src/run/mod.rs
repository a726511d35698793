//! The verbs: train, evaluate, predict, experiment, visualise, write a first configuration.

mod data;
mod drawn;
mod evaluate;
pub(crate) mod files;
mod hyperopt;
mod init;
mod language;
pub(crate) mod summary;
mod thresholds;
mod train;

pub use data::{DataFiles, Part};
pub use drawn::visualize_on;
pub use evaluate::{EvaluateOptions, Evaluated, Why, evaluate, predict};
pub use files::{Keep, visualize, visualize_tree};
pub use hyperopt::{Attempt, Searched, hyperopt};
pub use init::init_config;
pub use train::{ConfigSource, TrainOptions, Trained, experiment, train};

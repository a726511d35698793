//! Gradient-boosted trees, grown leaf by leaf on histograms as LightGBM grows them: its parameter names and defaults,
//! its binning, its model file. Nothing here knows how a table was read or what a report looks like.
//!
//! Kinds of boosting other than `gbdt`, ranking and the rarer objectives are not here; a parameter of theirs is an
//! error that names it.

mod bins;
mod categorical;
mod dataset;
mod grow;
mod histogram;
mod metric;
mod model;
mod model_text;
mod numeric;
mod objective;
mod params;
mod settings;
mod train;
mod transform;
mod tree;
mod tree_text;

pub use bins::{BinMapper, BinRule, MissingKind};
pub use model::Booster;
pub use objective::Objective;
pub use params::{BoostingParams, CategoryParams, SampleParams, StopParams, TreeParams};
pub use train::{GradientBoosting, Trained};
pub use transform::Transform;
pub use tree::Tree;

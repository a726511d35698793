//! Gradient-boosted trees, grown leaf by leaf on histograms as LightGBM grows them: its parameter names and defaults,
//! its binning, its model file. Nothing here knows how a table was read or what a report looks like.
//!
//! Rooms: [`data`] turns numbers into bins, `grow` turns gradients into a tree, `train` is the loop around it,
//! `model` is what comes out (trees, file, predictions). They meet in [`data::Dataset`], `grow::Grower` and
//! [`model::Tree`].

pub mod data;
mod grow;
mod kernels;
mod matrix;
mod metric;
pub mod model;
mod objective;
mod params;
mod predict;
mod saved;
mod train;

pub use data::{BinMapper, BinRule, DatasetBuilder, MissingKind};
pub use matrix::{Csr, Matrix};
pub use metric::MetricParams;
pub use model::{Booster, Transform, Tree};
pub use objective::{Kind, Loss, Objective};
pub use params::{
    Boosting, BoostingParams, CategoryParams, CostParams, DartParams, Entry, ForcedFiles, GrowPolicy,
    HARMLESS, MonotoneMethod, SampleParams, StopParams, TreeParams, entries,
};
pub use predict::{EarlyStop, Predict};
pub use saved::{Saved, Targets};
pub use train::{Curve, Examples, GradientBoosting, Job, Source, Step, Trained};

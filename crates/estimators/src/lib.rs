//! Classical learning: linear models, boosted trees, the metrics that judge any
//! model and the folds that it is judged on.
//!
//! One module an algorithm, each an `Estimator` that keeps `core`'s laws. Nothing here reads a table's file or a
//! configuration, draws a report, or trains by a gradient tape.

pub mod boosting;
pub mod calibration;
pub mod discriminant;
mod features;
pub mod linear;
pub mod metrics;
pub mod registry;
pub mod selection;
pub mod tables;
pub mod thresholds;

pub use features::Features;

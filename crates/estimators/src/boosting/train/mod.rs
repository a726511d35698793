//! The loop: gradients, a tree, new scores, until enough or no better. [`Job`] is what a caller fills in who has
//! rows of any kind; [`GradientBoosting`] is the same behind the estimator's wall.

mod assemble;
mod dart;
mod estimator;
mod examples;
mod linear_leaves;
mod refit;
mod run;
mod sample;
mod source;
mod stop;

pub use estimator::GradientBoosting;
pub use examples::Examples;
pub use source::Source;
pub use stop::Curve;

use super::model::Booster;
use super::objective::Loss;
use super::params::BoostingParams;
use crate::features::Features;
use lyceum_core::{FitContext, Result};

/// What is to be learned from which rows.
pub struct Job<'a> {
    /// The parameters.
    pub params: BoostingParams,
    /// Names of the columns, and which are categories.
    pub features: Features,
    /// The rows to learn from.
    pub train: Examples<'a>,
    /// Sets that are measured while training, with their names; they decide early stopping.
    pub valid: Vec<(String, Examples<'a>)>,
    /// The model to go on from: its trees stay, its scores are the start.
    pub from: Option<&'a Booster>,
    /// Gradients of the caller's own (objective `custom`).
    pub loss: Option<&'a dyn Loss>,
    /// Told after every iteration; an error ends training.
    pub watch: Option<&'a dyn Fn(&Step<'_>) -> Result<()>>,
}

/// Where training stands after an iteration.
pub struct Step<'a> {
    /// Iterations done, the earlier model's included.
    pub iteration: usize,
    /// The last value of every curve that has one of this iteration.
    pub curves: &'a [Curve],
    /// Whether the curves have a value of this iteration.
    pub measured: bool,
    /// Makes the model as it is now.
    pub model: &'a dyn Fn() -> Booster,
}

/// What came out of training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model, cut after its best iteration when early stopping was on.
    pub model: Booster,
    /// Every metric on every set, one value a measured iteration.
    pub curves: Vec<Curve>,
    /// Iterations of the model when early stopping chose them.
    pub best_iteration: Option<usize>,
}

impl Trained {
    /// The curve of the first metric on the training rows (`training`), or on the first validation set.
    pub fn first(&self, training: bool) -> Option<&Curve> {
        self.curves.iter().find(|c| (c.set == stop::TRAINING) == training)
    }
}

impl Job<'_> {
    /// Learns.
    ///
    /// # Errors
    /// Parameters that contradict each other or the data, labels outside the objective's range, no rows; cancellation.
    pub fn run(&self, cx: &FitContext) -> Result<Trained> {
        run::run(self, cx)
    }
}

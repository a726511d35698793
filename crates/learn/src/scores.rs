//! What a model says of some rows, whatever sort of model it is.

use crate::prepared::{FittedOutput, Prepared};
use lyceum_core::Prediction;

/// Predictions of one output.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    /// Numbers.
    Number(Vec<f64>),
    /// Probabilities of true.
    Binary(Vec<f64>),
    /// Probabilities of the classes, row-major `[rows, classes]`.
    Category {
        /// The probabilities.
        p: Vec<f64>,
        /// Number of classes.
        classes: usize,
    },
}

impl Scores {
    /// From an estimator's prediction for an output.
    pub fn of_prediction(prediction: Prediction, output: &FittedOutput) -> Self {
        match (prediction, output) {
            (Prediction::Numbers(v), _) => Self::Number(v),
            (Prediction::Probabilities { p, classes: 2 }, FittedOutput::Binary { .. }) => {
                Self::Binary(p.iter().skip(1).step_by(2).copied().collect())
            }
            (Prediction::Probabilities { p, classes }, _) => Self::Category { p, classes },
        }
    }

    /// Likeliest class of each row; of equals the first.
    pub fn best(p: &[f64], classes: usize) -> Vec<u32> {
        let best = |row: &[f64]| {
            let mut at = 0;
            for (i, x) in row.iter().enumerate() {
                if row.get(at).is_some_and(|b| x > b) {
                    at = i;
                }
            }
            at as u32
        };
        p.chunks_exact(classes.max(1)).map(best).collect()
    }
}

impl FittedOutput {
    /// Scores in the model's scale to the data's: numbers lose their normalisation and are clipped.
    pub fn finish(&self, scores: Scores) -> Scores {
        match (scores, self) {
            (Scores::Number(mut v), Self::Number { fitted, clip }) => {
                for x in &mut v {
                    *x = fitted.denormalize(*x);
                    if let Some((low, high)) = clip {
                        *x = x.clamp(*low, *high);
                    }
                }
                Scores::Number(v)
            }
            (other, _) => other,
        }
    }
}

impl Prepared {
    /// The scores of all outputs in the data's scale.
    pub fn finish(&self, scores: Vec<Scores>) -> Vec<Scores> {
        scores.into_iter().zip(&self.outputs).map(|(s, o)| o.fitted.finish(s)).collect()
    }
}

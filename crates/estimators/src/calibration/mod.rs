//! Probabilities that mean what they say: maps from a classifier's probabilities to calibrated ones, learnt on rows that
//! the classifier did not learn from.
//!
//! Names: scikit-learn's `CalibratedClassifierCV` (`sigmoid`, `isotonic`, `temperature`). `sigmoid` and `temperature`
//! work on log-odds; `sigmoid` and `isotonic` take several classes one against the rest and divide by the sum.

mod isotonic;
mod model;
mod platt;
mod temperature;

pub use isotonic::Isotonic;
pub use model::{CalibratedModel, Decision};
pub use platt::Platt;
pub use temperature::Temperature;

use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How probabilities are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A logistic curve over the log-odds of each class.
    Sigmoid,
    /// A rising step-wise linear curve over the probability of each class.
    Isotonic,
    /// One temperature over the log-probabilities of all classes.
    Temperature,
}

impl Method {
    /// Names of the methods.
    pub const NAMES: [&'static str; 3] = ["sigmoid", "isotonic", "temperature"];

    /// The method of a name.
    ///
    /// # Errors
    /// Another name, with the nearest one.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "sigmoid" => Ok(Self::Sigmoid),
            "isotonic" => Ok(Self::Isotonic),
            "temperature" => Ok(Self::Temperature),
            _ => {
                let message = format!("expected one of {}, got `{name}`", Self::NAMES.join(", "));
                Err(Error::invalid(message).did_you_mean(name, Self::NAMES))
            }
        }
    }
}

/// A learnt map from probabilities to probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// One curve a class; two classes have one, of the second.
    Sigmoid(Vec<Platt>),
    /// One curve a class; two classes have one, of the second.
    Isotonic(Vec<Isotonic>),
    /// One temperature.
    Temperature(Temperature),
}

/// ln(p / (1 − p)), finite at 0 and 1.
pub fn log_odds(p: f64) -> f64 {
    let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    p.ln() - (-p).ln_1p()
}

impl Calibration {
    /// Learns from probabilities `[rows, classes]`, row-major, and each row's class.
    ///
    /// # Errors
    /// No rows, fewer than two classes, lengths that do not fit, probabilities that are not finite, a class without rows.
    pub fn fit(method: Method, p: &[f64], classes: usize, codes: &[u32]) -> Result<Self> {
        if classes < 2 || codes.is_empty() || p.len() != classes * codes.len() {
            let message = format!(
                "expected probabilities of two classes or more a row, got {} for {} rows",
                p.len(),
                codes.len()
            );
            return Err(Error::invalid(message));
        }
        if p.iter().any(|p| !p.is_finite()) {
            return Err(Error::invalid("a probability is not finite"));
        }
        if let Some(class) = (0..classes as u32).find(|c| !codes.contains(c)) {
            let message = format!("no row to calibrate on is of class {class}");
            return Err(Error::invalid(message).hint("use more rows or more folds"));
        }
        let first = if classes == 2 { 1 } else { 0 };
        let each = first..classes;
        let column = |class: usize| -> Vec<f64> { p.iter().skip(class).step_by(classes).copied().collect() };
        let hits = |class: usize| -> Vec<bool> { codes.iter().map(|c| *c as usize == class).collect() };
        Ok(match method {
            Method::Sigmoid => Self::Sigmoid(
                each.map(|class| {
                    let scores: Vec<f64> = column(class).into_iter().map(log_odds).collect();
                    Platt::fit(&scores, &hits(class))
                })
                .collect(),
            ),
            Method::Isotonic => {
                Self::Isotonic(each.map(|class| Isotonic::fit(&column(class), &hits(class))).collect())
            }
            Method::Temperature => Self::Temperature(Temperature::fit(p, classes, codes)),
        })
    }

    /// How many classes its probabilities are of; none where it takes any number.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Self::Sigmoid(of) => Some(of.len().max(2)),
            Self::Isotonic(of) => Some(of.len().max(2)),
            Self::Temperature(_) => None,
        }
    }

    /// Calibrates probabilities `[rows, classes]`, row-major; each row sums to 1 afterwards.
    pub fn apply(&self, p: &mut [f64], classes: usize) {
        for row in p.chunks_exact_mut(classes.max(1)) {
            match self {
                Self::Temperature(t) => t.apply(row),
                Self::Sigmoid(of) => one_against_rest(row, of, |curve, p| curve.probability(log_odds(p))),
                Self::Isotonic(of) => one_against_rest(row, of, Isotonic::probability),
            }
        }
    }
}

/// Each class by its curve, divided by their sum; all alike where that is 0.
fn one_against_rest<T>(row: &mut [f64], curves: &[T], of: impl Fn(&T, f64) -> f64) {
    if let ([no, yes], [curve]) = (&mut *row, curves) {
        *yes = of(curve, *yes);
        *no = 1.0 - *yes;
        return;
    }
    row.iter_mut().zip(curves).for_each(|(p, curve)| *p = of(curve, *p));
    let sum: f64 = row.iter().sum();
    let even = 1.0 / row.len() as f64;
    row.iter_mut().for_each(|p| *p = if sum > 0.0 { *p / sum } else { even });
}

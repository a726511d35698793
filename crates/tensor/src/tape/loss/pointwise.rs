//! Losses of a prediction p against a target t, number by number: regression, yes-or-no, margins.

use super::super::activation::{sigmoid, softplus};
use super::{of, sign};
use crate::tape::{Tape, Var};
use lyceum_core::{Error, Result};

/// A loss of one prediction p against one target t; e = p - t. Of many, the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// e².
    Mse,
    /// √ of the mean of e²: not a mean of single losses.
    Rmse,
    /// |e|.
    Mae,
    /// e² / 2 within ±delta, beyond it delta (|e| - delta / 2) (Huber 1964).
    Huber {
        /// Where the square ends, over 0.
        delta: f32,
    },
    /// e² / (2 beta) within ±beta, beyond it |e| - beta / 2 (Girshick 2015).
    SmoothL1 {
        /// Where the square ends, from 0.
        beta: f32,
    },
    /// ln cosh e.
    LogCosh,
    /// |e / t|, with |t| at least 1.17e-6.
    Mape,
    /// e^p - t p: p is the logarithm of a rate, t a count.
    PoissonNll,
    /// Binary cross-entropy; p is a logit, t from 0 to 1.
    BceLogits {
        /// Weight of t = 1 against t = 0.
        pos_weight: f32,
    },
    /// Binary cross-entropy times alpha_t (1 - p_t)^gamma, p_t the probability of what is true (Lin et al. 2017).
    Focal {
        /// How much what is easy counts less, from 0.
        gamma: f32,
        /// Weight of t = 1; that of t = 0 is 1 - alpha.
        alpha: f32,
    },
    /// max(0, 1 - t p), t is -1 or 1.
    Hinge,
    /// max(0, 1 - t p)², t is -1 or 1.
    SquaredHinge,
    /// ln(1 + e^(-t p)), t is -1 or 1.
    Logistic,
    /// 1 where the signs of p and t differ: to look at, it has no slope.
    ZeroOne,
}

impl Loss {
    /// Names that [`Loss::from_name`] takes, besides a few other spellings.
    pub const NAMES: [&str; 14] = [
        "mse",
        "rmse",
        "mae",
        "huber",
        "smooth_l1",
        "log_cosh",
        "mape",
        "poisson_nll",
        "bce_logits",
        "focal",
        "hinge",
        "squared_hinge",
        "logistic_pm1",
        "zero_one",
    ];

    /// By the field's names (Ludwig's long ones too), with PyTorch's constants.
    pub fn from_name(name: &str) -> Result<Self> {
        Ok(match name {
            "mse" | "mean_squared_error" => Self::Mse,
            "rmse" | "root_mean_squared_error" => Self::Rmse,
            "mae" | "mean_absolute_error" => Self::Mae,
            "huber" => Self::Huber { delta: 1.0 },
            "smooth_l1" => Self::SmoothL1 { beta: 1.0 },
            "log_cosh" => Self::LogCosh,
            "mape" | "mean_absolute_percentage_error" => Self::Mape,
            "poisson_nll" => Self::PoissonNll,
            "bce_logits" | "binary_weighted_cross_entropy" => Self::BceLogits { pos_weight: 1.0 },
            "focal" => Self::Focal { gamma: 2.0, alpha: 0.25 },
            "hinge" => Self::Hinge,
            "squared_hinge" => Self::SquaredHinge,
            "logistic_pm1" => Self::Logistic,
            "zero_one" => Self::ZeroOne,
            _ => {
                let known = Self::NAMES.join(", ");
                return Err(Error::invalid(format!("loss `{name}` is not known; known are {known}"))
                    .did_you_mean(name, Self::NAMES));
            }
        })
    }

    /// The loss of one prediction.
    pub fn value(self, p: f32, t: f32) -> f32 {
        let e = p - t;
        match self {
            Self::Mse | Self::Rmse => e * e,
            Self::Mae => e.abs(),
            Self::Huber { delta } if e.abs() <= delta => 0.5 * e * e,
            Self::Huber { delta } => delta * (e.abs() - 0.5 * delta),
            Self::SmoothL1 { beta } if e.abs() < beta => 0.5 * e * e / beta,
            Self::SmoothL1 { beta } => e.abs() - 0.5 * beta,
            Self::LogCosh => e.abs() + softplus(-2.0 * e.abs()) - std::f32::consts::LN_2,
            Self::Mape => e.abs() / t.abs().max(LEAST),
            Self::PoissonNll => p.exp() - t * p,
            Self::BceLogits { pos_weight } => pos_weight * t * softplus(-p) + (1.0 - t) * softplus(p),
            Self::Focal { gamma, alpha } => {
                let bce = t * softplus(-p) + (1.0 - t) * softplus(p);
                weight_of(alpha, t) * miss(p, t).powf(gamma) * bce
            }
            Self::Hinge => (1.0 - t * p).max(0.0),
            Self::SquaredHinge => (1.0 - t * p).max(0.0).powi(2),
            Self::Logistic => softplus(-t * p),
            Self::ZeroOne => f32::from(u8::from((p > 0.0) != (t > 0.0))),
        }
    }

    /// Its derivative by p.
    pub fn slope(self, p: f32, t: f32) -> f32 {
        let e = p - t;
        match self {
            Self::Mse | Self::Rmse => 2.0 * e,
            Self::Mae => sign(e),
            Self::Huber { delta } if e.abs() <= delta => e,
            Self::Huber { delta } => delta * sign(e),
            Self::SmoothL1 { beta } if e.abs() < beta => e / beta,
            Self::SmoothL1 { .. } => sign(e),
            Self::LogCosh => e.tanh(),
            Self::Mape => sign(e) / t.abs().max(LEAST),
            Self::PoissonNll => p.exp() - t,
            Self::BceLogits { pos_weight } => {
                let s = sigmoid(p);
                (1.0 - t) * s - pos_weight * t * (1.0 - s)
            }
            Self::Focal { gamma, alpha } => {
                let (s, m) = (sigmoid(p), miss(p, t).max(f32::MIN_POSITIVE));
                let bce = t * softplus(-p) + (1.0 - t) * softplus(p);
                let of_hit = (2.0 * t - 1.0) * s * (1.0 - s);
                weight_of(alpha, t) * (m.powf(gamma) * (s - t) - gamma * m.powf(gamma - 1.0) * of_hit * bce)
            }
            Self::Hinge => -t * f32::from(u8::from(t * p < 1.0)),
            Self::SquaredHinge => -2.0 * t * (1.0 - t * p).max(0.0),
            Self::Logistic => -t * sigmoid(-t * p),
            Self::ZeroOne => 0.0,
        }
    }

    /// The mean loss of some predictions (0 of none); they become the gradient of `weight` times it.
    ///
    /// # Panics
    /// When there are not as many targets: a defect of the caller.
    pub fn mean(self, predictions: &mut [f32], targets: &[f32], weight: f32) -> f64 {
        assert_eq!(predictions.len(), targets.len(), "a target for each prediction");
        let n = predictions.len().max(1);
        let by = weight / n as f32;
        let mut sum = 0.0f64;
        for (p, t) in predictions.iter_mut().zip(targets) {
            sum += f64::from(self.value(*p, *t));
            *p = by * self.slope(*p, *t);
        }
        let mean = sum / n as f64;
        if self != Self::Rmse {
            return mean;
        }
        let root = mean.sqrt().max(1e-12);
        predictions.iter_mut().for_each(|p| *p /= 2.0 * root as f32);
        root
    }
}

/// The least denominator of a relative error.
const LEAST: f32 = 1.17e-6;

/// 1 - p_t: how much of the probability went to what is not true.
fn miss(p: f32, t: f32) -> f32 {
    t * sigmoid(-p) + (1.0 - t) * sigmoid(p)
}

fn weight_of(alpha: f32, t: f32) -> f32 {
    alpha * t + (1.0 - alpha) * (1.0 - t)
}

impl Tape<'_> {
    /// The loss of predictions against constant targets, as many and in the same order.
    pub fn loss(&mut self, loss: Loss, predictions: &Var, targets: &[f32]) -> Var {
        let mut gradient = predictions.value.data().to_vec();
        let mean = loss.mean(&mut gradient, targets, 1.0);
        self.fused(mean, vec![of(predictions, gradient)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{gradients, random};
    use super::*;

    #[test]
    fn gradients_of_all_that_have_one() {
        let p = random(&[6], 3);
        for name in Loss::NAMES.into_iter().filter(|n| *n != "zero_one") {
            let loss = Loss::from_name(name).unwrap();
            for targets in [[1.0f32, -1.0, -1.0, 1.0, 1.0, -1.0], [1.0, 0.05, 0.1, 1.0, 0.9, 0.2]] {
                gradients(std::slice::from_ref(&p), |tape, v| tape.loss(loss, &v[0], &targets));
            }
        }
    }

    #[test]
    fn the_ends_of_the_line_are_finite() {
        for name in Loss::NAMES.into_iter().filter(|n| *n != "poisson_nll") {
            let loss = Loss::from_name(name).unwrap();
            for (p, t) in [(200.0, 0.0), (-200.0, 1.0), (200.0, 1.0), (-200.0, 0.0), (0.0, 0.0)] {
                assert!(loss.value(p, t).is_finite() && loss.slope(p, t).is_finite(), "{name} at {p}, {t}");
            }
        }
        assert!(Loss::from_name("hubr").unwrap_err().to_string().contains("did you mean `huber`?"));
        assert_eq!(Loss::Mse.mean(&mut [], &[], 1.0), 0.0);
    }
}

//! Raw scores to predictions, for every objective that a LightGBM model file may name.

use lyceum_core::{Error, Result};

/// What is done to the raw scores of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// Nothing.
    Identity,
    /// 1 / (1 + exp(-s·raw)); one number, the probability of the positive class.
    Sigmoid(f64),
    /// Probabilities that sum to 1.
    Softmax,
    /// A sigmoid each, not normalised.
    OneVsAll(f64),
    /// sign(raw)·raw².
    SignedSquare,
    /// exp(raw).
    Exp,
    /// 1 / (1 + exp(-raw)), of a target between 0 and 1.
    Logistic,
    /// ln(1 + exp(raw)).
    Softplus,
}

impl Transform {
    /// From the `objective` line of a model file; an empty line is no transform.
    pub fn of_objective(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let options: Vec<&str> = words.collect();
        let option = |key: &str| options.iter().find_map(|o| o.strip_prefix(key)?.strip_prefix(':'));
        let sigmoid = option("sigmoid").and_then(|s| s.parse().ok()).unwrap_or(1.0);
        Ok(match name {
            "binary" => Self::Sigmoid(sigmoid),
            "multiclass" => Self::Softmax,
            "multiclassova" => Self::OneVsAll(sigmoid),
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape"
                if options.contains(&"sqrt") =>
            {
                Self::SignedSquare
            }
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" => Self::Identity,
            "poisson" | "gamma" | "tweedie" => Self::Exp,
            "cross_entropy" => Self::Logistic,
            "cross_entropy_lambda" => Self::Softplus,
            "lambdarank" | "rank_xendcg" | "" | "custom" | "none" => Self::Identity,
            other => {
                return Err(Error::unsupported(format!(
                    "objective `{other}` of the model file is not known"
                )));
            }
        })
    }

    /// Transforms one row.
    pub fn apply(self, raw: &[f64], out: &mut [f64]) {
        out.copy_from_slice(raw);
        match self {
            Self::Identity => {}
            Self::Softmax => softmax(out),
            Self::Sigmoid(s) | Self::OneVsAll(s) => {
                out.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-s * *x).exp()))
            }
            Self::SignedSquare => out.iter_mut().for_each(|x| *x = x.signum() * *x * *x),
            Self::Exp => out.iter_mut().for_each(|x| *x = x.exp()),
            Self::Logistic => out.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
            Self::Softplus => out.iter_mut().for_each(|x| *x = x.exp().ln_1p()),
        }
    }
}

/// Raw scores to probabilities, in place, the maximum subtracted first.
pub(crate) fn softmax(v: &mut [f64]) {
    let max = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for x in v.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    v.iter_mut().for_each(|x| *x /= sum);
}

//! How a penalty is chosen from its errors in cross-validation.
#![allow(clippy::indexing_slicing, reason = "errors and penalties have one length")]

use crate::registry::word;
use lyceum_core::{Params, Value};

/// Which of the penalties that were tried is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// The one of least error.
    #[default]
    Min,
    /// The largest whose error is within one standard error of the least.
    OneStandardError,
}

impl Rule {
    pub(super) fn of(p: &Params) -> Self {
        if word(p, "rule") == "one_standard_error" { Self::OneStandardError } else { Self::Min }
    }

    pub(super) fn value(self) -> Value {
        Value::from(match self {
            Self::Min => "min",
            Self::OneStandardError => "one_standard_error",
        })
    }

    /// Place of the penalty that is taken; `spread` is the standard error of each mean error.
    pub(super) fn choose(self, alphas: &[f64], mean: &[f64], spread: &[f64]) -> usize {
        let best = (0..mean.len()).min_by(|a, b| mean[*a].total_cmp(&mean[*b])).unwrap_or(0);
        if self == Self::Min || mean.is_empty() {
            return best;
        }
        let limit = mean[best] + spread[best];
        let within = (0..mean.len()).filter(|i| mean[*i] <= limit);
        within.max_by(|a, b| alphas[*a].total_cmp(&alphas[*b])).unwrap_or(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_standard_error_takes_the_largest_penalty_within_it() {
        let (alphas, mean, spread) = ([4.0, 2.0, 1.0, 0.5], [9.0, 5.4, 5.0, 5.1], [1.0, 0.5, 0.5, 0.5]);
        assert_eq!(Rule::Min.choose(&alphas, &mean, &spread), 2);
        assert_eq!(Rule::OneStandardError.choose(&alphas, &mean, &spread), 1);
    }
}

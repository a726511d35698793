//! What is measured while training, and when it is enough.
#![allow(clippy::indexing_slicing, reason = "a curve that is looked at has values")]

use crate::boosting::metric::Metric;
use crate::boosting::params::StopParams;

/// Name of the set of training rows.
pub(super) const TRAINING: &str = "training";

/// One metric on one set over the iterations.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the set.
    pub set: String,
    /// Name of the metric, with its cut-off.
    pub metric: String,
    /// Whether more is better.
    pub rises: bool,
    /// One value a measured iteration.
    pub values: Vec<f64>,
    /// The iteration of each value, from 1.
    pub iterations: Vec<usize>,
}

impl Curve {
    pub(super) fn new(set: &str, metric: &Metric) -> Self {
        Self {
            set: set.into(),
            metric: metric.name.clone(),
            rises: metric.rises,
            values: Vec::new(),
            iterations: Vec::new(),
        }
    }

    /// The place of the first value that no later one betters by more than `min_delta`.
    pub fn best(&self, min_delta: f64) -> usize {
        let mut best = 0;
        for (i, x) in self.values.iter().enumerate() {
            let by = if self.rises { x - self.values[best] } else { self.values[best] - x };
            if by > min_delta {
                best = i;
            }
        }
        best
    }
}

/// The iteration to go back to, when some curve that decides has not got better for long enough.
pub(super) fn enough(curves: &[Curve], stop: &StopParams, iteration: usize) -> Option<usize> {
    decisive(curves, stop).find_map(|c| {
        let best = c.iterations[c.best(stop.early_stopping_min_delta)];
        (iteration - best >= stop.early_stopping_round).then_some(best)
    })
}

/// The best iteration so far by the first curve that decides.
pub(super) fn best(curves: &[Curve], stop: &StopParams) -> Option<usize> {
    decisive(curves, stop).next().map(|c| c.iterations[c.best(stop.early_stopping_min_delta)])
}

/// The curves of validation sets, only those of the first metric where it alone decides.
fn decisive<'a>(curves: &'a [Curve], stop: &'a StopParams) -> impl Iterator<Item = &'a Curve> {
    let first = curves.iter().find(|c| c.set != TRAINING).map(|c| c.metric.clone());
    curves.iter().filter(move |c| {
        let counts = !stop.first_metric_only || first.as_ref() == Some(&c.metric);
        stop.early_stopping_round > 0 && c.set != TRAINING && !c.values.is_empty() && counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(set: &str, metric: &str, rises: bool, values: &[f64]) -> Curve {
        let iterations = (1..=values.len()).collect();
        Curve { set: set.into(), metric: metric.into(), rises, values: values.to_vec(), iterations }
    }

    #[test]
    fn any_curve_that_decides_may_stop() {
        let stop = StopParams { early_stopping_round: 2, ..StopParams::default() };
        let falling = curve("a", "l2", false, &[3.0, 2.0, 1.0, 0.5]);
        let stuck = curve("a", "auc", true, &[0.1, 0.9, 0.8, 0.85]);
        assert_eq!(enough(&[falling.clone(), stuck.clone()], &stop, 4), Some(2));
        assert_eq!(enough(std::slice::from_ref(&falling), &stop, 4), None);
        let first = StopParams { first_metric_only: true, ..stop.clone() };
        assert_eq!(enough(&[falling.clone(), stuck], &first, 4), None);
        assert_eq!(best(&[falling], &first), Some(4));
        let training = curve(TRAINING, "l2", false, &[1.0, 2.0, 3.0]);
        assert_eq!(enough(&[training], &stop, 3), None);
    }
}

//! Dropping trees (DART): which are left out of an iteration, and the weights afterwards.
#![allow(clippy::indexing_slicing, reason = "iterations stay below the number of weights")]

use crate::boosting::params::DartParams;
use lyceum_data::Random;

/// Weights of the iterations so far.
#[derive(Debug, Default)]
pub(super) struct Dart {
    weights: Vec<f64>,
}

/// What an iteration drops and what becomes of the weights.
#[derive(Debug, PartialEq)]
pub(super) struct Drop {
    /// The iterations left out, ascending.
    pub(super) iterations: Vec<usize>,
    /// Factor of the new trees.
    pub(super) rate: f64,
    /// Factor of the dropped trees when they come back.
    pub(super) keep: f64,
}

impl Dart {
    /// Chooses by each iteration's weight, or all alike.
    pub(super) fn choose(&self, p: &DartParams, learning_rate: f64, random: &mut Random) -> Drop {
        let mut iterations = Vec::new();
        let n = self.weights.len() as f64;
        if random.unit() >= p.skip_drop && n > 0.0 {
            let sum: f64 = self.weights.iter().sum();
            let most = if p.max_drop > 0 { p.max_drop as f64 } else { f64::INFINITY };
            for (i, weight) in self.weights.iter().enumerate() {
                let chance = if p.uniform_drop {
                    p.drop_rate.min(most / n)
                } else {
                    let over_mean = n / sum;
                    p.drop_rate.min(most * over_mean / sum) * weight * over_mean
                };
                if random.unit() < chance {
                    iterations.push(i);
                    if iterations.len() as f64 >= most {
                        break;
                    }
                }
            }
        }
        let k = iterations.len() as f64;
        let (rate, keep) = match (p.xgboost_dart_mode, k > 0.0) {
            (false, _) => (learning_rate / (1.0 + k), k / (k + 1.0)),
            (true, true) => (learning_rate / (learning_rate + k), k / (k + learning_rate)),
            (true, false) => (learning_rate, 1.0),
        };
        Drop { iterations, rate, keep }
    }

    /// Notes the weights after an iteration.
    pub(super) fn done(&mut self, drop: &Drop) {
        for i in &drop.iterations {
            self.weights[*i] *= drop.keep;
        }
        self.weights.push(drop.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up() {
        let p = DartParams { drop_rate: 1.0, skip_drop: 0.0, uniform_drop: true, ..DartParams::default() };
        let mut dart = Dart::default();
        let mut random = Random::new(1, 1);
        for i in 0..3 {
            let drop = dart.choose(&p, 0.1, &mut random);
            assert_eq!(drop.iterations, (0..i).collect::<Vec<_>>());
            assert!((drop.rate - 0.1 / (1.0 + i as f64)).abs() < 1e-15);
            dart.done(&drop);
        }
        assert!((dart.weights[0] - 0.1 * 0.5 * 2.0 / 3.0).abs() < 1e-15);
        let never = DartParams { skip_drop: 1.0, ..p };
        assert!(dart.choose(&never, 0.1, &mut random).iterations.is_empty());
    }
}

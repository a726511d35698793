//! Successive halving: all candidates with a little of something (rows, trees, passes), the best of them with more, the
//! best of those with more again.
//!
//! Source: Jamieson, Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, 2016; sizes as
//! scikit-learn's `HalvingRandomSearchCV` has them with `min_resources="exhaust"`.
#![allow(clippy::indexing_slicing, reason = "ranks stay below the trials of their round")]

use lyceum_core::{Error, Result};

/// What the candidates get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Halving {
    /// One of so many stays in each round, and gets so many times more; above 1.
    pub factor: f64,
    /// The least that a candidate gets.
    pub min_resources: u64,
    /// What those of the last round get.
    pub max_resources: u64,
}

impl Halving {
    /// # Errors
    /// A factor of 1 or less, a resource of 0, a least above the most.
    pub fn check(&self) -> Result<()> {
        if !(self.factor > 1.0 && self.factor.is_finite()) {
            return Err(
                Error::invalid(format!("expected a number above 1, got {}", self.factor)).at_key("factor")
            );
        }
        if self.min_resources == 0 || self.min_resources > self.max_resources {
            let message = format!("expected from 1 to {}, got {}", self.max_resources, self.min_resources);
            return Err(Error::invalid(message).at_key("min_resources"));
        }
        Ok(())
    }

    /// Candidates and resource of each round: as many rounds as there are candidates for and as the resource bears; the
    /// last one has it whole.
    pub fn rounds(&self, candidates: usize) -> Vec<(usize, u64)> {
        let (low, high) = (self.min_resources as f64, self.max_resources as f64);
        // A hair more than the logarithm: 3^2 is 9, not a little less.
        let within = |ratio: f64| (ratio.ln() / self.factor.ln() + 1e-9).floor().max(0.0) as usize + 1;
        let rounds = within(candidates.max(1) as f64).min(within(high / low));
        let one = |round: usize| {
            let shrunk = (candidates as f64 / self.factor.powi(round as i32) - 1e-9).ceil() as usize;
            let share = self.factor.powi((rounds - 1 - round) as i32);
            (shrunk.max(1).min(candidates), ((high / share).floor().max(low)) as u64)
        };
        (0..rounds).map(one).collect()
    }

    /// Who is tried next, of trials in order with their losses: a new candidate (none) or an earlier trial's, and with
    /// what; nothing when the search is over.
    pub(super) fn next(&self, candidates: usize, losses: &[f64]) -> Option<(Option<usize>, u64)> {
        let (mut begin, mut before) = (0, 0);
        for (round, (size, resource)) in self.rounds(candidates).into_iter().enumerate() {
            if losses.len() < begin + size {
                if round == 0 {
                    return Some((None, resource));
                }
                let mut ranked: Vec<usize> = (before..begin).collect();
                ranked.sort_by(|a, b| losses[*a].total_cmp(&losses[*b]));
                return Some((Some(ranked[losses.len() - begin]), resource));
            }
            (before, begin) = (begin, begin + size);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_shrink_as_the_resource_grows() {
        let of = |factor, min_resources, max_resources| Halving { factor, min_resources, max_resources };
        assert_eq!(of(3.0, 10, 900).rounds(27), [(27, 33), (9, 100), (3, 300), (1, 900)]);
        // The resource bears two rounds only.
        assert_eq!(of(3.0, 200, 900).rounds(27), [(27, 300), (9, 900)]);
        assert_eq!(of(2.0, 1, 1000).rounds(1), [(1, 1000)]);
        assert_eq!(of(2.0, 1, 8).rounds(5), [(5, 2), (3, 4), (2, 8)]);
    }

    #[test]
    fn the_best_go_on() {
        let halving = Halving { factor: 2.0, min_resources: 1, max_resources: 4 };
        let (mut losses, mut order) = (Vec::new(), Vec::new());
        while let Some((of, resource)) = halving.next(4, &losses) {
            let loss = of.map_or([3.0, 1.0, f64::INFINITY, 2.0].get(losses.len()).copied(), |i: usize| {
                losses.get(i).copied()
            });
            losses.push(loss.unwrap_or_default());
            order.push((of, resource));
        }
        assert_eq!(order[..4], [(None, 1); 4]);
        assert_eq!(order[4..], [(Some(1), 2), (Some(3), 2), (Some(4), 4)]);
    }

    #[test]
    fn faults() {
        let fault = |h: Halving| h.check().err().map(|e| e.to_string());
        let fine = Halving { factor: 3.0, min_resources: 2, max_resources: 9 };
        assert_eq!(fault(fine), None);
        let factor = fault(Halving { factor: 1.0, ..fine });
        assert_eq!(factor.as_deref(), Some("factor: expected a number above 1, got 1"));
        let least = fault(Halving { min_resources: 10, ..fine });
        assert_eq!(least.as_deref(), Some("min_resources: expected from 1 to 9, got 10"));
    }
}

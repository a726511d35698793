//! What splits and features cost: taken off gains, so that features that are dear to compute are split on where they
//! are worth it.
//!
//! Source: Peter, Diego, Hamprecht and Nadler, "Cost efficient gradient boosting" (2017), in the form that LightGBM 4.7
//! has (`cegb_…`): cost = tradeoff · (split · rows + coupled, unless a tree has split on the feature + lazy · rows
//! that no split on the feature has seen).

use super::partition::Partition;
use super::search::{Asked, Scratch};
use super::{Growing, Leaf};
use crate::boosting::data::Layout;
use crate::boosting::params::CostParams;
use lyceum_tensor::Pool;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What has been paid for since training began.
pub(super) struct Costs {
    /// A split's cost for each row.
    split: f64,
    /// Each feature's cost until it is split on; 0 from then on.
    coupled: Vec<f64>,
    /// Each feature's cost for a row that has not seen it.
    lazy: Vec<f64>,
    /// For each feature with a cost of rows, a bit a row that has seen it.
    seen: Vec<Vec<u64>>,
}

impl Costs {
    /// Nothing when nothing costs.
    pub(super) fn new(p: &CostParams, layout: &Layout, rows: usize) -> Option<Self> {
        if !p.any() {
            return None;
        }
        let of = |all: &[f64]| -> Vec<f64> {
            let one = |index: usize| p.tradeoff * all.get(index).copied().unwrap_or(0.0);
            layout.features.iter().map(|f| one(f.index)).collect()
        };
        let lazy = of(&p.lazy);
        let seen = lazy.iter().map(|c| vec![0; if *c > 0.0 { rows.div_ceil(64) } else { 0 }]).collect();
        Some(Self { split: p.tradeoff * p.split, coupled: of(&p.coupled), lazy, seen })
    }

    /// What a split of these rows costs, by feature.
    pub(super) fn of(&self, rows: &[u32], pool: &Pool) -> Vec<f64> {
        let unseen: Vec<AtomicU64> = self.lazy.iter().map(|_| AtomicU64::new(0)).collect();
        pool.run(unseen.len(), |feature| {
            let (Some(seen), Some(count)) = (self.seen.get(feature), unseen.get(feature)) else { return };
            if !seen.is_empty() {
                let new = rows.iter().filter(|r| !has(seen, **r)).count();
                count.store(new as u64, Ordering::Relaxed);
            }
        });
        let by_rows = self.split * rows.len() as f64;
        let features = unseen.into_iter().zip(&self.lazy).zip(&self.coupled);
        features
            .map(|((unseen, lazy), coupled)| by_rows + coupled + lazy * unseen.into_inner() as f64)
            .collect()
    }

    /// Pays for a split of these rows on a feature; what the feature cost once, if this was the first split on it.
    fn pay(&mut self, feature: usize, rows: &[u32]) -> Option<f64> {
        if let Some(seen) = self.seen.get_mut(feature).filter(|s| !s.is_empty()) {
            for row in rows {
                if let Some(word) = seen.get_mut(*row as usize / 64) {
                    *word |= 1 << (row % 64);
                }
            }
        }
        let coupled = self.coupled.get_mut(feature)?;
        Some(std::mem::take(coupled)).filter(|cost| *cost > 0.0)
    }
}

fn has(seen: &[u64], row: u32) -> bool {
    seen.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
}

impl<'g> Growing<'g> {
    /// What a leaf asks of its splits, with what they cost.
    pub(super) fn asked(&self, leaf: &Leaf, at: usize) -> Option<Asked<'g>> {
        let asked = self.search.asked(leaf, at)?;
        Some(match &self.costs {
            Some(costs) => asked.at_cost(costs.of(self.lanes.first().map_or(&[], |l| l.of(at)), self.pool)),
            None => asked,
        })
    }

    /// Pays for a split of a leaf that is still whole. Where the feature is new, other leaves may want it now that it
    /// costs no more.
    pub(super) fn pay(&mut self, leaves: &mut [Leaf], at: usize, feature: usize) {
        let rows = self.lanes.first().map_or(&[][..], |lane: &Partition| lane.of(at));
        let Some(paid) = self.costs.as_mut().and_then(|c| c.pay(feature, rows)) else { return };
        let found = self.blocks.iter().enumerate().find_map(|(b, block)| Some((b, block.place(feature)?)));
        let Some((b, place)) = found else { return };
        let best: Vec<Mutex<_>> = leaves.iter().map(|_| Mutex::new(None)).collect();
        self.pool.run(leaves.len(), |other| {
            let (Some(leaf), Some(block), Some(out)) =
                (leaves.get(other), self.blocks.get(b), best.get(other))
            else {
                return;
            };
            let asked = self.search.asked(leaf, other).filter(|_| other != at);
            let (Some(asked), Some(all)) = (asked, leaf.histogram.get(b)) else { return };
            let all = all.lock().unwrap_or_else(PoisonError::into_inner);
            let (totals, mut buffer, mut scratch) = (block.totals(&all), Vec::new(), Scratch::default());
            let cells = block.own(place, &all, &totals, &mut buffer);
            let split = self.search.feature(feature, cells, &asked, 0.0, &mut scratch);
            *out.lock().unwrap_or_else(PoisonError::into_inner) = split;
        });
        for (leaf, best) in leaves.iter_mut().zip(best) {
            let Some(mut split) = best.into_inner().unwrap_or_else(PoisonError::into_inner) else { continue };
            // LightGBM gives back what it had not taken off the gain that it kept: its trees are what is wanted.
            split.gain += paid;
            if leaf.best.as_ref().is_none_or(|b| split.gain > b.gain) {
                leaf.best = Some(split);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::boosting::data::{BinMapper, MissingKind};

    #[test]
    fn what_was_paid_for_costs_no_more() {
        let mapper = BinMapper::Number {
            bounds: vec![0.5, f64::INFINITY],
            missing: MissingKind::None,
            range: (0.0, 1.0),
        };
        let layout = Layout::of(vec![Some(mapper.clone()), None, Some(mapper)]);
        let p =
            CostParams { tradeoff: 2.0, split: 0.5, lazy: vec![1.0, 9.0, 0.0], coupled: vec![0.0, 9.0, 7.0] };
        let (mut costs, pool) = (Costs::new(&p, &layout, 100).unwrap(), Pool::new(2));
        assert_eq!(costs.of(&[1, 70, 99], &pool), [3.0 + 6.0, 3.0 + 14.0]);
        assert_eq!(costs.pay(0, &[70, 71]), None);
        assert_eq!(costs.of(&[1, 70, 99], &pool), [3.0 + 4.0, 3.0 + 14.0]);
        assert_eq!((costs.pay(1, &[1]), costs.pay(1, &[1])), (Some(14.0), None));
        assert_eq!(costs.of(&[1, 70, 99], &pool), [3.0 + 4.0, 3.0]);
        assert!(Costs::new(&CostParams { tradeoff: 0.0, ..p }, &layout, 100).is_none());
    }
}

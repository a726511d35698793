//! Features of which no row has more than one apart from its usual bin share a byte, so that a row costs one addition
//! for all of them.
//!
//! Source: exclusive feature bundling of Ke and others, LightGBM: A Highly Efficient Gradient Boosting Decision Tree,
//! 2017, section 4. Here no conflict at all is borne: trees are the same with and without.
#![allow(clippy::indexing_slicing, reason = "rows, bins and features stay below the lengths made here")]

use crate::boosting::data::{Column, Dataset};
use crate::boosting::kernels::STRIDE;
use lyceum_tensor::Pool;
use std::sync::{Mutex, PoisonError};

/// One feature of a byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The feature, by its number in the layout.
    pub(super) feature: usize,
    pub(super) bins: usize,
    /// Where it shares the byte.
    pub(super) shared: Option<Shared>,
}

/// A feature's part of a byte that is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shared {
    /// Its usual bin, which is the byte's bin 0.
    pub(super) usual: usize,
    /// The byte's bin of its first other bin; the others follow.
    pub(super) from: usize,
}

/// The features of one byte, or one wide feature.
pub(super) type Slot = Vec<Member>;

/// A feature that has its usual bin in this share of the rows at least may share a byte.
const USUAL: f64 = 0.5;
/// Rows that are looked at before all are.
const LOOK: usize = 1024;
/// Bytes that a feature is tried in.
const TRIES: usize = 100;

/// The slots of a data set, in the order of their first features; wide features come last and alone.
pub(super) fn slots(data: &Dataset, bundle: bool, pool: &Pool) -> Vec<Slot> {
    let bins = |f: usize| data.layout.features[f].mapper.bins();
    let count = data.columns.len();
    let mut sparse: Vec<Sparse> = if bundle && count > 1 { sparse(data, pool) } else { Vec::new() };
    sparse.sort_by_key(|s| std::cmp::Reverse(s.rows.len()));
    let mut open: Vec<Bundle> = Vec::new();
    let mut done: Vec<Bundle> = Vec::new();
    for one in sparse {
        let own = bins(one.feature) - 1;
        let fits = |b: &Bundle| b.bins + own <= STRIDE && b.rows + one.rows.len() <= data.rows;
        let free = |b: &Bundle| one.rows.iter().all(|r| b.taken[*r as usize / 64] >> (r % 64) & 1 == 0);
        let found = open.iter_mut().filter(|b| fits(b)).take(TRIES).find(|b| free(b));
        match found {
            Some(bundle) => bundle.take(&one, own),
            None => {
                let mut fresh = Bundle::new(data.rows);
                fresh.take(&one, own);
                open.push(fresh);
            }
        }
        let full = |b: &mut Bundle| b.bins >= STRIDE;
        done.extend(open.extract_if(.., full));
    }
    done.append(&mut open);
    let mut shared: Vec<Option<Shared>> = vec![None; count];
    let mut slots: Vec<Slot> = Vec::new();
    for bundle in done.into_iter().filter(|b| b.members.len() > 1) {
        bundle.members.iter().for_each(|(f, s)| shared[*f] = Some(*s));
        let member = |(feature, s): (usize, Shared)| Member { feature, bins: bins(feature), shared: Some(s) };
        slots.push(bundle.members.into_iter().map(member).collect());
    }
    let alone = (0..count).filter(|f| shared[*f].is_none());
    slots.extend(alone.map(|feature| vec![Member { feature, bins: bins(feature), shared: None }]));
    let first = |s: &Slot| s.iter().map(|m| m.feature).min().unwrap_or_default();
    slots.sort_by_key(|s| (s.iter().any(|m| m.bins > STRIDE), first(s)));
    slots
}

/// A feature with a usual bin, and the rows that have another.
struct Sparse {
    feature: usize,
    usual: usize,
    rows: Vec<u32>,
}

struct Bundle {
    members: Vec<(usize, Shared)>,
    bins: usize,
    rows: usize,
    /// A bit for each row that some member has apart from its usual bin.
    taken: Vec<u64>,
}

impl Bundle {
    fn new(rows: usize) -> Self {
        Self { members: Vec::new(), bins: 1, rows: 0, taken: vec![0; rows.div_ceil(64)] }
    }

    fn take(&mut self, one: &Sparse, bins: usize) {
        self.members.push((one.feature, Shared { usual: one.usual, from: self.bins }));
        self.bins += bins;
        self.rows += one.rows.len();
        one.rows.iter().for_each(|r| self.taken[*r as usize / 64] |= 1 << (r % 64));
    }
}

/// The features that are mostly usual.
fn sparse(data: &Dataset, pool: &Pool) -> Vec<Sparse> {
    let out: Vec<Mutex<Option<Sparse>>> = data.columns.iter().map(|_| Mutex::new(None)).collect();
    pool.run(out.len(), |feature| {
        let Column::Bytes(column) = &data.columns[feature] else { return };
        let column = &column[..data.rows];
        let usual = |part: &mut dyn Iterator<Item = u8>| {
            let mut counts = [0usize; 256];
            part.for_each(|bin| counts[bin as usize] += 1);
            let bin = (0..256).max_by_key(|b| (counts[*b], usize::MAX - b)).unwrap_or_default();
            (bin, counts[bin])
        };
        // Most tables have no such feature at all, which a few rows tell.
        let step = (column.len() / LOOK).max(1);
        let looked = column.len().div_ceil(step);
        let (_, some) = usual(&mut column.iter().copied().step_by(step));
        if (some as f64) < 0.9 * USUAL * looked as f64 {
            return;
        }
        let (bin, n) = usual(&mut column.iter().copied());
        if n as f64 >= USUAL * column.len() as f64 {
            let rows =
                column.iter().zip(0u32..).filter(|(b, _)| **b as usize != bin).map(|(_, r)| r).collect();
            *out[feature].lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Sparse { feature, usual: bin, rows });
        }
    });
    out.into_iter().filter_map(|m| m.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::boosting::Matrix;
    use crate::boosting::data::BinRule;
    use crate::{Features, tables};

    #[test]
    fn flags_of_a_group_share_a_byte() {
        let made = tables::sparse(4000);
        let pool = Pool::new(2);
        let features = Features {
            names: (0..made.width).map(|i| format!("c{i}").into()).collect(),
            levels: vec![None; made.width],
        };
        let x = Matrix::Rows32 { values: &made.x, width: made.width };
        let data = Dataset::fit(&x, &features, &BinRule::default(), 1, &pool).unwrap();
        let found = slots(&data, true, &pool);
        // 200 flags of 20 groups and 10 numbers; each feature once.
        assert!(found.len() < 40, "{}", found.len());
        let mut all: Vec<usize> = found.iter().flatten().map(|m| m.feature).collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..data.columns.len()));
        assert_eq!(slots(&data, false, &pool).len(), data.columns.len());
        let dense = tables::binary(3000);
        let x = Matrix::Rows32 { values: &dense.x, width: dense.width };
        let names = (0..dense.width).map(|i| format!("c{i}").into()).collect();
        let features = Features { names, levels: vec![None; dense.width] };
        let data = Dataset::fit(&x, &features, &BinRule::default(), 1, &pool).unwrap();
        assert!(slots(&data, true, &pool).iter().all(|s| s.len() == 1 && s[0].shared.is_none()));
    }
}

//! Features as a grower reads them: a block holds several bytes of a row together, or a wide feature.
#![allow(clippy::indexing_slicing, reason = "rows and features stay below the lengths made here")]

use super::bundle::{Member, Slot, slots};
use crate::boosting::data::{Column, Dataset};
use crate::boosting::kernels::{BLOCK, ROW, Rows, STRIDE, accumulate, accumulate_one};
use lyceum_tensor::{Pool, roomy};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Some features of all rows.
pub(super) struct Block {
    /// Its features and the byte of each, by their number in the layout, ascending.
    members: Vec<(Member, usize)>,
    /// Used cells of each byte.
    used: Vec<usize>,
    /// Bytes that features share.
    shared: Vec<bool>,
    /// A row's bytes. Empty for a wide feature, which is read from its column.
    rows: Vec<[u8; ROW]>,
}

impl Block {
    /// Cells of its histograms.
    pub(super) fn cells(&self) -> usize {
        match self.used.as_slice() {
            [alone] if self.rows.is_empty() => *alone,
            bytes => bytes.len() * STRIDE,
        }
    }

    /// The used cells of each byte.
    pub(super) fn used(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.used.iter().enumerate().map(|(byte, used)| byte * STRIDE..byte * STRIDE + used)
    }

    /// Its features, ascending.
    pub(super) fn features(&self) -> impl Iterator<Item = usize> + '_ {
        self.members.iter().map(|(m, _)| m.feature)
    }

    /// The place of a feature among its features.
    pub(super) fn place(&self, feature: usize) -> Option<usize> {
        self.members.binary_search_by_key(&feature, |(m, _)| m.feature).ok()
    }

    /// The sums of all rows by byte, where features share some.
    pub(super) fn totals(&self, cells: &[i64]) -> Vec<i64> {
        if !self.shared.contains(&true) {
            return Vec::new();
        }
        let sum = |own: Range<usize>| cells[own].iter().fold(0i64, |s, c| s.wrapping_add(*c));
        self.used().zip(&self.shared).map(|(own, shared)| if *shared { sum(own) } else { 0 }).collect()
    }

    /// The cells of the feature at a place, one a bin; `totals` are those of the same cells.
    pub(super) fn own<'c>(
        &self,
        place: usize,
        cells: &'c [i64],
        totals: &[i64],
        buffer: &'c mut Vec<i64>,
    ) -> &'c [i64] {
        let (member, byte) = &self.members[place];
        let Some(shared) = member.shared else {
            return &cells[byte * STRIDE..byte * STRIDE + member.bins];
        };
        let from = byte * STRIDE + shared.from;
        let others = &cells[from..from + member.bins - 1];
        // What is in no other bin is in the usual one.
        let rest = others.iter().fold(totals[*byte], |s, c| s.wrapping_sub(*c));
        buffer.clear();
        buffer.extend_from_slice(&others[..shared.usual]);
        buffer.push(rest);
        buffer.extend_from_slice(&others[shared.usual..]);
        buffer
    }

    /// Adds the packed gradients of some rows to its cells.
    pub(super) fn accumulate(&self, data: &Dataset, rows: Rows<'_>, packed: &[i64], cells: &mut [i64]) {
        let wide = self.members.first().and_then(|(m, _)| data.columns.get(m.feature));
        match wide {
            Some(Column::Words(column)) => accumulate_one(column, rows, packed, cells),
            _ => accumulate(&self.rows, rows, packed, self.used.len(), cells),
        }
    }
}

/// What a wide feature costs beside a byte in a block of them.
const WIDE: usize = 3;

/// The blocks, and for each thread its own ones: about equal work, each in as few blocks as hold it.
pub(super) fn blocks(data: &Dataset, bundle: bool, pool: &Pool) -> (Vec<Block>, Vec<Range<usize>>) {
    let slots = slots(data, bundle, pool);
    let is_wide: Vec<bool> = slots.iter().map(|s| s.iter().any(|m| m.bins > STRIDE)).collect();
    let work: usize = is_wide.iter().map(|wide| if *wide { WIDE } else { 1 }).sum();
    // With less than two bytes for each thread, more threads would only wait for each other.
    let threads = if is_wide.len() < 2 * pool.threads() { 1 } else { pool.threads() };
    let (mut parts, mut lanes) = (Vec::new(), Vec::new());
    let (mut from, mut done) = (0, 0);
    for lane in 1..=threads {
        let (first, mut to) = (parts.len(), from);
        while to < is_wide.len() && (lane == threads || done * threads < lane * work) {
            done += if is_wide[to] { WIDE } else { 1 };
            to += 1;
        }
        let narrow = is_wide[from..to].iter().filter(|wide| !**wide).count();
        let count = narrow.div_ceil(BLOCK);
        parts.extend((0..count).map(|i| from + i * narrow / count..from + (i + 1) * narrow / count));
        parts.extend((from + narrow..to).map(|f| f..f + 1));
        lanes.push(first..parts.len());
        from = to;
    }
    lanes.retain(|l| !l.is_empty());
    let out: Vec<Mutex<Option<Block>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    pool.run_near(lanes.len(), |lane| {
        for i in lanes[lane].clone() {
            let block = pack(data, &slots[parts[i].clone()]);
            *out[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(block);
        }
    });
    let blocks = out.into_iter().filter_map(|b| b.into_inner().unwrap_or_else(PoisonError::into_inner));
    (blocks.collect(), lanes)
}

fn pack(data: &Dataset, slots: &[Slot]) -> Block {
    let mut rows: Vec<[u8; ROW]> = Vec::new();
    let mut members = Vec::new();
    for (byte, slot) in slots.iter().enumerate() {
        for member in slot {
            members.push((member.clone(), byte));
            let Column::Bytes(column) = &data.columns[member.feature] else { continue };
            if rows.is_empty() {
                rows = roomy(data.rows);
                rows.resize(data.rows, [0u8; ROW]);
            }
            let pairs = rows.iter_mut().zip(column);
            match member.shared {
                None => pairs.for_each(|(row, bin)| row[byte] = *bin),
                Some(shared) => {
                    let own = |bin: u8| match (bin as usize).cmp(&shared.usual) {
                        std::cmp::Ordering::Less => shared.from + bin as usize,
                        std::cmp::Ordering::Equal => 0,
                        std::cmp::Ordering::Greater => shared.from + bin as usize - 1,
                    };
                    // No other member has a bin there: adding is setting.
                    pairs.for_each(|(row, bin)| row[byte] += own(*bin) as u8);
                }
            }
        }
    }
    members.sort_by_key(|(m, _)| m.feature);
    let used = |slot: &Slot| match slot.as_slice() {
        [Member { bins, shared: None, .. }] => *bins,
        all => 1 + all.iter().map(|m| m.bins - 1).sum::<usize>(),
    };
    Block {
        members,
        used: slots.iter().map(used).collect(),
        shared: slots.iter().map(|s| s.len() > 1).collect(),
        rows,
    }
}

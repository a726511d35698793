//! Features as a grower reads them: a block holds several narrow ones, a row's bins together, or a wide one.
#![allow(clippy::indexing_slicing, reason = "rows and features stay below the lengths made here")]

use crate::boosting::data::{Column, Dataset};
use crate::boosting::kernels::{BLOCK, ROW, Rows, STRIDE, accumulate, accumulate_one};
use lyceum_tensor::Pool;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Some features of all rows.
pub(super) struct Block {
    /// The features, by their number in the layout.
    pub(super) features: Range<usize>,
    /// Bins of each.
    bins: Vec<usize>,
    /// Of narrow features: a row's bins, one a feature from the first on. Empty for a wide one, which is read from its
    /// column.
    rows: Vec<[u8; ROW]>,
}

impl Block {
    /// Cells of its histograms.
    pub(super) fn cells(&self) -> usize {
        match self.bins.as_slice() {
            [alone] if self.rows.is_empty() => *alone,
            bins => bins.len() * STRIDE,
        }
    }

    /// The used cells of feature number `place` of the block.
    pub(super) fn own(&self, place: usize) -> Range<usize> {
        place * STRIDE..place * STRIDE + self.bins[place]
    }

    /// Its features and their cells.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.features.clone().enumerate().map(|(place, feature)| (feature, self.own(place)))
    }

    /// Adds the packed gradients of some rows to its cells.
    pub(super) fn accumulate(&self, data: &Dataset, rows: Rows<'_>, packed: &[i64], cells: &mut [i64]) {
        match data.columns.get(self.features.start) {
            Some(Column::Words(column)) => accumulate_one(column, rows, packed, cells),
            _ => accumulate(&self.rows, rows, packed, self.bins.len(), cells),
        }
    }
}

/// What a wide feature costs beside a narrow one in a block of them.
const WIDE: usize = 3;

/// The blocks, and for each thread its own ones: about equal work, each in as few blocks as hold it.
pub(super) fn blocks(data: &Dataset, pool: &Pool) -> (Vec<Block>, Vec<Range<usize>>) {
    let is_wide: Vec<bool> = data.columns.iter().map(|c| matches!(c, Column::Words(_))).collect();
    let work: usize = is_wide.iter().map(|wide| if *wide { WIDE } else { 1 }).sum();
    // With less than two features for each thread, more threads would only wait for each other.
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
            let block = pack(data, parts[i].clone());
            *out[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(block);
        }
    });
    let blocks = out.into_iter().filter_map(|b| b.into_inner().unwrap_or_else(PoisonError::into_inner));
    (blocks.collect(), lanes)
}

fn pack(data: &Dataset, features: Range<usize>) -> Block {
    let bins = data.layout.features[features.clone()].iter().map(|f| f.mapper.bins()).collect();
    let mut rows = Vec::new();
    for (j, column) in data.columns[features.clone()].iter().enumerate() {
        let Column::Bytes(column) = column else { continue };
        rows.resize(data.rows, [0u8; ROW]);
        rows.iter_mut().zip(column).for_each(|(row, bin)| row[j] = *bin);
    }
    Block { features, bins, rows }
}

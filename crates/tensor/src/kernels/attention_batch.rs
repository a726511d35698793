//! Attention of all rows of a batch in one parallel loop: many positions of one sequence go to the matrix units where
//! there are such, single ones over the keys row by row.

#![allow(clippy::indexing_slicing, reason = "rows within lengths that are asserted")]

use super::attention::{CacheLayer, attend};
use crate::Pool;
use std::cell::RefCell;
use std::ops::Range;

/// From so many positions of one sequence on, matrix units are faster.
#[cfg(target_arch = "x86_64")]
const MANY: usize = 4;

/// Rows of one sequence with consecutive positions.
#[derive(Debug, Clone)]
pub struct Queries<'a> {
    /// Which rows.
    pub rows: Range<usize>,
    /// Position of the first of them.
    pub first: usize,
    /// The sequence's blocks.
    pub table: &'a [u32],
}

/// Which keys a position sees, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// How many positions back, itself included; all without.
    pub window: Option<usize>,
    /// Scores s become cap · tanh(s / cap).
    pub cap: Option<f32>,
    /// Whether each row is to give the same numbers however many there are.
    pub steady: bool,
}

struct Out {
    start: *mut f32,
    stride: usize,
}
// SAFETY: tasks write disjoint rows and columns, see `attend_all`.
unsafe impl Sync for Out {}
impl Out {
    /// # Safety
    /// The row and the columns must be inside and nobody else's.
    #[allow(clippy::mut_from_ref, reason = "each task gets numbers of its own")]
    unsafe fn part(&self, row: usize, from: usize, len: usize) -> &mut [f32] {
        // SAFETY: as the contract says.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride + from), len) }
    }
}

thread_local! {
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Attention of all rows: `q` and `out` are `[rows, heads · head_dim]`, `q` scaled already; query head i reads key
/// head `i / (heads / kv_heads)`. The keys of all positions up to each row's own are in the cache.
///
/// # Panics
/// When a row is not there or a table has no block for a position.
pub fn attend_all(
    pool: &Pool,
    layer: &CacheLayer,
    runs: &[Queries<'_>],
    seen: Seen,
    q: &[f32],
    out: &mut [f32],
) {
    let rows = runs.iter().map(|r| r.rows.end).max().unwrap_or(0);
    if rows == 0 {
        return;
    }
    let stride = q.len() / rows;
    let heads = layer.kv_heads();
    let width = stride / heads;
    assert!(out.len() >= rows * stride && width * heads == stride, "room for the result of attention");
    let step = if seen.steady { 1 } else { group(layer) };
    let mut tasks: Vec<(&Queries<'_>, Range<usize>, usize)> = Vec::new();
    for run in runs {
        let step = if run.rows.len() >= many() { step } else { 1 };
        for from in run.rows.clone().step_by(step) {
            let rows = from..(from + step).min(run.rows.end);
            tasks.extend((0..heads).map(|head| (run, rows.clone(), head)));
        }
    }
    let out = Out { start: out.as_mut_ptr(), stride };
    pool.run(tasks.len(), |i| {
        let (run, rows, head) = &tasks[i];
        let first = run.first + rows.start - run.rows.start;
        let q = &q[rows.start * stride + head * width..];
        #[cfg(target_arch = "x86_64")]
        if rows.len() > 1
            && let Some((keys, values)) = layer.halves()
        {
            use super::attention_tiles as tiles;
            let head_dim = layer.head_dim();
            let cache = tiles::Heads { keys, values, kv_heads: heads, head_dim };
            let (window, cap) = (seen.window, seen.cap);
            let query =
                tiles::Query { q, stride, rows: rows.len(), heads: width / head_dim, first, window, cap };
            // SAFETY: `group` is over 1 only where the matrix units are usable and the width fits; a row's columns of
            // this head are this task's.
            unsafe {
                tiles::attend(cache, *head, run.table, query, |r, x| {
                    out.part(rows.start + r, head * width, width).copy_from_slice(x);
                });
            }
            return;
        }
        for (r, row) in rows.clone().enumerate() {
            let end = first + r + 1;
            let start = seen.window.map_or(0, |w| end.saturating_sub(w));
            // SAFETY: as above.
            let out = unsafe { out.part(row, head * width, width) };
            SCORES.with_borrow_mut(|scores| {
                let q = &q[r * stride..][..width];
                attend(layer, *head, run.table, start..end, (q, seen.cap), scores, out);
            });
        }
    });
}

/// Rows that one task computes together.
fn group(layer: &CacheLayer) -> usize {
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Amx && layer.halves().is_some() && layer.head_dim().is_multiple_of(32)
    {
        return super::attention_tiles::GROUP;
    }
    let _ = layer;
    1
}

#[cfg(target_arch = "x86_64")]
fn many() -> usize {
    MANY
}

#[cfg(not(target_arch = "x86_64"))]
fn many() -> usize {
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::super::attention::{BLOCK, Cache};
    use super::*;

    /// Many rows at once give what each gives alone, with windows and caps, over a table out of order.
    #[test]
    fn many_rows_agree_with_each_alone() {
        let noise = |i: usize, seed: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
        for (heads, dim, group) in [(2, 64, 3), (1, 32, 1), (2, 96, 8)] {
            let mut cache = Cache::new(1, heads, dim, 16, false);
            let layer = &mut cache.layers[0];
            let table = [5u32, 0, 9, 3, 12, 7, 1, 2, 15];
            let len = 139;
            for p in 0..len {
                let k: Vec<f32> = (0..heads * dim).map(|i| noise(p * 997 + i, 1)).collect();
                let v: Vec<f32> = (0..heads * dim).map(|i| noise(p * 991 + i, 2)).collect();
                layer.write(table[p / BLOCK], p % BLOCK, &k, &v);
            }
            let stride = heads * dim * group;
            for (first, rows) in [(0, 139), (60, 37), (120, 5), (138, 1)] {
                for seen in [
                    Seen::default(),
                    Seen { window: Some(20), ..Seen::default() },
                    Seen { window: Some(70), cap: Some(2.0), steady: false },
                ] {
                    let q: Vec<f32> = (0..rows * stride).map(|i| 0.4 * noise(i, 3)).collect();
                    let pool = Pool::new(2);
                    let mut got = vec![0.0; rows * stride];
                    let run = Queries { rows: 0..rows, first, table: &table };
                    attend_all(&pool, layer, &[run], seen, &q, &mut got);
                    for r in 0..rows {
                        let mut want = vec![0.0; stride];
                        let run = Queries { rows: 0..1, first: first + r, table: &table };
                        attend_all(&pool, layer, &[run], seen, &q[r * stride..][..stride], &mut want);
                        for (i, want) in want.iter().enumerate() {
                            let got = got[r * stride + i];
                            assert!((got - want).abs() < 0.02, "row {r}, {i}: {got} is not {want}");
                        }
                    }
                }
            }
        }
    }
}

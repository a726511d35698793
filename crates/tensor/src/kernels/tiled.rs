//! Strips against tiles of inputs, on the matrix units.
//!
//! Up to 32 rows: two strips are expanded block by block into a small ring in the first cache and multiplied as they
//! come. More rows: some strips are expanded as a whole into the second cache, then all rows pass over them.

#![allow(clippy::indexing_slicing, reason = "strips and rows within lengths that are asserted")]

use super::amx::{self, Sums, TILE};
use super::arena::Lines;
use super::expand::{self, UNIT};
use super::pairs::Pairs;
use super::product::Out;
use super::shape::{STRIP, Shape};
use super::strips::Strips;
use super::tiles::{LIFT, ROWS, Tiles};
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::cell::RefCell;
use std::ops::Range;

/// Bytes of expanded strips that stay in the second cache.
const NEAR: usize = 768 << 10;
/// How far ahead codes are fetched, in bytes.
const AHEAD: usize = 2560;
/// Pairs of tiles in the ring.
const RING: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// How many strips of so many blocks stay near once they are expanded: an even number from 2.
pub(super) fn panel(blocks: usize) -> usize {
    (NEAR / (blocks * TILE).max(1)).clamp(2, 16) / 2 * 2
}

/// Working memory of this thread.
fn with_scratch(bytes: usize, work: impl FnOnce(*mut u8)) {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.as_ref().is_none_or(|s| s.bytes().len() < bytes) {
            *scratch = Some(Lines::zeros(bytes));
        }
        if let Some(scratch) = scratch {
            work(scratch.bytes_mut().as_mut_ptr());
        }
    });
}

/// Products of some strips with all rows.
///
/// # Safety
/// [`amx::usable`]; no other task may have the same strips of the same output.
pub(super) unsafe fn strips<S: Shape>(w: &Strips, x: &Tiles, range: Range<usize>, outputs: usize, out: &Out) {
    assert_eq!(w.blocks, x.blocks, "inputs of a product");
    let unit = w.unit * UNIT;
    let blocks = w.blocks;
    if blocks == 0 {
        return;
    }
    // SAFETY: the strips have `blocks` blocks each, `x` has as many tiles for each sixteen rows, the scratch has room
    // for what is expanded; the columns are this task's.
    unsafe {
        amx::configure();
        let of = |s: usize| {
            let (scales, quants) = w.strip(s);
            assert!(scales.len() >= blocks * S::SCALES && quants.len() >= blocks * S::QUANTS, "a strip");
            (scales.as_ptr(), quants.as_ptr())
        };
        if x.rows <= 2 * ROWS {
            with_scratch(RING * 2 * TILE, |ring| {
                for s in range.step_by(2) {
                    let pair = [of(s), of((s + 1).min(outputs.div_ceil(STRIP) - 1))];
                    few::<S>(pair, x, ring);
                    finish(x, 0, s, unit, outputs, out);
                }
            });
        } else {
            let most = panel(blocks);
            with_scratch(most * blocks * TILE, |near| {
                for from in range.clone().step_by(most) {
                    let to = (from + most).min(range.end);
                    for s in from..to {
                        let (scales, quants) = of(s);
                        for b in 0..blocks {
                            let tile = near.add(((s - from) * blocks + b) * TILE);
                            expand::wide::<S>(scales.add(b * S::SCALES), quants.add(b * S::QUANTS), tile);
                        }
                    }
                    let tiles: Vec<*const u8> =
                        (0..to - from).map(|i| near.add(i * blocks * TILE).cast_const()).collect();
                    many(&tiles, x, from, unit, outputs, out);
                }
            });
        }
        amx::release();
    }
}

/// The same for weights that are tiles already.
///
/// # Safety
/// As [`strips`].
pub(super) unsafe fn pairs(w: &Pairs, x: &Tiles, range: Range<usize>, outputs: usize, out: &Out) {
    assert_eq!(w.blocks, x.blocks, "inputs of a product");
    if w.blocks == 0 {
        return;
    }
    let most = panel(w.blocks);
    // SAFETY: as in `strips`.
    unsafe {
        amx::configure();
        for from in range.clone().step_by(most) {
            let to = (from + most).min(range.end);
            let tiles: Vec<*const u8> = (from..to).map(|s| w.strip(s).as_ptr()).collect();
            many(&tiles, x, from, LIFT.recip(), outputs, out);
        }
        amx::release();
    }
}

/// Sums of two strips and up to 32 rows.
///
/// # Safety
/// As [`strips`]; `ring` has room for [`RING`] pairs of tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512fp16")]
unsafe fn few<S: Shape>(strips: [(*const u8, *const u8); 2], x: &Tiles, ring: *mut u8) {
    let both = x.rows > ROWS;
    let inputs = [x.block(0).as_ptr(), x.block(usize::from(both)).as_ptr()];
    // SAFETY: block b is inside the strips and the inputs; the ring has room.
    unsafe {
        amx::zero();
        let multiply = |b: usize| {
            let pair = ring.add(b % RING * 2 * TILE).cast_const();
            let inputs = inputs.map(|p| p.add(b * TILE));
            if both {
                amx::two_by_two(inputs, pair, pair.add(TILE), 1);
            } else {
                amx::one_by_two(inputs[0], pair, pair.add(TILE), 1);
            }
        };
        for b in 0..x.blocks {
            let pair = ring.add(b % RING * 2 * TILE);
            for (i, (scales, quants)) in strips.into_iter().enumerate() {
                let quants = quants.add(b * S::QUANTS);
                for line in 0..S::QUANTS / 64 {
                    _mm_prefetch(quants.wrapping_add(AHEAD + 64 * line).cast(), _MM_HINT_T0);
                }
                expand::wide::<S>(scales.add(b * S::SCALES), quants, pair.add(i * TILE));
            }
            // One block behind, so that what was written has arrived.
            if b > 0 {
                multiply(b - 1);
            }
        }
        multiply(x.blocks - 1);
    }
}

/// All rows against expanded strips, `from` being the first.
///
/// # Safety
/// As [`strips`]; each pointer has a tile for each block of inputs.
unsafe fn many(tiles: &[*const u8], x: &Tiles, from: usize, unit: f32, outputs: usize, out: &Out) {
    let groups = x.rows.div_ceil(ROWS);
    for first in (0..groups).step_by(2) {
        let a = x.block(first).as_ptr();
        let b = x.block((first + 1).min(groups - 1)).as_ptr();
        for (i, pair) in tiles.chunks(2).enumerate() {
            let [c, d] = [pair[0], pair[pair.len() - 1]];
            // SAFETY: the contract.
            unsafe {
                amx::zero();
                if first + 1 < groups {
                    amx::two_by_two([a, b], c, d, x.blocks);
                } else {
                    amx::one_by_two(a, c, d, x.blocks);
                }
                finish(x, first, from + 2 * i, unit, outputs, out);
            }
        }
    }
}

/// Writes the sums of two strips and the rows of two blocks from `first` on, where they exist.
///
/// # Safety
/// After the sums were made; the columns are this task's.
#[target_feature(enable = "avx512f")]
unsafe fn finish(x: &Tiles, first: usize, strip: usize, unit: f32, outputs: usize, out: &Out) {
    use std::arch::x86_64::*;
    let rows = (x.rows - first * ROWS).min(2 * ROWS);
    let width = (outputs - strip * STRIP).min(2 * STRIP);
    let mut sums = std::mem::MaybeUninit::<Sums>::uninit();
    // SAFETY: each row of the sums has 32 numbers, and those below `rows` are written before they are read; `width`
    // columns of the output are this task's.
    unsafe {
        amx::store(sums.as_mut_ptr().cast(), rows > ROWS);
        let sums: *mut f32 = sums.as_mut_ptr().cast();
        let unit = _mm512_set1_ps(unit);
        for r in 0..rows {
            let row = sums.add(32 * r);
            let [low, high] = [0, 16].map(|i| _mm512_mul_ps(_mm512_load_ps(row.add(i)), unit));
            if width == 2 * STRIP {
                let to = out.place(first * ROWS + r, strip * STRIP);
                _mm512_storeu_ps(to, low);
                _mm512_storeu_ps(to.add(16), high);
                continue;
            }
            _mm512_store_ps(row, low);
            _mm512_store_ps(row.add(16), high);
            out.write(first * ROWS + r, strip * STRIP, std::slice::from_raw_parts(row, width));
        }
    }
}

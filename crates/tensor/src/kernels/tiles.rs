//! Inputs as tiles of bf16 for the matrix units: blocks of sixteen rows, of each block of 32 numbers one tile.
//!
//! A tile's row is one input row: its 32 numbers, the middle two of each four exchanged, because the codes of a strip
//! come apart in that order. They are multiplied by a power of two: see `expand`.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::amx::TILE;
use super::arena::Lines;
use crate::Pool;
use half::bf16;
use std::sync::Mutex;

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// From so many rows on, tiles are faster than whole numbers.
const MANY: usize = 4;
/// What inputs are multiplied by.
pub(super) const LIFT: f32 = f32::from_bits((127 + 96) << 23);

/// Whether so many rows are computed with matrix units.
pub(super) fn pay(rows: usize) -> bool {
    rows >= MANY && super::level() >= super::Level::Amx
}

/// Where input `i` of a block lies in a tile's row.
pub(super) const fn place(i: usize) -> usize {
    match i % 4 {
        1 => i + 1,
        2 => i - 1,
        _ => i,
    }
}

/// Input rows as tiles; the last block of rows is filled up with zeros.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    data: Option<Lines>,
    pub(super) rows: usize,
    pub(super) blocks: usize,
}

impl Tiles {
    /// Takes rows of `cols` numbers, a multiple of 32.
    pub(super) fn fill(&mut self, pool: &Pool, x: &[f32], cols: usize) {
        (self.rows, self.blocks) = (x.len() / cols, cols / 32);
        let bytes = self.rows.div_ceil(ROWS) * self.blocks * TILE;
        if self.data.as_ref().is_none_or(|d| d.bytes().len() < bytes) {
            self.data = Some(Lines::zeros(bytes));
        }
        let Some(data) = &mut self.data else { return };
        let parts = data.bytes_mut()[..bytes].chunks_exact_mut(self.blocks * TILE);
        let parts: Vec<_> = parts.zip(x.chunks(ROWS * cols)).map(Mutex::new).collect();
        pool.run(parts.len(), |i| {
            if let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) {
                let (to, x) = &mut *part;
                block_of_rows(x, cols, to);
            }
        });
    }

    /// The tiles of sixteen rows, one for each block of inputs.
    pub(super) fn block(&self, rows: usize) -> &[u8] {
        let size = self.blocks * TILE;
        self.data.as_ref().map(|d| &d.bytes()[rows * size..][..size]).unwrap_or_default()
    }
}

fn block_of_rows(x: &[f32], cols: usize, to: &mut [u8]) {
    for r in 0..ROWS {
        let x = x.get(r * cols..(r + 1) * cols).unwrap_or_default();
        if x.is_empty() {
            to.chunks_exact_mut(TILE).for_each(|tile| tile[64 * r..][..64].fill(0));
            continue;
        }
        #[cfg(target_arch = "x86_64")]
        if super::level() >= super::Level::Amx {
            assert_eq!(to.len(), cols / 32 * TILE, "room for tiles");
            // SAFETY: the processor has what it takes; one tile for each 32 numbers, as asserted.
            unsafe { wide(x, r, to) };
            continue;
        }
        scalar(x, r, to);
    }
}

fn scalar(x: &[f32], r: usize, to: &mut [u8]) {
    for (x, tile) in x.as_chunks::<32>().0.iter().zip(to.chunks_exact_mut(TILE)) {
        for (i, x) in x.iter().enumerate() {
            tile[64 * r + 2 * place(i)..][..2].copy_from_slice(&bf16::from_f32(x * LIFT).to_le_bytes());
        }
    }
}

/// # Safety
/// AVX-512 with BF16; a tile in `to` for each 32 numbers of `x`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn wide(x: &[f32], r: usize, to: &mut [u8]) {
    use std::arch::x86_64::*;
    let order: [u16; 32] = std::array::from_fn(|i| place(i) as u16);
    let lift = _mm512_set1_ps(LIFT);
    // SAFETY: 32 numbers of `x` and row r of tile b, for each b.
    unsafe {
        let order = _mm512_loadu_si512(order.as_ptr().cast());
        for b in 0..x.len() / 32 {
            let p = x.as_ptr().add(32 * b);
            let low = _mm512_mul_ps(_mm512_loadu_ps(p), lift);
            let high = _mm512_mul_ps(_mm512_loadu_ps(p.add(16)), lift);
            let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
            let both = _mm512_permutexvar_epi16(order, both);
            _mm512_storeu_si512(to.as_mut_ptr().add(b * TILE + 64 * r).cast(), both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_twins_write_the_same_tiles() {
        let cols = 96;
        let x: Vec<f32> = (0..18 * cols).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
        let mut tiles = Tiles::default();
        tiles.fill(&Pool::new(2), &x, cols);
        for rows in 0..2 {
            let mut want = vec![0; 3 * TILE];
            for (r, x) in x.chunks_exact(cols).skip(16 * rows).take(16).enumerate() {
                scalar(x, r, &mut want);
            }
            assert_eq!(tiles.block(rows), want);
        }
    }
}

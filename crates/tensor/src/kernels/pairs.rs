//! Weights in bf16 as strips of sixteen outputs: for each block of 32 inputs one tile, as `expand` describes it. The
//! matrix units read them as they are; a few rows are multiplied in f32.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::amx::TILE;
use super::arena::Lines;
use super::shape::STRIP;
use crate::{Matrix, Pool};
use std::sync::Mutex;

/// Most rows that a strip is read for at once.
pub(super) const ROWS: usize = 4;

/// A matrix of bf16 as strips.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    pub(super) blocks: usize,
    data: Lines,
}

impl Pairs {
    /// Packs a matrix in bf16 whose rows fill blocks of 32.
    pub(super) fn new(m: &Matrix) -> Self {
        let blocks = m.cols() / 32;
        let mut data = Lines::zeros(m.rows().div_ceil(STRIP) * blocks * TILE);
        let parts = data.bytes_mut().chunks_exact_mut((blocks * TILE).max(1));
        let parts: Vec<_> = parts.enumerate().map(Mutex::new).collect();
        Pool::global().run(parts.len(), |i| {
            let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) else { return };
            let (s, strip) = &mut *part;
            for n in 0..STRIP.min(m.rows() - *s * STRIP) {
                let row = m.row_bytes(*s * STRIP + n).as_chunks::<8>().0;
                for (j, four) in row.iter().enumerate() {
                    // Inputs 4g and 4g + 2 are neighbours in one row, 4g + 1 and 4g + 3 in the next.
                    let at = j / 8 * TILE + 128 * (j % 8) + 4 * n;
                    let pair = |i: usize| [four[2 * i], four[2 * i + 1], four[2 * i + 4], four[2 * i + 5]];
                    strip[at..at + 4].copy_from_slice(&pair(0));
                    strip[at + 64..at + 68].copy_from_slice(&pair(1));
                }
            }
        });
        drop(parts);
        Self { blocks, data }
    }

    /// The tiles of a strip.
    pub(super) fn strip(&self, s: usize) -> &[u8] {
        &self.data.bytes()[s * self.blocks * TILE..][..self.blocks * TILE]
    }

    pub(super) fn byte_len(&self) -> usize {
        self.data.bytes().len()
    }
}

/// Sixteen outputs for each of up to [`ROWS`] rows of f32: `x` holds them one after another.
pub(super) fn strip(tiles: &[u8], x: &[f32], out: &mut [[f32; STRIP]]) {
    let cols = tiles.len() / TILE * 32;
    assert!(x.len() >= out.len() * cols, "a strip and its inputs");
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        let wide = super::level() >= super::Level::Avx512;
        for (at, out) in out.chunks_mut(ROWS).enumerate().map(|(i, out)| (i * ROWS * cols, out)) {
            let x = &x[at..];
            // SAFETY: the processor has what it takes; the lengths are asserted above.
            unsafe {
                match (wide, out) {
                    (true, [a]) => avx512(tiles, x, cols, [a]),
                    (true, [a, b]) => avx512(tiles, x, cols, [a, b]),
                    (true, [a, b, c]) => avx512(tiles, x, cols, [a, b, c]),
                    (true, [a, b, c, d, ..]) => avx512(tiles, x, cols, [a, b, c, d]),
                    (false, [a]) => avx2(tiles, x, cols, [a]),
                    (false, [a, b]) => avx2(tiles, x, cols, [a, b]),
                    (false, [a, b, c]) => avx2(tiles, x, cols, [a, b, c]),
                    (false, [a, b, c, d, ..]) => avx2(tiles, x, cols, [a, b, c, d]),
                    (_, []) => {}
                }
            }
        }
        return;
    }
    scalar(tiles, x, cols, out);
}

fn scalar(tiles: &[u8], x: &[f32], cols: usize, out: &mut [[f32; STRIP]]) {
    for (t, out) in out.iter_mut().enumerate() {
        for (n, out) in out.iter_mut().enumerate() {
            let weight = |i: usize| {
                let at = i / 32 * TILE + 64 * (2 * (i % 32 / 4) + i % 2) + 4 * n + i % 4 / 2 * 2;
                f32::from_bits(u32::from(u16::from_le_bytes([tiles[at], tiles[at + 1]])) << 16)
            };
            *out = (0..cols).map(|i| weight(i) * x[t * cols + i]).sum();
        }
    }
}

/// # Safety
/// AVX-512 F; T rows of `cols` numbers in `x`, a tile for each 32 of them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const T: usize>(tiles: &[u8], x: &[f32], cols: usize, out: [&mut [f32; STRIP]; T]) {
    use std::arch::x86_64::*;
    let upper = _mm512_set1_epi32(-65536);
    let mut sums = [[_mm512_setzero_ps(); 2]; T];
    // SAFETY: row j of the tiles and four numbers from `4 j / 2` on lie inside, for j below `cols / 2`.
    unsafe {
        for j in 0..cols / 2 {
            let w = _mm512_loadu_si512(tiles.as_ptr().add(64 * j).cast());
            let first = _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
            let second = _mm512_castsi512_ps(_mm512_and_si512(w, upper));
            let i = 4 * (j / 2) + j % 2;
            for t in 0..T {
                let x = x.as_ptr().add(t * cols + i);
                sums[t][0] = _mm512_fmadd_ps(first, _mm512_set1_ps(*x), sums[t][0]);
                sums[t][1] = _mm512_fmadd_ps(second, _mm512_set1_ps(*x.add(2)), sums[t][1]);
            }
        }
        for (out, sums) in out.into_iter().zip(sums) {
            _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(sums[0], sums[1]));
        }
    }
}

/// # Safety
/// AVX2 and FMA; T rows of `cols` numbers in `x`, a tile for each 32 of them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const T: usize>(tiles: &[u8], x: &[f32], cols: usize, out: [&mut [f32; STRIP]; T]) {
    use std::arch::x86_64::*;
    let upper = _mm256_set1_epi32(-65536);
    let mut sums = [[_mm256_setzero_ps(); 2]; T];
    // SAFETY: as in `avx512`; each row of a tile is read in two halves of eight outputs.
    unsafe {
        for j in 0..cols / 2 {
            let i = 4 * (j / 2) + j % 2;
            for side in 0..2 {
                let w = _mm256_loadu_si256(tiles.as_ptr().add(64 * j + 32 * side).cast());
                let first = _mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
                let second = _mm256_castsi256_ps(_mm256_and_si256(w, upper));
                for t in 0..T {
                    let x = x.as_ptr().add(t * cols + i);
                    let sum = _mm256_fmadd_ps(first, _mm256_set1_ps(*x), sums[t][side]);
                    sums[t][side] = _mm256_fmadd_ps(second, _mm256_set1_ps(*x.add(2)), sum);
                }
            }
        }
        for (out, sums) in out.into_iter().zip(sums) {
            _mm256_storeu_ps(out.as_mut_ptr(), sums[0]);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), sums[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    #[test]
    fn strips_of_bf16_give_the_products() {
        let (rows, cols) = (19, 96);
        let values: Vec<f32> = (0..rows * cols).map(|i| ((i * 37) as f32 * 0.1).sin()).collect();
        let m = Matrix::from_f32(rows, cols, values).unwrap().quantize(Format::BF16).unwrap();
        let (pairs, wide) = (Pairs::new(&m), m.to_f32());
        let x: Vec<f32> = (0..5 * cols).map(|i| (i as f32 * 0.7).cos()).collect();
        for s in 0..2 {
            let mut out = [[0.0; STRIP]; 5];
            let mut twin = out;
            strip(pairs.strip(s), &x, &mut out);
            scalar(pairs.strip(s), &x, cols, &mut twin);
            for (t, (out, twin)) in out.iter().zip(&twin).enumerate() {
                for n in 0..STRIP.min(rows - s * STRIP) {
                    let row = &wide[(s * STRIP + n) * cols..][..cols];
                    let want: f32 = row.iter().zip(&x[t * cols..]).map(|(a, b)| a * b).sum();
                    assert!((out[n] - want).abs() < 1e-4 && (twin[n] - want).abs() < 1e-4);
                }
            }
        }
    }
}

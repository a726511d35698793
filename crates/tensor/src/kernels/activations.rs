//! The inputs of products: f32 rows, and the same rows as whole numbers with one scale per 32 numbers.
//!
//! Eight bits are not enough: the outliers of a hidden state coarsen their 31 neighbours, and tokens with a margin of
//! 0.2 flip. So each number gets two signed bytes, x ≈ d (256 h + l): the kernels multiply both, which costs little
//! where memory is what limits, and products agree with f32 to some 1e-4.

#![allow(clippy::indexing_slicing, reason = "blocks of a constant size")]

use super::tiles::Tiles;
use crate::Pool;

/// Numbers that share a scale.
pub(super) const BLOCK: usize = 32;
/// What the upper byte counts; both bytes stay within ±127.
pub(super) const BASE: i16 = 256;
/// Bytes of a block: the upper bytes of its numbers, then the lower ones.
pub(super) const PAIR: usize = 2 * BLOCK;
/// The largest whole number: a little under 127.5 times the base, so that its upper byte is 127.
const MOST: f32 = 127.0 * 256.0 + 120.0;

/// Rows as whole numbers: x ≈ d (256 h + l), with d = max|x| / 32632 of each 32 numbers.
#[derive(Debug, Default)]
pub(super) struct Quantised {
    pub(super) q: Vec<i8>,
    pub(super) parts: Vec<Part>,
    /// Blocks of a row.
    pub(super) blocks: usize,
}

/// What belongs to a block of whole numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Part {
    /// The scale.
    pub(super) d: f32,
    /// Sums of the whole numbers of both halves: what a zero of the codes is multiplied by.
    pub(super) sums: [i32; 2],
    /// The same times the scale: what a minimum of the weights is multiplied by.
    pub(super) s: [f32; 2],
}

impl Quantised {
    /// Rows that are there.
    pub(super) fn rows(&self) -> usize {
        self.parts.len() / self.blocks.max(1)
    }

    /// Block `b` of a row.
    pub(super) fn block(&self, row: usize, b: usize) -> (&[i8], &Part) {
        let at = row * self.blocks + b;
        (&self.q[at * PAIR..][..PAIR], &self.parts[at])
    }
}

/// The input of one or more products: `rows` of `cols` numbers.
#[derive(Debug, Default)]
pub struct Activations {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) x: Vec<f32>,
    pub(super) quantised: Quantised,
    pub(super) tiles: Tiles,
    /// Whether `tiles` hold the rows rather than `quantised`.
    pub(super) tiled: bool,
    steady: bool,
    fresh: bool,
}

impl Activations {
    /// Room for `rows` of `cols` numbers, to be filled through [`Activations::rows_mut`].
    pub fn reset(&mut self, rows: usize, cols: usize) {
        (self.rows, self.cols) = (rows, cols);
        self.x.resize(rows * cols, 0.0);
        self.fresh = false;
    }

    /// Whether each row is to give the same numbers however many there are: matrix units, which sum in another order
    /// and round inputs to bf16, are left aside.
    pub fn set_steady(&mut self, steady: bool) {
        self.steady = steady;
    }

    /// All numbers, row-major.
    pub fn rows_mut(&mut self) -> &mut [f32] {
        self.fresh = false;
        &mut self.x
    }

    /// All numbers, row-major.
    pub fn values(&self) -> &[f32] {
        &self.x
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Makes what products of quantised weights read, unless that is done already or the rows are not a multiple of 32
    /// long: whole numbers; or where many rows meet matrix units, tiles of bf16.
    pub fn quantise(&mut self, pool: &Pool) {
        if self.fresh || !self.cols.is_multiple_of(BLOCK) {
            return;
        }
        self.fresh = true;
        self.tiled = super::tiles::pay(self.rows) && !self.steady;
        if self.tiled {
            self.tiles.fill(pool, &self.x, self.cols);
        } else {
            self.quantise_whole(pool);
        }
    }

    pub(super) fn quantise_whole(&mut self, pool: &Pool) {
        let blocks = self.rows * self.cols / BLOCK;
        self.quantised.blocks = self.cols / BLOCK;
        self.quantised.q.resize(blocks * PAIR, 0);
        self.quantised.parts.resize(blocks, Part::default());
        let per_task = if self.rows < 8 { blocks } else { (self.cols / BLOCK) * 8 }.max(1);
        let q = self.quantised.q.as_chunks_mut::<PAIR>().0.chunks_mut(per_task);
        let d = self.quantised.parts.chunks_mut(per_task);
        let x = self.x.as_chunks::<BLOCK>().0.chunks(per_task);
        let parts: Vec<_> = q.zip(d).zip(x).map(|((q, d), x)| std::sync::Mutex::new((x, q, d))).collect();
        pool.run(parts.len(), |i| {
            if let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) {
                let (x, q, d) = &mut *part;
                quantise_blocks(x, q, d);
            }
        });
    }
}

fn quantise_blocks(x: &[[f32; BLOCK]], q: &mut [[i8; PAIR]], parts: &mut [Part]) {
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        for ((x, q), part) in x.iter().zip(q).zip(parts) {
            // SAFETY: the level says that the processor has AVX2.
            *part = unsafe { avx2(x, q) };
        }
        return;
    }
    for ((x, q), part) in x.iter().zip(q).zip(parts) {
        *part = scalar(x, q);
    }
}

/// Rounds one block.
fn scalar(x: &[f32; BLOCK], q: &mut [i8; PAIR]) -> Part {
    let most = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let inverse = if most > 0.0 { MOST / most } else { 0.0 };
    let (high, low) = q.split_at_mut(BLOCK);
    let mut sums = [0; 2];
    for (i, ((high, low), x)) in high.iter_mut().zip(low).zip(x).enumerate() {
        let v = x * inverse;
        let whole = v.round_ties_even() as i32;
        let h = (v * (1.0 / f32::from(BASE))).round_ties_even() as i32;
        // |v - 256 h| is at most 128: at the border itself one is cut off.
        (*high, *low) = (h as i8, (whole - i32::from(BASE) * h).clamp(-127, 127) as i8);
        sums[i / (BLOCK / 2)] += i32::from(BASE) * i32::from(*high) + i32::from(*low);
    }
    let d = most / MOST;
    Part { d, sums, s: sums.map(|sum| d * sum as f32) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(x: &[f32; BLOCK], q: &mut [i8; PAIR]) -> Part {
    use std::arch::x86_64::*;
    let sign = _mm256_set1_ps(-0.0);
    // SAFETY: the four loads cover the 32 numbers of `x`, the stores the 64 bytes of `q`.
    unsafe {
        let v = [0, 8, 16, 24].map(|i| _mm256_loadu_ps(x.as_ptr().add(i)));
        let a = v.map(|v| _mm256_andnot_ps(sign, v));
        let most = _mm256_max_ps(_mm256_max_ps(a[0], a[1]), _mm256_max_ps(a[2], a[3]));
        let most = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
        let most = _mm_max_ps(most, _mm_movehl_ps(most, most));
        let most = _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
        let inverse = _mm256_set1_ps(if most > 0.0 { MOST / most } else { 0.0 });
        let v = v.map(|v| _mm256_mul_ps(v, inverse));
        let part = _mm256_set1_ps(1.0 / f32::from(BASE));
        let base = _mm256_set1_epi32(i32::from(BASE));
        let high = v.map(|v| _mm256_cvtps_epi32(_mm256_mul_ps(v, part)));
        let limit = _mm256_set1_epi32(127);
        let mut low = v.map(|v| _mm256_cvtps_epi32(v));
        let mut sums = [_mm256_setzero_si256(); 2];
        for (i, (low, high)) in low.iter_mut().zip(high).enumerate() {
            let upper = _mm256_mullo_epi32(high, base);
            let rest = _mm256_sub_epi32(*low, upper);
            *low = _mm256_max_epi32(
                _mm256_min_epi32(rest, limit),
                _mm256_sub_epi32(_mm256_setzero_si256(), limit),
            );
            sums[i / 2] = _mm256_add_epi32(sums[i / 2], _mm256_add_epi32(upper, *low));
        }
        let sums = sums.map(|sum| {
            let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
            let sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b1110));
            _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b01)))
        });
        for (i, bytes) in [high, low].into_iter().enumerate() {
            let pairs = [_mm256_packs_epi32(bytes[0], bytes[1]), _mm256_packs_epi32(bytes[2], bytes[3])];
            let packed = _mm256_packs_epi16(pairs[0], pairs[1]);
            // The packs work within halves: put the groups of four back in order.
            let packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            _mm256_storeu_si256(q.as_mut_ptr().add(i * BLOCK).cast(), packed);
        }
        let d = most / MOST;
        Part { d, sums, s: sums.map(|sum| d * sum as f32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_twins_round_alike(values in prop::collection::vec(-4.0f32..4.0, BLOCK)) {
            let x: [f32; BLOCK] = values.try_into().unwrap();
            let mut a = [0i8; PAIR];
            let part = scalar(&x, &mut a);
            let (mut q, mut parts) = ([[0i8; PAIR]], [Part::default()]);
            quantise_blocks(&[x], &mut q, &mut parts);
            prop_assert_eq!((a, part), (q[0], parts[0]));
            for i in 0..BLOCK {
                let back = part.d * (256.0 * f32::from(a[i]) + f32::from(a[BLOCK + i]));
                prop_assert!((back - x[i]).abs() <= 1.5 * part.d, "{back} is not {}", x[i]);
            }
        }
    }
}

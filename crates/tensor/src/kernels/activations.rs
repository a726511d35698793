//! The inputs of products: f32 rows, and the same rows rounded to 8 bits with one scale per 32 numbers.

#![allow(clippy::indexing_slicing, reason = "blocks of a constant size")]

use crate::Pool;

/// Numbers that share a scale.
pub(super) const BLOCK: usize = 32;

/// Rows rounded to 8 bits: x ≈ d q, with d = max|x| / 127 of each 32 numbers.
#[derive(Debug, Default)]
pub struct Quantised {
    pub(super) q: Vec<i8>,
    /// Scales.
    pub(super) d: Vec<f32>,
    /// d times the sum of q: what a minimum of the weights is multiplied by.
    pub(super) s: Vec<f32>,
}

/// The input of one or more products: `rows` of `cols` numbers.
#[derive(Debug, Default)]
pub struct Activations {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) x: Vec<f32>,
    pub(super) quantised: Quantised,
    fresh: bool,
}

impl Activations {
    /// Room for `rows` of `cols` numbers, to be filled through [`Activations::rows_mut`].
    pub fn reset(&mut self, rows: usize, cols: usize) {
        (self.rows, self.cols) = (rows, cols);
        self.x.resize(rows * cols, 0.0);
        self.fresh = false;
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

    /// Rounds the rows, unless that is done already or their length is not a multiple of 32.
    pub fn quantise(&mut self, pool: &Pool) {
        if self.fresh || !self.cols.is_multiple_of(BLOCK) {
            return;
        }
        let blocks = self.rows * self.cols / BLOCK;
        self.quantised.q.resize(blocks * BLOCK, 0);
        self.quantised.d.resize(blocks, 0.0);
        self.quantised.s.resize(blocks, 0.0);
        let per_task = if self.rows < 8 { blocks } else { (self.cols / BLOCK) * 8 }.max(1);
        let q = self.quantised.q.as_chunks_mut::<BLOCK>().0.chunks_mut(per_task);
        let d = self.quantised.d.chunks_mut(per_task).zip(self.quantised.s.chunks_mut(per_task));
        let x = self.x.as_chunks::<BLOCK>().0.chunks(per_task);
        let parts: Vec<_> = q.zip(d).zip(x).map(|((q, (d, s)), x)| std::sync::Mutex::new((x, q, d, s))).collect();
        pool.run(parts.len(), |i| {
            if let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) {
                let (x, q, d, s) = &mut *part;
                quantise_blocks(x, q, d, s);
            }
        });
        self.fresh = true;
    }
}

fn quantise_blocks(x: &[[f32; BLOCK]], q: &mut [[i8; BLOCK]], d: &mut [f32], s: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        for (((x, q), d), s) in x.iter().zip(q).zip(d).zip(s) {
            // SAFETY: the level says that the processor has AVX2.
            (*d, *s) = unsafe { avx2(x, q) };
        }
        return;
    }
    for (((x, q), d), s) in x.iter().zip(q).zip(d).zip(s) {
        (*d, *s) = scalar(x, q);
    }
}

/// Rounds one block; gives the scale, and the scale times the sum.
fn scalar(x: &[f32; BLOCK], q: &mut [i8; BLOCK]) -> (f32, f32) {
    let most = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
    let mut sum = 0;
    for (q, x) in q.iter_mut().zip(x) {
        *q = (x * inverse).round_ties_even() as i8;
        sum += i32::from(*q);
    }
    let d = most / 127.0;
    (d, d * sum as f32)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(x: &[f32; BLOCK], q: &mut [i8; BLOCK]) -> (f32, f32) {
    use std::arch::x86_64::*;
    let sign = _mm256_set1_ps(-0.0);
    // SAFETY: the four loads cover the 32 numbers of `x`, the store the 32 bytes of `q`.
    unsafe {
        let v = [0, 8, 16, 24].map(|i| _mm256_loadu_ps(x.as_ptr().add(i)));
        let a = v.map(|v| _mm256_andnot_ps(sign, v));
        let most = _mm256_max_ps(_mm256_max_ps(a[0], a[1]), _mm256_max_ps(a[2], a[3]));
        let most = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
        let most = _mm_max_ps(most, _mm_movehl_ps(most, most));
        let most = _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
        let inverse = _mm256_set1_ps(if most > 0.0 { 127.0 / most } else { 0.0 });
        let i = v.map(|v| _mm256_cvtps_epi32(_mm256_mul_ps(v, inverse)));
        let sum = _mm256_add_epi32(_mm256_add_epi32(i[0], i[1]), _mm256_add_epi32(i[2], i[3]));
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b1110));
        let sum = _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b01)));
        let packed = _mm256_packs_epi16(_mm256_packs_epi32(i[0], i[1]), _mm256_packs_epi32(i[2], i[3]));
        // The packs work within halves: put the groups of four back in order.
        let packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256(q.as_mut_ptr().cast(), packed);
        let d = most / 127.0;
        (d, d * sum as f32)
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
            let mut a = [0i8; BLOCK];
            let mut b = ([0i8; BLOCK], 0.0, 0.0);
            let (d, s) = scalar(&x, &mut a);
            let mut q = [[0i8; BLOCK]];
            let (mut d2, mut s2) = ([0.0], [0.0]);
            quantise_blocks(&[x], &mut q, &mut d2, &mut s2);
            b.0 = q[0];
            (b.1, b.2) = (d2[0], s2[0]);
            prop_assert_eq!((a, d, s), b);
        }
    }
}

//! Strips of eight 4-bit outputs against rows of two-byte inputs.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::activations::{BASE, PAIR};
use super::packed::STRIP;
use half::f16;

/// Bytes of a block: 8 scales, 8 minima (half precision), 128 bytes of nibbles. In byte vector v (32 bytes), row r
/// has bytes 4r to 4r+3: low nibbles are its inputs 4v.., high nibbles its inputs 16 + 4v...
pub(super) const BYTES: usize = 160;

/// One row of inputs.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) q: &'a [i8],
    pub(super) d: &'a [f32],
    pub(super) s: &'a [f32],
}

/// Eight outputs for each of up to four rows: Σ over blocks of d_w d_x Σ q_w (254 h + l) + m_w s_x.
pub(super) fn strip(weights: &[u8], rows: &[Row<'_>], out: &mut [[f32; STRIP]]) {
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        let blocks = weights.len() / BYTES;
        assert!(
            rows.iter().all(|r| r.q.len() >= blocks * PAIR && r.d.len() >= blocks && r.s.len() >= blocks)
        );
        // SAFETY: the processor has AVX2; all loads stay within the lengths asserted here.
        unsafe {
            match (rows, out) {
                ([a], [o, ..]) => *o = avx2([*a], weights)[0],
                ([a, b], [o, p, ..]) => [*o, *p] = avx2([*a, *b], weights),
                ([a, b, c], [o, p, q, ..]) => [*o, *p, *q] = avx2([*a, *b, *c], weights),
                ([a, b, c, d], [o, p, q, r, ..]) => [*o, *p, *q, *r] = avx2([*a, *b, *c, *d], weights),
                _ => {}
            }
        }
        return;
    }
    scalar(weights, rows, out);
}

pub(super) fn scalar(weights: &[u8], rows: &[Row<'_>], out: &mut [[f32; STRIP]]) {
    for (row, out) in rows.iter().zip(out) {
        *out = [0.0; STRIP];
        for (b, block) in weights.as_chunks::<BYTES>().0.iter().enumerate() {
            let x = &row.q[PAIR * b..][..PAIR];
            let x = |j: usize| i32::from(BASE) * i32::from(x[j]) + i32::from(x[32 + j]);
            for (r, out) in out.iter_mut().enumerate() {
                let mut sum = 0i32;
                for j in 0..16 {
                    let byte = block[32 + 32 * (j / 4) + 4 * r + j % 4];
                    sum += i32::from(byte & 15) * x(j) + i32::from(byte >> 4) * x(j + 16);
                }
                let d = f16::from_le_bytes([block[2 * r], block[2 * r + 1]]).to_f32();
                let m = f16::from_le_bytes([block[16 + 2 * r], block[17 + 2 * r]]).to_f32();
                *out += d * row.d[b] * sum as f32 + m * row.s[b];
            }
        }
    }
}

/// # Safety
/// Every row must have two times 32 bytes, a scale and a sum for each block of `weights`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<const T: usize>(rows: [Row<'_>; T], weights: &[u8]) -> [[f32; STRIP]; T] {
    use std::arch::x86_64::*;
    let mask = _mm256_set1_epi8(15);
    let (ones, base) = (_mm256_set1_epi16(1), _mm256_set1_epi16(BASE));
    let mut sums = [_mm256_setzero_ps(); T];
    for b in 0..weights.len() / BYTES {
        // SAFETY: block b lies within `weights`, and within each row as the contract says.
        unsafe {
            let p = weights.as_ptr().add(b * BYTES);
            let d = _mm256_cvtph_ps(_mm_loadu_si128(p.cast()));
            let m = _mm256_cvtph_ps(_mm_loadu_si128(p.add(16).cast()));
            let raw = [0, 1, 2, 3].map(|v| _mm256_loadu_si256(p.add(32 + 32 * v).cast()));
            let low = raw.map(|v| _mm256_and_si256(v, mask));
            let high = raw.map(|v| _mm256_and_si256(_mm256_srli_epi16(v, 4), mask));
            for t in 0..T {
                let x: *const i32 = rows[t].q.as_ptr().add(PAIR * b).cast();
                // Eight sums of two products of at most 15 · 127 fit 16 bits.
                let sum = |x: *const i32| {
                    let product =
                        |w, g| _mm256_maddubs_epi16(w, _mm256_set1_epi32(x.add(g).read_unaligned()));
                    let a = _mm256_add_epi16(product(low[0], 0), product(low[1], 1));
                    let c = _mm256_add_epi16(product(low[2], 2), product(low[3], 3));
                    let e = _mm256_add_epi16(product(high[0], 4), product(high[1], 5));
                    let g = _mm256_add_epi16(product(high[2], 6), product(high[3], 7));
                    _mm256_add_epi16(_mm256_add_epi16(a, c), _mm256_add_epi16(e, g))
                };
                let upper = _mm256_madd_epi16(sum(x), base);
                let lower = _mm256_madd_epi16(sum(x.add(8)), ones);
                let whole = _mm256_cvtepi32_ps(_mm256_add_epi32(upper, lower));
                let scale = _mm256_mul_ps(d, _mm256_set1_ps(*rows[t].d.get_unchecked(b)));
                sums[t] = _mm256_fmadd_ps(whole, scale, sums[t]);
                sums[t] = _mm256_fmadd_ps(m, _mm256_set1_ps(*rows[t].s.get_unchecked(b)), sums[t]);
            }
        }
    }
    sums.map(|s| {
        let mut out = [0.0; STRIP];
        // SAFETY: `out` has eight numbers.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), s) };
        out
    })
}

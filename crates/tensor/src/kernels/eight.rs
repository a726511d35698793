//! Strips of eight 8-bit outputs against rows of two-byte inputs.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::activations::{BASE, PAIR};
use super::four::Row;
use super::packed::STRIP;
use half::f16;

/// Bytes of a block: 8 scales (half precision), 256 bytes. In byte vector g (32 bytes), row r has its inputs 4g.. in
/// bytes 4r to 4r+3.
pub(super) const BYTES: usize = 272;

/// Eight outputs for each of up to four rows: Σ over blocks of d_w d_x Σ q_w (254 h + l).
pub(super) fn strip(weights: &[u8], rows: &[Row<'_>], out: &mut [[f32; STRIP]]) {
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        let blocks = weights.len() / BYTES;
        assert!(rows.iter().all(|r| r.q.len() >= blocks * PAIR && r.d.len() >= blocks));
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
                let q = |j: usize| i32::from(block[16 + 32 * (j / 4) + 4 * r + j % 4] as i8);
                let sum: i32 = (0..32).map(|j| q(j) * x(j)).sum();
                let d = f16::from_le_bytes([block[2 * r], block[2 * r + 1]]).to_f32();
                *out += d * row.d[b] * sum as f32;
            }
        }
    }
}

/// # Safety
/// Every row must have two times 32 bytes and a scale for each block of `weights`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<const T: usize>(rows: [Row<'_>; T], weights: &[u8]) -> [[f32; STRIP]; T] {
    use std::arch::x86_64::*;
    let (ones, base) = (_mm256_set1_epi16(1), _mm256_set1_epi16(BASE));
    let mut sums = [_mm256_setzero_ps(); T];
    for b in 0..weights.len() / BYTES {
        // SAFETY: block b lies within `weights`, and within each row as the contract says.
        unsafe {
            let p = weights.as_ptr().add(b * BYTES);
            let d = _mm256_cvtph_ps(_mm_loadu_si128(p.cast()));
            let mut whole = [_mm256_setzero_si256(); T];
            for g in 0..8 {
                let w = _mm256_loadu_si256(p.add(16 + 32 * g).cast());
                let size = _mm256_abs_epi8(w);
                for t in 0..T {
                    let x: *const i32 = rows[t].q.as_ptr().add(PAIR * b).cast();
                    // |w| · (x with the sign of w): two products of at most 128 · 127 fit 16 bits.
                    let pairs = |x: *const i32| {
                        let x = _mm256_set1_epi32(x.add(g).read_unaligned());
                        _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, w))
                    };
                    let upper = _mm256_madd_epi16(pairs(x), base);
                    let lower = _mm256_madd_epi16(pairs(x.add(8)), ones);
                    whole[t] = _mm256_add_epi32(whole[t], _mm256_add_epi32(upper, lower));
                }
            }
            for t in 0..T {
                let scale = _mm256_mul_ps(d, _mm256_set1_ps(*rows[t].d.get_unchecked(b)));
                sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[t]), scale, sums[t]);
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

//! Strips against whole-number inputs with AVX-512 VNNI.

#![allow(clippy::indexing_slicing, reason = "arrays of a constant size")]

use super::activations::{PAIR, Quantised};
use super::shape::{STRIP, Shape};
use super::strips::high_bit;
use std::arch::x86_64::*;

/// How far ahead codes are fetched, in bytes: the processor's own fetching keeps too few lines under way.
const AHEAD: usize = 1536;

/// As [`super::dot::strip`].
///
/// # Safety
/// AVX-512 F, BW, VL, VNNI; whole blocks of `S` in both slices, as many as `x` has; rows `first..` for each of `out`.
pub(super) unsafe fn strip<S: Shape>(
    scales: &[u8],
    quants: &[u8],
    x: &Quantised,
    first: usize,
    out: &mut [[f32; STRIP]],
) {
    // SAFETY: the contract is passed on.
    unsafe {
        match out {
            [a] => rows::<S, 1>(scales, quants, x, first, [a]),
            [a, b] => rows::<S, 2>(scales, quants, x, first, [a, b]),
            [a, b, c] => rows::<S, 3>(scales, quants, x, first, [a, b, c]),
            [a, b, c, d, ..] => rows::<S, 4>(scales, quants, x, first, [a, b, c, d]),
            [] => {}
        }
    }
}

/// The codes of a block as eight vectors of unsigned bytes, in the order of their inputs.
///
/// # Safety
/// `S::QUANTS` bytes at `p`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn unpack<S: Shape>(p: *const u8) -> [__m512i; 8] {
    // SAFETY: all loads are within `S::QUANTS` bytes.
    unsafe {
        if S::BITS == 8 {
            return [0, 1, 2, 3, 4, 5, 6, 7].map(|g| _mm512_loadu_si512(p.add(64 * g).cast()));
        }
        let mask = _mm512_set1_epi8(15);
        let raw = [0, 1, 2, 3].map(|v| _mm512_loadu_si512(p.add(64 * v).cast()));
        let low = raw.map(|v| _mm512_and_si512(v, mask));
        let high = raw.map(|v| _mm512_and_si512(_mm512_srli_epi16(v, 4), mask));
        let mut w = [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]];
        if let Some(table) = S::TABLE {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            w = w.map(|w| _mm512_shuffle_epi8(table, w));
        }
        if S::BITS > 4 {
            let keep = _mm512_set1_epi8(if S::BITS == 5 { 0x10 } else { 0x30 });
            for (g, w) in w.iter_mut().enumerate() {
                let (plane, left) = high_bit(S::BITS, g);
                let bits = _mm512_loadu_si512(p.add(256 + 64 * plane).cast());
                let bits = if left < 0 {
                    _mm512_srl_epi16(bits, _mm_cvtsi32_si128(-left))
                } else {
                    _mm512_sll_epi16(bits, _mm_cvtsi32_si128(left))
                };
                // w | (bits & keep)
                *w = _mm512_ternarylogic_epi32(*w, bits, keep, 0xf8);
            }
        }
        w
    }
}

/// # Safety
/// As [`strip`], with T rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows<S: Shape, const T: usize>(
    scales: &[u8],
    quants: &[u8],
    x: &Quantised,
    first: usize,
    out: [&mut [f32; STRIP]; T],
) {
    let blocks = x.blocks;
    let mut sums = [_mm512_setzero_ps(); T];
    let row = [0, 1, 2, 3].map(|t| (first + if t < T { t } else { 0 }) * blocks);
    for b in 0..blocks {
        // SAFETY: block b lies within both slices, and block `row[t] + b` within the inputs, as the contract says.
        unsafe {
            let sp = scales.as_ptr().add(b * S::SCALES);
            let p = quants.as_ptr().add(b * S::QUANTS);
            // The codes of the blocks after next, a line for each line that is read here.
            for line in 0..S::QUANTS / 64 {
                _mm_prefetch(p.wrapping_add(AHEAD + 64 * line).cast(), _MM_HINT_T0);
            }
            _mm_prefetch(sp.wrapping_add(AHEAD / 8).cast(), _MM_HINT_T0);
            let scale = |v: usize| _mm512_cvtph_ps(_mm256_loadu_si256(sp.add(32 * v).cast()));
            let w = unpack::<S>(p);
            for t in 0..T {
                let at = row[t] + b;
                let q: *const i32 = x.q.as_ptr().add(PAIR * at).cast();
                let part = &*x.parts.as_ptr().add(at);
                let input = |g: usize| _mm512_set1_epi32(q.add(g).read_unaligned());
                let sum = |from: usize, to: usize, total: i32| {
                    let mut upper = _mm512_setzero_si512();
                    let mut lower = _mm512_set1_epi32(total.wrapping_mul(-S::ZERO));
                    for g in from..to {
                        upper = _mm512_dpbusd_epi32(upper, w[g], input(g));
                        lower = _mm512_dpbusd_epi32(lower, w[g], input(8 + g));
                    }
                    // The upper bytes count 256.
                    _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(upper, 8), lower))
                };
                let d = _mm512_set1_ps(part.d);
                if S::HALVES {
                    sums[t] = _mm512_fmadd_ps(sum(0, 4, part.sums[0]), _mm512_mul_ps(scale(0), d), sums[t]);
                    sums[t] = _mm512_fmadd_ps(sum(4, 8, part.sums[1]), _mm512_mul_ps(scale(1), d), sums[t]);
                    if S::MINIMA {
                        sums[t] = _mm512_fmadd_ps(scale(2), _mm512_set1_ps(part.s[0]), sums[t]);
                        sums[t] = _mm512_fmadd_ps(scale(3), _mm512_set1_ps(part.s[1]), sums[t]);
                    }
                } else {
                    let total = part.sums[0] + part.sums[1];
                    sums[t] = _mm512_fmadd_ps(sum(0, 8, total), _mm512_mul_ps(scale(0), d), sums[t]);
                    if S::MINIMA {
                        sums[t] = _mm512_fmadd_ps(scale(1), _mm512_set1_ps(part.s[0] + part.s[1]), sums[t]);
                    }
                }
            }
        }
    }
    for (out, sum) in out.into_iter().zip(sums) {
        // SAFETY: sixteen numbers.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
    }
}

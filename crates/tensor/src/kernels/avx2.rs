//! Strips against whole-number inputs with AVX2: eight outputs at a time, in two halves of each vector.

#![allow(clippy::indexing_slicing, reason = "arrays of a constant size")]

use super::activations::{PAIR, Quantised};
use super::shape::{STRIP, Shape};
use super::strips::high_bit;
use std::arch::x86_64::*;

/// As [`super::dot::strip`].
///
/// # Safety
/// AVX2, FMA, F16C; whole blocks of `S` in both slices, as many as `x` has; rows `first..` for each of `out`.
pub(super) unsafe fn strip<S: Shape>(
    scales: &[u8],
    quants: &[u8],
    x: &Quantised,
    first: usize,
    out: &mut [[f32; STRIP]],
) {
    for side in 0..2 {
        // SAFETY: the contract is passed on.
        unsafe {
            match out {
                [a] => rows::<S, 1>(scales, quants, x, first, side, [a]),
                [a, b] => rows::<S, 2>(scales, quants, x, first, side, [a, b]),
                [a, b, c] => rows::<S, 3>(scales, quants, x, first, side, [a, b, c]),
                [a, b, c, d, ..] => rows::<S, 4>(scales, quants, x, first, side, [a, b, c, d]),
                [] => {}
            }
        }
    }
}

/// The codes of eight outputs of a block, in the order of their inputs: unsigned, or for wide shapes signed bytes
/// with the zero subtracted.
///
/// # Safety
/// `S::QUANTS` bytes at `p`, less `32 · side`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn unpack<S: Shape>(p: *const u8) -> [__m256i; 8] {
    // SAFETY: all loads are within the block.
    unsafe {
        let sign = _mm256_set1_epi8(-128);
        if S::BITS == 8 {
            return [0, 1, 2, 3, 4, 5, 6, 7]
                .map(|g| _mm256_xor_si256(_mm256_loadu_si256(p.add(64 * g).cast()), sign));
        }
        let mask = _mm256_set1_epi8(15);
        let raw = [0, 1, 2, 3].map(|v| _mm256_loadu_si256(p.add(64 * v).cast()));
        let low = raw.map(|v| _mm256_and_si256(v, mask));
        let high = raw.map(|v| _mm256_and_si256(_mm256_srli_epi16(v, 4), mask));
        let mut w = [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]];
        if let Some(table) = S::TABLE {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            let table = _mm256_xor_si256(table, sign);
            w = w.map(|w| _mm256_shuffle_epi8(table, w));
        }
        if S::BITS > 4 {
            let keep = _mm256_set1_epi8(if S::BITS == 5 { 0x10 } else { 0x30 });
            for (g, w) in w.iter_mut().enumerate() {
                let (plane, left) = high_bit(S::BITS, g);
                let bits = _mm256_loadu_si256(p.add(256 + 64 * plane).cast());
                let bits = if left < 0 {
                    _mm256_srl_epi16(bits, _mm_cvtsi32_si128(-left))
                } else {
                    _mm256_sll_epi16(bits, _mm_cvtsi32_si128(left))
                };
                *w = _mm256_or_si256(*w, _mm256_and_si256(bits, keep));
            }
        }
        w
    }
}

/// # Safety
/// As [`strip`], with T rows; outputs `8 · side` and the seven after it.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows<S: Shape, const T: usize>(
    scales: &[u8],
    quants: &[u8],
    x: &Quantised,
    first: usize,
    side: usize,
    out: [&mut [f32; STRIP]; T],
) {
    let blocks = x.blocks;
    let ones = _mm256_set1_epi16(1);
    let base = _mm256_set1_epi16(super::activations::BASE);
    let mut sums = [_mm256_setzero_ps(); T];
    let row = [0, 1, 2, 3].map(|t| (first + if t < T { t } else { 0 }) * blocks);
    // So many products of pairs add up within 16 bits: 2 · 15 · 127 eight times, 2 · 31 · 127 four times, …
    let chunk = match S::BITS {
        _ if S::WIDE => 1,
        4 => 8,
        5 => 4,
        _ => 2,
    };
    for b in 0..blocks {
        // SAFETY: block b lies within both slices, and block `row[t] + b` within the inputs, as the contract says.
        unsafe {
            let sp = scales.as_ptr().add(b * S::SCALES + 16 * side);
            let w = unpack::<S>(quants.as_ptr().add(b * S::QUANTS + 32 * side));
            let scale = |v: usize| _mm256_cvtph_ps(_mm_loadu_si128(sp.add(32 * v).cast()));
            for t in 0..T {
                let at = row[t] + b;
                let q: *const i32 = x.q.as_ptr().add(PAIR * at).cast();
                let part = &*x.parts.as_ptr().add(at);
                let pairs = |g: usize, byte: usize| {
                    let x = _mm256_set1_epi32(q.add(8 * byte + g).read_unaligned());
                    if S::WIDE {
                        // |w| · (x with the sign of w): two products of at most 128 · 127 fit 16 bits.
                        _mm256_maddubs_epi16(_mm256_abs_epi8(w[g]), _mm256_sign_epi8(x, w[g]))
                    } else {
                        _mm256_maddubs_epi16(w[g], x)
                    }
                };
                let sum = |from: usize, to: usize, total: i32| {
                    let zero = if S::WIDE { 0 } else { total.wrapping_mul(-S::ZERO) };
                    let mut whole = _mm256_set1_epi32(zero);
                    let mut g = from;
                    while g < to {
                        let n = chunk.min(to - g);
                        let (mut upper, mut lower) = (pairs(g, 0), pairs(g, 1));
                        for i in g + 1..g + n {
                            upper = _mm256_add_epi16(upper, pairs(i, 0));
                            lower = _mm256_add_epi16(lower, pairs(i, 1));
                        }
                        let upper = _mm256_madd_epi16(upper, base);
                        let both = _mm256_add_epi32(upper, _mm256_madd_epi16(lower, ones));
                        whole = _mm256_add_epi32(whole, both);
                        g += n;
                    }
                    _mm256_cvtepi32_ps(whole)
                };
                let d = _mm256_set1_ps(part.d);
                if S::HALVES {
                    sums[t] = _mm256_fmadd_ps(sum(0, 4, part.sums[0]), _mm256_mul_ps(scale(0), d), sums[t]);
                    sums[t] = _mm256_fmadd_ps(sum(4, 8, part.sums[1]), _mm256_mul_ps(scale(1), d), sums[t]);
                    if S::MINIMA {
                        sums[t] = _mm256_fmadd_ps(scale(2), _mm256_set1_ps(part.s[0]), sums[t]);
                        sums[t] = _mm256_fmadd_ps(scale(3), _mm256_set1_ps(part.s[1]), sums[t]);
                    }
                } else {
                    let total = part.sums[0] + part.sums[1];
                    sums[t] = _mm256_fmadd_ps(sum(0, 8, total), _mm256_mul_ps(scale(0), d), sums[t]);
                    if S::MINIMA {
                        sums[t] = _mm256_fmadd_ps(scale(1), _mm256_set1_ps(part.s[0] + part.s[1]), sums[t]);
                    }
                }
            }
        }
    }
    for (out, sum) in out.into_iter().zip(sums) {
        // SAFETY: eight numbers from `8 · side` on.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr().add(8 * side), sum) };
    }
}

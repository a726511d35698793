//! What a strip's product is, in plain Rust.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::activations::{BASE, PAIR, Quantised};
use super::shape::{STRIP, Shape, step};
use super::strips::high_bit;
use half::f16;

/// The code of input `j` of output `n` in a block.
pub(super) fn code<S: Shape>(quants: &[u8], n: usize, j: usize) -> u8 {
    let (g, i) = (j / 4, 4 * n + j % 4);
    if S::BITS == 8 {
        return quants[64 * g + i];
    }
    let low = quants[64 * (g % 4) + i] >> (4 * (g / 4)) & 15;
    if S::BITS == 4 {
        return low;
    }
    let (plane, left) = high_bit(S::BITS, g);
    let byte = quants[256 + 64 * plane + i];
    let high = if left < 0 { byte >> -left } else { byte << left };
    low | high & if S::BITS == 5 { 0x10 } else { 0x30 }
}

/// Number `n` of the scales (`which` 0, or 1 of the second half) or minima (2 and 3) of a block.
pub(super) fn scale<S: Shape>(scales: &[u8], which: usize, n: usize) -> f32 {
    let halves = usize::from(S::HALVES);
    let vector = (which / 2) * (1 + halves) + (which % 2) * halves;
    let at = 32 * vector + 2 * n;
    f16::from_le_bytes([scales[at], scales[at + 1]]).to_f32()
}

pub(super) fn strip<S: Shape>(
    scales: &[u8],
    quants: &[u8],
    x: &Quantised,
    first: usize,
    out: &mut [[f32; STRIP]],
) {
    let blocks = scales.chunks_exact(S::SCALES).zip(quants.chunks_exact(S::QUANTS));
    for (t, out) in out.iter_mut().enumerate() {
        *out = [0.0; STRIP];
        for (b, (scales, quants)) in blocks.clone().enumerate() {
            let (q, part) = x.block(first + t, b);
            let value = |j: usize| i32::from(BASE) * i32::from(q[j]) + i32::from(q[PAIR / 2 + j]);
            for (n, out) in out.iter_mut().enumerate() {
                for half in 0..2 {
                    let sum: i32 = (16 * half..16 * half + 16)
                        .map(|j| step::<S>(code::<S>(quants, n, j)) * value(j))
                        .sum();
                    *out += scale::<S>(scales, half, n) * part.d * sum as f32;
                    if S::MINIMA {
                        *out += scale::<S>(scales, 2 + half, n) * part.s[half];
                    }
                }
            }
        }
    }
}

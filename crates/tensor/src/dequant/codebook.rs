//! Formats whose quants index a table of uneven steps, and the ternary ones.

#![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

use super::half_at;

/// Steps of the IQ4 formats.
pub(crate) const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// Twice the values of a 4-bit float (1 sign, 2 exponent, 1 mantissa bits).
pub(crate) const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// NF4's steps: quantiles of a normal distribution, scaled to ±1, with a 0 (Dettmers et al. 2023, appendix E).
pub(crate) const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

fn nibbles(d: f32, quants: &[u8], table: &[i8; 16], x: &mut [f32]) {
    for (j, q) in quants.iter().enumerate() {
        x[j] = d * f32::from(table[usize::from(q & 15)]);
        x[j + 16] = d * f32::from(table[usize::from(q >> 4)]);
    }
}

pub(super) fn iq4_nl(b: &[u8; 18], x: &mut [f32; 32]) {
    nibbles(half_at(b, 0), &b[2..], &IQ4, x);
}

/// Eight sub-blocks of 32 with 6-bit scales: 4 low bits in bytes 4..8, 2 high bits in the word at 2.
pub(super) fn iq4_xs(b: &[u8; 136], x: &mut [f32; 256]) {
    let d = half_at(b, 0);
    let high = u16::from_le_bytes([b[2], b[3]]);
    for j in 0..8 {
        let low = b[4 + j / 2] >> (4 * (j % 2)) & 15;
        let scale = i32::from(low) | i32::from(high >> (2 * j) & 3) << 4;
        nibbles(d * (scale - 32) as f32, &b[8 + 16 * j..][..16], &IQ4, &mut x[32 * j..][..32]);
    }
}

/// The scale is 2^(e - 127), halved because the table is doubled.
pub(super) fn mxfp4(b: &[u8; 17], x: &mut [f32; 32]) {
    nibbles(f32::powi(2.0, i32::from(b[0]) - 128), &b[1..], &E2M1, x);
}

/// The largest magnitude in single precision, then 64 codes, the first of each pair in the high bits.
pub(super) fn nf4(b: &[u8; 36], x: &mut [f32; 64]) {
    let scale = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    for (q, x) in b[4..].iter().zip(x.as_chunks_mut::<2>().0) {
        *x = [scale * NF4[usize::from(q >> 4)], scale * NF4[usize::from(q & 15)]];
    }
}

pub(super) fn tq2_0(b: &[u8; 66], x: &mut [f32; 256]) {
    let d = half_at(b, 64);
    for (i, x) in x.iter_mut().enumerate() {
        let (half, within) = (i / 128, i % 128);
        let q = b[32 * half + within % 32] >> (2 * (within / 32)) & 3;
        *x = d * (f32::from(q) - 1.0);
    }
}

/// Five ternary digits to a byte, as a fraction of 256: digit n is the integer part of 3 · frac(byte · 3^n / 256).
pub(super) fn tq1_0(b: &[u8; 54], x: &mut [f32; 256]) {
    let d = half_at(b, 52);
    let mut at = 0;
    for (start, width, digits) in [(0, 32, 5), (32, 16, 5), (48, 4, 4)] {
        let mut power = 1u8;
        for _ in 0..digits {
            for byte in &b[start..start + width] {
                let digit = (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
                x[at] = d * (f32::from(digit) - 1.0);
                at += 1;
            }
            power = power.wrapping_mul(3);
        }
    }
}

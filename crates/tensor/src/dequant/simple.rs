//! Plain floats and the formats of 32 elements with one scale.

#![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

use super::half_at;
use half::{bf16, f16};

pub(super) fn f32(bytes: &[u8], out: &mut [f32]) {
    for (b, x) in bytes.as_chunks::<4>().0.iter().zip(out) {
        *x = f32::from_le_bytes(*b);
    }
}

pub(super) fn f16(bytes: &[u8], out: &mut [f32]) {
    for (b, x) in bytes.as_chunks::<2>().0.iter().zip(out) {
        *x = f16::from_le_bytes(*b).to_f32();
    }
}

pub(super) fn bf16(bytes: &[u8], out: &mut [f32]) {
    for (b, x) in bytes.as_chunks::<2>().0.iter().zip(out) {
        *x = bf16::from_le_bytes(*b).to_f32();
    }
}

/// x = d (q - 8); low nibbles are elements 0 to 15, high ones 16 to 31.
#[inline(always)]
pub(super) fn q4_0(b: &[u8; 18], x: &mut [f32; 32]) {
    let d = half_at(b, 0);
    for j in 0..16 {
        x[j] = d * ((b[2 + j] & 15) as f32 - 8.0);
        x[j + 16] = d * ((b[2 + j] >> 4) as f32 - 8.0);
    }
}

/// x = d q + m.
#[inline(always)]
pub(super) fn q4_1(b: &[u8; 20], x: &mut [f32; 32]) {
    let (d, m) = (half_at(b, 0), half_at(b, 2));
    for j in 0..16 {
        x[j] = d * (b[4 + j] & 15) as f32 + m;
        x[j + 16] = d * (b[4 + j] >> 4) as f32 + m;
    }
}

#[inline(always)]
fn fifth_bits(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

#[inline(always)]
fn five(low: u8, high: u32, j: usize) -> f32 {
    (u32::from(low) | ((high >> j) & 1) << 4) as f32
}

/// x = d (q - 16); bit j of the first word is the fifth bit of element j.
#[inline(always)]
pub(super) fn q5_0(b: &[u8; 22], x: &mut [f32; 32]) {
    let (d, high) = (half_at(b, 0), fifth_bits(b, 2));
    for j in 0..16 {
        x[j] = d * (five(b[6 + j] & 15, high, j) - 16.0);
        x[j + 16] = d * (five(b[6 + j] >> 4, high, j + 16) - 16.0);
    }
}

/// x = d q + m.
#[inline(always)]
pub(super) fn q5_1(b: &[u8; 24], x: &mut [f32; 32]) {
    let (d, m, high) = (half_at(b, 0), half_at(b, 2), fifth_bits(b, 4));
    for j in 0..16 {
        x[j] = d * five(b[8 + j] & 15, high, j) + m;
        x[j + 16] = d * five(b[8 + j] >> 4, high, j + 16) + m;
    }
}

/// x = d q.
#[inline(always)]
pub(super) fn q8_0(b: &[u8; 34], x: &mut [f32; 32]) {
    let d = half_at(b, 0);
    for j in 0..32 {
        x[j] = d * (b[2 + j] as i8) as f32;
    }
}

//! The K formats: 256 elements in sub-blocks whose scales are themselves quantised.

#![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

use super::half_at;

/// Scale and minimum of sub-block `j` from the 12 packed bytes of Q4_K and Q5_K (6 bits each).
#[inline(always)]
pub(crate) fn scale_and_minimum(b: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (b[j] & 63, b[j + 4] & 63)
    } else {
        ((b[j + 4] & 15) | (b[j - 4] >> 6) << 4, (b[j + 4] >> 4) | (b[j] >> 6) << 4)
    }
}

/// x = d sc q - dmin m, 2-bit q, sub-blocks of 16.
pub(super) fn q2_k(b: &[u8; 84], x: &mut [f32; 256]) {
    let (scales, quants) = (&b[..16], &b[16..80]);
    let (d, dmin) = (half_at(b, 80), half_at(b, 82));
    for (i, x) in x.iter_mut().enumerate() {
        let (half, within) = (i / 128, i % 128);
        let q = (quants[32 * half + within % 32] >> (2 * (within / 32))) & 3;
        let s = scales[i / 16];
        *x = d * f32::from(s & 15) * f32::from(q) - dmin * f32::from(s >> 4);
    }
}

/// x = d (sc - 32) (q - 4 unless the high bit is set), 2 low bits and a mask of high bits, sub-blocks of 16.
pub(super) fn q3_k(b: &[u8; 110], x: &mut [f32; 256]) {
    let (mask, quants, packed) = (&b[..32], &b[32..96], &b[96..108]);
    let d = half_at(b, 108);
    for (i, x) in x.iter_mut().enumerate() {
        let (half, within) = (i / 128, i % 128);
        let low = (quants[32 * half + within % 32] >> (2 * (within / 32))) & 3;
        let set = mask[within % 32] >> (4 * half + within / 32) & 1;
        let q = i32::from(low) - if set == 1 { 0 } else { 4 };
        *x = d * (six_bit_scale(packed, i / 16) - 32) as f32 * q as f32;
    }
}

/// Scale `j` of 16 in Q3_K: 4 low bits in bytes 0..8, 2 high bits in bytes 8..12.
pub(crate) fn six_bit_scale(packed: &[u8], j: usize) -> i32 {
    let low = if j < 8 { packed[j] & 15 } else { packed[j - 8] >> 4 };
    let high = packed[8 + j % 4] >> (2 * (j / 4)) & 3;
    i32::from(low | high << 4)
}

/// x = d sc q - dmin m, 4-bit q, sub-blocks of 32.
pub(super) fn q4_k(b: &[u8; 144], x: &mut [f32; 256]) {
    let (d, dmin) = (half_at(b, 0), half_at(b, 2));
    for j in 0..8 {
        let (s, m) = scale_and_minimum(&b[4..16], j);
        let (d, m) = (d * f32::from(s), dmin * f32::from(m));
        let bytes = &b[16 + 32 * (j / 2)..][..32];
        for (x, q) in x[32 * j..][..32].iter_mut().zip(bytes) {
            *x = d * f32::from(q >> (4 * (j % 2)) & 15) - m;
        }
    }
}

/// As Q4_K, with the fifth bit of element i of sub-block j in bit j of byte i of the high bytes.
pub(super) fn q5_k(b: &[u8; 176], x: &mut [f32; 256]) {
    let (d, dmin) = (half_at(b, 0), half_at(b, 2));
    let high = &b[16..48];
    for j in 0..8 {
        let (s, m) = scale_and_minimum(&b[4..16], j);
        let (d, m) = (d * f32::from(s), dmin * f32::from(m));
        let low = &b[48 + 32 * (j / 2)..][..32];
        for (i, x) in x[32 * j..][..32].iter_mut().enumerate() {
            let q = (low[i] >> (4 * (j % 2)) & 15) | (high[i] >> j & 1) << 4;
            *x = d * f32::from(q) - m;
        }
    }
}

/// x = d sc (q - 32), 4 low and 2 high bits, sub-blocks of 16 with 8-bit scales.
pub(super) fn q6_k(b: &[u8; 210], x: &mut [f32; 256]) {
    let (low, high, scales) = (&b[..128], &b[128..192], &b[192..208]);
    let d = half_at(b, 208);
    for (i, x) in x.iter_mut().enumerate() {
        let (half, within) = (i / 128, i % 128);
        let (quarter, l) = (within / 32, within % 32);
        let nibble = low[64 * half + 32 * (quarter % 2) + l] >> (4 * (quarter / 2)) & 15;
        let top = high[32 * half + l] >> (2 * quarter) & 3;
        let q = i32::from(nibble | top << 4) - 32;
        *x = d * f32::from(scales[i / 16] as i8) * q as f32;
    }
}

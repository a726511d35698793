//! What a stored block of 32 weights is to a kernel: whole-number codes, and for each half of it a scale and a minimum.
//! w = d (table[q] - zero) + m, where the table is the identity for most formats. Layouts as in `dequant`.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use crate::Format;
use crate::dequant::k::{scale_and_minimum, six_bit_scale};
use half::f16;

/// 32 neighbouring weights of one output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Codes {
    pub(super) q: [u8; 32],
    /// Of the first and of the last 16.
    pub(super) d: [f32; 2],
    /// Of the first and of the last 16; 0 where the format has none.
    pub(super) m: [f32; 2],
}

impl Codes {
    fn whole(q: [u8; 32], d: f32, m: f32) -> Self {
        Self { q, d: [d; 2], m: [m; 2] }
    }
}

/// Block `b` of a row. Formats of plain numbers have no codes.
pub(super) fn codes(format: Format, row: &[u8], b: usize) -> Option<Codes> {
    let size = format.block_bytes();
    let large = |n: usize| &row[b / 8 * n..][..n];
    let block =
        if format.block_elements() == 256 { large(size) } else { row.get(b * size..)?.get(..size)? };
    let j = b % 8;
    Some(match format {
        Format::Q4_0 => Codes::whole(nibbles(&block[2..]), half(block, 0), 0.0),
        Format::Q4_1 => Codes::whole(nibbles(&block[4..]), half(block, 0), half(block, 2)),
        Format::Q5_0 => Codes::whole(fives(&block[6..], &block[2..]), half(block, 0), 0.0),
        Format::Q5_1 => Codes::whole(fives(&block[8..], &block[4..]), half(block, 0), half(block, 2)),
        Format::Q8_0 => Codes::whole(std::array::from_fn(|i| block[2 + i] ^ 0x80), half(block, 0), 0.0),
        Format::IQ4_NL => Codes::whole(nibbles(&block[2..]), half(block, 0), 0.0),
        Format::MXFP4 => Codes::whole(nibbles(&block[1..]), f32::powi(2.0, i32::from(block[0]) - 128), 0.0),
        Format::IQ4_XS => {
            let high = u16::from_le_bytes([block[2], block[3]]);
            let low = block[4 + j / 2] >> (4 * (j % 2)) & 15;
            let scale = i32::from(low) | i32::from(high >> (2 * j) & 3) << 4;
            Codes::whole(nibbles(&block[8 + 16 * j..]), half(block, 0) * (scale - 32) as f32, 0.0)
        }
        Format::Q4_K | Format::Q5_K => {
            let (s, m) = scale_and_minimum(&block[4..16], j);
            let at = if format == Format::Q4_K { 16 } else { 48 };
            let low = &block[at + 32 * (j / 2)..][..32];
            let fifth = |i: usize| if at == 48 { (block[16 + i] >> j & 1) << 4 } else { 0 };
            let q = std::array::from_fn(|i| low[i] >> (4 * (j % 2)) & 15 | fifth(i));
            Codes::whole(q, half(block, 0) * f32::from(s), -half(block, 2) * f32::from(m))
        }
        Format::Q2_K => {
            let q = std::array::from_fn(|i| block[16 + 32 * (j / 4) + i] >> (2 * (j % 4)) & 3);
            let (d, m) = (half(block, 80), half(block, 82));
            let s = [block[2 * j], block[2 * j + 1]];
            Codes { q, d: s.map(|s| d * f32::from(s & 15)), m: s.map(|s| -m * f32::from(s >> 4)) }
        }
        Format::Q3_K => {
            let q = std::array::from_fn(|i| {
                let low = block[32 + 32 * (j / 4) + i] >> (2 * (j % 4)) & 3;
                low | (block[i] >> j & 1) << 2
            });
            let d =
                [0, 1].map(|h| half(block, 108) * (six_bit_scale(&block[96..108], 2 * j + h) - 32) as f32);
            Codes { q, d, m: [0.0; 2] }
        }
        Format::Q6_K => {
            let (part, quarter) = (j / 4, j % 4);
            let q = std::array::from_fn(|i| {
                let low = block[64 * part + 32 * (quarter % 2) + i] >> (4 * (quarter / 2)) & 15;
                low | (block[128 + 32 * part + i] >> (2 * quarter) & 3) << 4
            });
            let d = [0, 1].map(|h| half(block, 208) * f32::from(block[192 + 2 * j + h] as i8));
            Codes { q, d, m: [0.0; 2] }
        }
        _ => return None,
    })
}

fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Low nibbles are elements 0 to 15, high ones 16 to 31.
fn nibbles(bytes: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| bytes[i % 16] >> (4 * (i / 16)) & 15)
}

fn fives(bytes: &[u8], high: &[u8]) -> [u8; 32] {
    let mut q = nibbles(bytes);
    for (i, q) in q.iter_mut().enumerate() {
        *q |= (high[i / 8] >> (i % 8) & 1) << 4;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::super::shape::shape_of;
    use super::*;
    use crate::dequantize;

    #[test]
    fn codes_say_what_the_stored_blocks_say() {
        for format in Format::all().filter(|f| shape_of(*f).is_some()) {
            let n = 512;
            let mut bytes = vec![0u8; format.bytes_of(n).unwrap()];
            let mut state = 7u32;
            for b in &mut bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *b = (state >> 24) as u8;
            }
            // Scales that are ordinary numbers.
            let size = format.block_bytes();
            let halves: &[usize] = match format {
                Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => &[0, 2],
                Format::Q2_K => &[80, 82],
                Format::Q3_K => &[108],
                Format::Q6_K => &[208],
                Format::MXFP4 => &[],
                _ => &[0],
            };
            for block in bytes.chunks_exact_mut(size) {
                for at in halves {
                    block[at + 1] = 0x20 | block[at + 1] & 0x8f;
                }
                if format == Format::MXFP4 {
                    block[0] = 120 + block[0] % 8;
                }
            }
            let mut want = vec![0.0; n];
            dequantize(format, &bytes, &mut want);
            let shape = shape_of(format).unwrap();
            for b in 0..n / 32 {
                let c = codes(format, &bytes, b).unwrap();
                for i in 0..32 {
                    let got = c.d[i / 16] * shape.step(c.q[i]) + c.m[i / 16];
                    let want = want[32 * b + i];
                    assert!(
                        (got - want).abs() <= 1e-5 * want.abs().max(1e-3),
                        "{format} {b} {i}: {got} {want}"
                    );
                }
            }
        }
    }
}

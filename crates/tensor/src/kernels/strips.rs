//! Quantised weights in the layout that the kernels stream: strips of sixteen outputs, interleaved so that one scale
//! multiplication serves sixteen outputs and nothing is summed across a register.
//!
//! A strip is a run of blocks of 32 inputs: first the scales of all its blocks, then their codes. Scales of a block:
//! half-precision numbers of the 16 outputs (for each half of the block where the shape says so), then minima alike.
//! Codes: vector g holds inputs 4g to 4g+3 of output n in bytes 4n to 4n+3. Codes of 4 bits keep g in the low and
//! g + 4 in the high nibbles of vector g; fifth and sixth bits lie in planes behind them (see [`high_bit`]).
//!
//! All scales of a matrix are multiplied by one power of two, so that they use the range of half precision well.

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::arena::Lines;
use super::codes::codes;
use super::shape::{Kind, STRIP, shape_of};
use crate::{Matrix, Pool};
use half::f16;
use std::sync::Mutex;

/// A quantised matrix as strips.
#[derive(Debug, Clone)]
pub(super) struct Strips {
    pub(super) kind: Kind,
    /// Blocks of a strip.
    pub(super) blocks: usize,
    /// What products are multiplied by: the scales were made larger by its inverse.
    pub(super) unit: f32,
    data: Lines,
}

/// Scales as they are before they are rounded to half precision: d, then m, for each half, of 16 outputs.
type Wide = [[f32; STRIP]; 4];

impl Strips {
    /// Packs a matrix; `None` when it holds plain numbers or its rows do not fill blocks of 32.
    pub(super) fn new(m: &Matrix) -> Option<Self> {
        let kind = shape_of(m.format())?;
        let blocks = m.cols() / 32;
        let strips = m.rows().div_ceil(STRIP);
        let stride = stride(kind, blocks);
        let mut data = Lines::zeros(strips * stride);
        let mut wide: Vec<Wide> = vec![[[0.0; STRIP]; 4]; strips * blocks];
        let parts =
            data.bytes_mut().chunks_exact_mut(stride.max(1)).zip(wide.chunks_exact_mut(blocks.max(1)));
        let parts: Vec<_> = parts.enumerate().map(Mutex::new).collect();
        let pool = Pool::global();
        pool.run(parts.len(), |i| {
            if let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) {
                let (s, (bytes, wide)) = &mut *part;
                let quants = &mut bytes[scales_bytes(kind, blocks)..];
                for r in 0..STRIP.min(m.rows() - *s * STRIP) {
                    pack_row(m, *s * STRIP + r, r, kind, quants, wide);
                }
            }
        });
        drop(parts);
        let most = kind.most();
        let bound = |w: &Wide| {
            let of = |d: f32, m: f32| d.abs() * most + m.abs();
            (0..STRIP).map(|n| of(w[0][n], w[2][n]).max(of(w[1][n], w[3][n]))).fold(0.0, f32::max)
        };
        let power = power(wide.iter().map(bound).fold(0.0, f32::max));
        let parts = data.bytes_mut().chunks_exact_mut(stride.max(1)).zip(wide.chunks(blocks.max(1)));
        let parts: Vec<_> = parts.map(Mutex::new).collect();
        pool.run(parts.len(), |i| {
            if let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) {
                let (bytes, wide) = &mut *part;
                for (to, from) in bytes.chunks_exact_mut(kind.scales()).zip(*wide) {
                    write_scales(kind, from, power, to);
                }
            }
        });
        drop(parts);
        Some(Self { kind, blocks, unit: power.recip(), data })
    }

    /// Scales and codes of a strip.
    pub(super) fn strip(&self, s: usize) -> (&[u8], &[u8]) {
        let stride = stride(self.kind, self.blocks);
        let (scales, quants) =
            self.data.bytes()[s * stride..][..stride].split_at(scales_bytes(self.kind, self.blocks));
        (&scales[..self.blocks * self.kind.scales()], quants)
    }

    pub(super) fn byte_len(&self) -> usize {
        self.data.bytes().len()
    }
}

fn scales_bytes(kind: Kind, blocks: usize) -> usize {
    (blocks * kind.scales()).next_multiple_of(64)
}

fn stride(kind: Kind, blocks: usize) -> usize {
    scales_bytes(kind, blocks) + blocks * kind.quants()
}

/// The power of two that brings a largest magnitude into the upper part of half precision's range.
fn power(most: f32) -> f32 {
    if most > 0.0 && most.is_finite() {
        f32::powi(2.0, (32768.0 / most).log2().floor().clamp(-60.0, 60.0) as i32)
    } else {
        1.0
    }
}

fn write_scales(kind: Kind, from: &Wide, power: f32, to: &mut [u8]) {
    let used: &[usize] = match to.len() / 32 {
        1 => &[0],
        2 if kind == Kind::FourMinima || kind == Kind::FiveMinima => &[0, 2],
        2 => &[0, 1],
        _ => &[0, 1, 2, 3],
    };
    for (to, which) in to.chunks_exact_mut(32).zip(used) {
        for (to, x) in to.as_chunks_mut::<2>().0.iter_mut().zip(from[*which]) {
            *to = f16::from_f32(x * power).to_le_bytes();
        }
    }
}

/// Where the fifth bits (and sixth) of vector `g` lie: which plane, and by how much its bytes are shifted to the left
/// (to the right where negative) to bring them to bit 4.
pub(super) const fn high_bit(bits: usize, g: usize) -> (usize, i32) {
    if bits == 5 { (0, 4 - g as i32) } else { (g / 4, 4 - 2 * (g as i32 % 4)) }
}

fn pack_row(m: &Matrix, row: usize, r: usize, kind: Kind, quants: &mut [u8], wide: &mut [Wide]) {
    let bytes = m.row_bytes(row);
    let bits = if kind == Kind::Eight { 8 } else { 4 + (kind.quants() - 256) / 64 };
    for (b, (to, wide)) in quants.chunks_exact_mut(kind.quants()).zip(wide).enumerate() {
        let Some(c) = codes(m.format(), bytes, b) else { return };
        for (half, (d, m)) in c.d.into_iter().zip(c.m).enumerate() {
            (wide[half][r], wide[2 + half][r]) = (d, m);
        }
        // Four inputs at a time, as one number.
        let fours: [u32; 8] =
            std::array::from_fn(|g| u32::from_le_bytes([0, 1, 2, 3].map(|i| c.q[4 * g + i])));
        let mut put = |at: usize, x: u32| to[at + 4 * r..][..4].copy_from_slice(&x.to_le_bytes());
        if bits == 8 {
            fours.into_iter().enumerate().for_each(|(g, x)| put(64 * g, x));
            continue;
        }
        const LOW: u32 = 0x0f0f_0f0f;
        (0..4).for_each(|v| put(64 * v, fours[v] & LOW | (fours[v + 4] & LOW) << 4));
        let mut planes = [0u32; 2];
        for (g, x) in fours.into_iter().enumerate() {
            let (plane, left) = high_bit(bits, g);
            let high = x & !LOW;
            planes[plane] |= if left < 0 { high << -left } else { high >> left };
        }
        planes.into_iter().take(bits - 4).enumerate().for_each(|(i, x)| put(256 + 64 * i, x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_bring_scales_into_range() {
        assert_eq!(power(0.0), 1.0);
        for most in [1e-9f32, 0.3, 1.0, 40000.0] {
            assert!((16384.0..=32768.0).contains(&(most * power(most))));
        }
    }
}

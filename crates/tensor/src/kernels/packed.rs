//! A weight matrix in the layout that the kernels stream: strips of eight outputs, interleaved so that one scale
//! multiplication serves eight outputs and nothing is summed across a register.
//!
//! One strip is a run of blocks of 32 inputs. A 4-bit block: 8 half-precision scales, 8 minima, 128 bytes of nibbles
//! (160 bytes, as many as before). An 8-bit block: 8 scales, 256 bytes (272, as many as before).

#![allow(clippy::indexing_slicing, reason = "offsets within blocks of a constant size")]

use super::{eight, four};
use crate::{Format, Matrix};
use half::f16;

/// Outputs of a strip.
pub(super) const STRIP: usize = 8;

/// A weight matrix ready for products.
#[derive(Debug, Clone)]
pub struct Packed {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Strips of 4 bits with a scale and a minimum, against whole-number inputs.
    Four(Vec<u8>),
    /// Strips of 8 bits with a scale, against whole-number inputs.
    Eight(Vec<u8>),
    /// As stored; rows are widened when they are used, against f32 inputs.
    Plain(Matrix),
}

impl Packed {
    /// Repacks Q4_0, Q4_1 and Q8_0, losslessly; keeps every other format as it is stored.
    pub fn new(m: &Matrix) -> Self {
        let kind = match m.format() {
            Format::Q4_0 | Format::Q4_1 => Kind::Four(strips(m, four::BYTES, pack_four)),
            Format::Q8_0 => Kind::Eight(strips(m, eight::BYTES, pack_eight)),
            _ => Kind::Plain(m.clone()),
        };
        Self { rows: m.rows(), cols: m.cols(), kind }
    }

    /// Keeps the stored form, so that products are exact in f32.
    pub fn exact(m: &Matrix) -> Self {
        Self { rows: m.rows(), cols: m.cols(), kind: Kind::Plain(m.clone()) }
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Whether its products read the inputs as whole numbers.
    pub fn wants_quantised(&self) -> bool {
        !matches!(self.kind, Kind::Plain(_))
    }

    /// Bytes that it holds beyond those of the matrix it was made from.
    pub fn extra_bytes(&self) -> usize {
        match &self.kind {
            Kind::Four(bytes) | Kind::Eight(bytes) => bytes.len(),
            Kind::Plain(_) => 0,
        }
    }
}

/// Strips of all rows; a last strip that is not full is filled with zeros.
fn strips(m: &Matrix, block: usize, pack: impl Fn(Format, &[u8], usize, &mut [u8])) -> Vec<u8> {
    let blocks = m.cols() / 32;
    let source = m.format().block_bytes();
    let mut out = vec![0; m.rows().div_ceil(STRIP) * blocks * block];
    for (s, strip) in out.chunks_exact_mut((blocks * block).max(1)).enumerate() {
        for r in 0..STRIP.min(m.rows() - s * STRIP) {
            let row = m.row_bytes(s * STRIP + r);
            for (from, to) in row.chunks_exact(source).zip(strip.chunks_exact_mut(block)) {
                pack(m.format(), from, r, to);
            }
        }
    }
    out
}

/// Q4_0 and Q4_1 alike become x = d q + m; for Q4_0 m is -8 d, which a half holds exactly unless d is over 8191.
fn pack_four(format: Format, from: &[u8], r: usize, to: &mut [u8]) {
    to[2 * r..][..2].copy_from_slice(&from[..2]);
    let (m, quants) = if format == Format::Q4_1 {
        ([from[2], from[3]], &from[4..])
    } else {
        let d = f16::from_le_bytes([from[0], from[1]]).to_f32();
        (f16::from_f32(-8.0 * d).to_le_bytes(), &from[2..])
    };
    to[16 + 2 * r..][..2].copy_from_slice(&m);
    for v in 0..4 {
        to[32 + 32 * v + 4 * r..][..4].copy_from_slice(&quants[4 * v..][..4]);
    }
}

fn pack_eight(_: Format, from: &[u8], r: usize, to: &mut [u8]) {
    to[2 * r..][..2].copy_from_slice(&from[..2]);
    for g in 0..8 {
        to[16 + 32 * g + 4 * r..][..4].copy_from_slice(&from[2 + 4 * g..][..4]);
    }
}

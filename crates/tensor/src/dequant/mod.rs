//! From stored blocks to f32: the scalar definition of every format. Faster twins live in `kernels`.
//! Source of the layouts: the GGUF format and its reference quantiser.

#![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

pub(crate) mod codebook;
pub(crate) mod k;
mod simple;

use crate::Format;

/// Widens whole blocks to f32: `bytes` holds as many blocks as `out` has room for.
///
/// # Panics
/// When the lengths do not belong together; [`crate::Matrix`] never passes such.
pub fn dequantize(format: Format, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(format.bytes_of(out.len()), Some(bytes.len()), "{format}: bytes do not hold the elements");
    match format {
        Format::F32 => simple::f32(bytes, out),
        Format::F16 => simple::f16(bytes, out),
        Format::BF16 => simple::bf16(bytes, out),
        Format::Q4_0 => blocks(bytes, out, simple::q4_0),
        Format::Q4_1 => blocks(bytes, out, simple::q4_1),
        Format::Q5_0 => blocks(bytes, out, simple::q5_0),
        Format::Q5_1 => blocks(bytes, out, simple::q5_1),
        Format::Q8_0 => blocks(bytes, out, simple::q8_0),
        Format::Q2_K => blocks(bytes, out, k::q2_k),
        Format::Q3_K => blocks(bytes, out, k::q3_k),
        Format::Q4_K => blocks(bytes, out, k::q4_k),
        Format::Q5_K => blocks(bytes, out, k::q5_k),
        Format::Q6_K => blocks(bytes, out, k::q6_k),
        Format::IQ4_NL => blocks(bytes, out, codebook::iq4_nl),
        Format::IQ4_XS => blocks(bytes, out, codebook::iq4_xs),
        Format::TQ1_0 => blocks(bytes, out, codebook::tq1_0),
        Format::TQ2_0 => blocks(bytes, out, codebook::tq2_0),
        Format::MXFP4 => blocks(bytes, out, codebook::mxfp4),
        Format::NF4 => blocks(bytes, out, codebook::nf4),
    }
}

#[inline(always)]
fn blocks<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    one: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    let (from, _) = bytes.as_chunks::<BYTES>();
    let (to, _) = out.as_chunks_mut::<ELEMENTS>();
    for (block, values) in from.iter().zip(to) {
        one(block, values);
    }
}

/// A half-precision number at a byte offset.
#[inline(always)]
fn half_at(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

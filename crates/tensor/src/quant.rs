//! From f32 to stored blocks, for the formats that we write. Source: the GGUF reference quantiser; NF4: Dettmers et al.
//! 2023.

#![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

use crate::dequant::codebook::NF4;
use crate::{Format, quant_k};
use half::{bf16, f16};
use lyceum_core::{Error, Result};

/// Rounds whole blocks; `values` must be a multiple of the format's block. Formats that we do not write
/// (Q2_K, Q3_K, the codebook and ternary families) are [`lyceum_core::ErrorKind::Unsupported`].
pub fn quantize(format: Format, values: &[f32]) -> Result<Vec<u8>> {
    let bytes = format.bytes_of(values.len()).ok_or_else(|| {
        Error::invalid(format!("{} numbers do not fill blocks of {}", values.len(), format.block_elements()))
    })?;
    let mut out = Vec::with_capacity(bytes);
    match format {
        Format::F32 => values.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Format::F16 => values.iter().for_each(|x| out.extend(f16::from_f32(*x).to_le_bytes())),
        Format::BF16 => values.iter().for_each(|x| out.extend(bf16::from_f32(*x).to_le_bytes())),
        Format::Q4_0 => values.as_chunks().0.iter().for_each(|x| out.extend(q4_0(x))),
        Format::Q4_1 => values.as_chunks().0.iter().for_each(|x| out.extend(q4_1(x))),
        Format::Q8_0 => values.as_chunks().0.iter().for_each(|x| out.extend(q8_0(x))),
        Format::Q5_0 => values.as_chunks().0.iter().for_each(|x| out.extend(quant_k::five_0(x))),
        Format::Q5_1 => values.as_chunks().0.iter().for_each(|x| out.extend(quant_k::five_1(x))),
        Format::Q4_K => quant_k::q4_k(values, &mut out),
        Format::Q5_K => quant_k::q5_k(values, &mut out),
        Format::Q6_K => quant_k::q6_k(values, &mut out),
        Format::NF4 => values.as_chunks().0.iter().for_each(|x| out.extend(nf4(x))),
        other => {
            let known = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, NF4";
            return Err(Error::unsupported(format!("{other} cannot be written"))
                .hint(format!("choose one of {known}")));
        }
    }
    Ok(out)
}

/// d = value of largest magnitude / -8; q = min(15, trunc(x/d + 8.5)).
fn q4_0(x: &[f32; 32]) -> [u8; 18] {
    let extreme = x.iter().copied().fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    let d = extreme / -8.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let code = |v: f32| (v * inverse + 8.5).min(15.0) as u8;
    let mut out = [0; 18];
    out[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for j in 0..16 {
        out[2 + j] = code(x[j]) | code(x[j + 16]) << 4;
    }
    out
}

/// The largest magnitude, and for each number divided by it the nearest of NF4's steps.
fn nf4(x: &[f32; 64]) -> [u8; 36] {
    let largest = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    // How many of the midpoints between steps lie below is the nearest step.
    let code = |v: f32| {
        let v = if largest == 0.0 { 0.0 } else { v / largest };
        NF4.windows(2).filter(|pair| v > 0.5 * (pair[0] + pair[1])).count() as u8
    };
    let mut out = [0; 36];
    out[..4].copy_from_slice(&largest.to_le_bytes());
    for (byte, pair) in out[4..].iter_mut().zip(x.as_chunks::<2>().0) {
        *byte = code(pair[0]) << 4 | code(pair[1]);
    }
    out
}

/// d = (max - min) / 15, m = min; q = min(15, trunc((x - m)/d + 0.5)).
fn q4_1(x: &[f32; 32]) -> [u8; 20] {
    let low = x.iter().copied().fold(f32::INFINITY, f32::min);
    let high = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let d = (high - low) / 15.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let code = |v: f32| ((v - low) * inverse + 0.5).min(15.0) as u8;
    let mut out = [0; 20];
    out[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    out[2..4].copy_from_slice(&f16::from_f32(low).to_le_bytes());
    for j in 0..16 {
        out[4 + j] = code(x[j]) | code(x[j + 16]) << 4;
    }
    out
}

/// d = max|x| / 127, half away from zero.
fn q8_0(x: &[f32; 32]) -> [u8; 34] {
    let most = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let d = most / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let mut out = [0; 34];
    out[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for j in 0..32 {
        out[2 + j] = (x[j] * inverse).round() as i8 as u8;
    }
    out
}

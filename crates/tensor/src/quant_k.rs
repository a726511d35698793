//! From f32 to the K formats: 256 numbers in sub-blocks whose scales are rounded themselves. Layouts as in `dequant`.
//!
//! A sub-block tries some steps around the one that its range suggests; for each, scale (and minimum) follow from the
//! codes by least squares with larger numbers weighing more, and the step with the least error is kept.

#![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

use crate::kernels::wherever;
use half::f16;

wherever! {
    pub(crate) fn q4_k(values: &[f32], out: &mut Vec<u8>) {
        for x in values.as_chunks().0 {
            out.extend(four_or_five::<4, 144>(x));
        }
    }
}

wherever! {
    pub(crate) fn q5_k(values: &[f32], out: &mut Vec<u8>) {
        for x in values.as_chunks().0 {
            out.extend(four_or_five::<5, 176>(x));
        }
    }
}

wherever! {
    pub(crate) fn q6_k(values: &[f32], out: &mut Vec<u8>) {
        for x in values.as_chunks().0 {
            out.extend(six(x));
        }
    }
}

/// Codes of a sub-block with x ≈ d q + m, m ≤ 0, q from 0 to `most`.
struct Affine {
    d: f32,
    m: f32,
}

#[inline(always)]
fn affine(x: &[f32; 32], most: f32) -> Affine {
    let mean = (x.iter().map(|x| x * x).sum::<f32>() / 32.0).sqrt();
    let low = x.iter().copied().fold(0.0f32, f32::min);
    let high = x.iter().copied().fold(f32::NEG_INFINITY, f32::max).max(low);
    if high == low {
        return Affine { d: 0.0, m: low };
    }
    let mut best = (f32::INFINITY, Affine { d: (high - low) / most, m: low });
    for step in 0..=20 {
        let inverse = (most - 1.0 + 0.1 * step as f32) / (high - low);
        let code = |x: f32| (inverse * (x - low)).round_ties_even().clamp(0.0, most);
        let [mut w1, mut wx, mut wq, mut wqq, mut wxq] = [0.0f32; 5];
        for x in x {
            let (w, q) = (mean + x.abs(), code(*x));
            w1 += w;
            wx += w * x;
            wq += w * q;
            wqq += w * q * q;
            wxq += w * x * q;
        }
        let determinant = w1 * wqq - wq * wq;
        if determinant <= 0.0 {
            continue;
        }
        let (mut d, mut m) = ((w1 * wxq - wx * wq) / determinant, (wqq * wx - wq * wxq) / determinant);
        if m > 0.0 {
            (d, m) = (wxq / wqq, 0.0);
        }
        let error = x.iter().map(|x| (mean + x.abs()) * (d * code(*x) + m - x).powi(2)).sum::<f32>();
        if error < best.0 {
            best = (error, Affine { d, m });
        }
    }
    best.1
}

/// Q4_K (`BITS` 4, 144 bytes) and Q5_K (5, 176 bytes).
#[inline(always)]
fn four_or_five<const BITS: usize, const BYTES: usize>(x: &[f32; 256]) -> [u8; BYTES] {
    let most = ((1 << BITS) - 1) as f32;
    let blocks = x.as_chunks::<32>().0;
    let fits: Vec<Affine> = blocks.iter().map(|x| affine(x, most)).collect();
    let largest = |of: fn(&Affine) -> f32| fits.iter().map(of).fold(0.0f32, f32::max);
    let d = f16::from_f32(largest(|a| a.d) / 63.0);
    let dmin = f16::from_f32(largest(|a| -a.m) / 63.0);
    let six = |x: f32, unit: f32| if unit > 0.0 { (x / unit).round().clamp(0.0, 63.0) as u8 } else { 0 };
    let mut out = [0; BYTES];
    out[..2].copy_from_slice(&d.to_le_bytes());
    out[2..4].copy_from_slice(&dmin.to_le_bytes());
    for (j, (x, fit)) in blocks.iter().zip(&fits).enumerate() {
        let (s, m) = (six(fit.d, d.to_f32()), six(-fit.m, dmin.to_f32()));
        if j < 4 {
            out[4 + j] |= s;
            out[8 + j] |= m;
        } else {
            out[8 + j] |= s & 15 | (m & 15) << 4;
            out[j] |= (s >> 4) << 6;
            out[4 + j] |= (m >> 4) << 6;
        }
        let (d, m) = (d.to_f32() * f32::from(s), dmin.to_f32() * f32::from(m));
        for (i, x) in x.iter().enumerate() {
            let q = if d > 0.0 { ((x + m) / d).round_ties_even().clamp(0.0, most) as u8 } else { 0 };
            let low = if BITS == 4 { 16 } else { 48 } + 32 * (j / 2) + i;
            out[low] |= (q & 15) << (4 * (j % 2));
            if BITS == 5 {
                out[16 + i] |= (q >> 4) << j;
            }
        }
    }
    out
}

/// The scale d with x ≈ d q, q from -32 to 31.
#[inline(always)]
fn symmetric(x: &[f32; 16]) -> f32 {
    let extreme = x.iter().copied().fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    if extreme == 0.0 {
        return 0.0;
    }
    // What d explains of Σ w x², the rest being the error.
    let mut best = (0.0f32, 0.0f32);
    for step in -9..=9 {
        let inverse = -(32.0 + 0.1 * step as f32) / extreme;
        let (mut wxq, mut wqq) = (0.0f32, 0.0f32);
        for x in x {
            let q = (inverse * x).round_ties_even().clamp(-32.0, 31.0);
            wxq += x * x * x * q;
            wqq += x * x * q * q;
        }
        if wqq > 0.0 && wxq * wxq > best.0 * wqq {
            best = (wxq * wxq / wqq, wxq / wqq);
        }
    }
    best.1
}

/// Q6_K.
#[inline(always)]
fn six(x: &[f32; 256]) -> [u8; 210] {
    let blocks = x.as_chunks::<16>().0;
    let scales: Vec<f32> = blocks.iter().map(symmetric).collect();
    let extreme = scales.iter().copied().fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    let mut out = [0; 210];
    let d = f16::from_f32(extreme / -128.0);
    out[208..].copy_from_slice(&d.to_le_bytes());
    if d.to_f32() == 0.0 {
        return out;
    }
    for (block, (x, scale)) in blocks.iter().zip(&scales).enumerate() {
        let s = (scale / d.to_f32()).round().clamp(-128.0, 127.0) as i8;
        out[192 + block] = s as u8;
        let unit = d.to_f32() * f32::from(s);
        for (k, x) in x.iter().enumerate() {
            let i = 16 * block + k;
            let q = if unit == 0.0 { 0.0 } else { (x / unit).round_ties_even().clamp(-32.0, 31.0) };
            let q = (q as i32 + 32) as u8;
            let (part, quarter, l) = (i / 128, i % 128 / 32, i % 32);
            out[64 * part + 32 * (quarter % 2) + l] |= (q & 15) << (4 * (quarter / 2));
            out[128 + 32 * part + l] |= (q >> 4) << (2 * quarter);
        }
    }
    out
}

/// Q5_0: d = the number of largest magnitude / -16; q = min(31, trunc(x/d + 16.5)).
pub(crate) fn five_0(x: &[f32; 32]) -> [u8; 22] {
    let extreme = x.iter().copied().fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    let d = extreme / -16.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let mut out = [0; 22];
    out[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    fives(x, |x| (x * inverse + 16.5).min(31.0) as u8, &mut out[2..]);
    out
}

/// Q5_1: d = (max - min) / 31, m = min; q = min(31, trunc((x - m)/d + 0.5)).
pub(crate) fn five_1(x: &[f32; 32]) -> [u8; 24] {
    let low = x.iter().copied().fold(f32::INFINITY, f32::min);
    let high = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let d = (high - low) / 31.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let mut out = [0; 24];
    out[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    out[2..4].copy_from_slice(&f16::from_f32(low).to_le_bytes());
    fives(x, |x| ((x - low) * inverse + 0.5).min(31.0) as u8, &mut out[4..]);
    out
}

/// Four bytes of fifth bits, then sixteen of nibbles.
fn fives(x: &[f32; 32], code: impl Fn(f32) -> u8, out: &mut [u8]) {
    for (j, x) in x.iter().enumerate() {
        let q = code(*x);
        out[4 + j % 16] |= (q & 15) << (4 * (j / 16));
        out[j / 8] |= (q >> 4) << (j % 8);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Format, dequantize, quantize};

    /// Root of the mean squared error over the root of the mean square, on numbers like those of weights.
    fn error(format: Format) -> f32 {
        let n = 256 * 64;
        let mut state = 5u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        // Sums of uniform numbers are near enough to normal ones.
        let x: Vec<f32> = (0..n).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect();
        let mut back = vec![0.0; n];
        dequantize(format, &quantize(format, &x).unwrap(), &mut back);
        let squares = |v: &mut dyn Iterator<Item = f32>| v.map(|x| x * x).sum::<f32>();
        (squares(&mut x.iter().zip(&back).map(|(a, b)| a - b)) / squares(&mut x.iter().copied())).sqrt()
    }

    #[test]
    fn more_bits_err_less_and_none_more_than_it_should() {
        let limits = [
            (Format::Q4_K, 0.076),
            (Format::Q5_K, 0.038),
            (Format::Q6_K, 0.019),
            (Format::Q5_0, 0.046),
            (Format::Q5_1, 0.040),
        ];
        for (format, most) in limits {
            let e = error(format);
            assert!(e < most && e > most / 2.0, "{format}: {e}");
        }
    }

    #[test]
    fn zeros_and_constants_survive() {
        for format in [Format::Q4_K, Format::Q5_K, Format::Q6_K, Format::Q5_0, Format::Q5_1] {
            for value in [0.0f32, 1.0, -3.0] {
                let x = [value; 256];
                let mut back = [9.0f32; 256];
                dequantize(format, &quantize(format, &x).unwrap(), &mut back);
                assert!(
                    back.iter().all(|b| (b - value).abs() <= 0.04 * value.abs()),
                    "{format} {value}: {}",
                    back[0]
                );
            }
        }
    }
}

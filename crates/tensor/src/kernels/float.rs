//! Dot products of f32 rows.

#![allow(clippy::indexing_slicing, reason = "lanes of arrays of a constant size")]

const LANES: usize = 8;

/// Σ a b over the shorter length, in lanes of eight: the same order whatever else is computed.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    dots([a], b, &mut out);
    out[0]
}

/// Four rows against one.
pub(super) fn dot4(rows: [&[f32]; 4], x: &[f32]) -> [f32; 4] {
    let mut out = [0.0; 4];
    dots(rows, x, &mut out);
    out
}

fn dots<const N: usize>(rows: [&[f32]; N], x: &[f32], out: &mut [f32; N]) {
    let n = rows.iter().map(|r| r.len()).min().unwrap_or(0).min(x.len());
    let (rows, x) = (rows.map(|r| &r[..n]), &x[..n]);
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        // SAFETY: the processor has AVX2 and FMA; all slices have the same length.
        *out = unsafe { avx2(rows, x) };
        return;
    }
    *out = scalar(rows, x);
}

fn scalar<const N: usize>(rows: [&[f32]; N], x: &[f32]) -> [f32; N] {
    rows.map(|row| {
        let mut lanes = [0.0f32; LANES];
        let whole = x.len() / LANES * LANES;
        for (a, b) in row.as_chunks::<LANES>().0.iter().zip(x.as_chunks::<LANES>().0) {
            for i in 0..LANES {
                lanes[i] += a[i] * b[i];
            }
        }
        let rest: f32 = row[whole..].iter().zip(&x[whole..]).map(|(a, b)| a * b).sum();
        lanes.iter().sum::<f32>() + rest
    })
}

/// # Safety
/// All rows must be as long as `x`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const N: usize>(rows: [&[f32]; N], x: &[f32]) -> [f32; N] {
    use std::arch::x86_64::*;
    let mut sums = [[_mm256_setzero_ps(); 2]; N];
    let n = x.len();
    let mut at = 0;
    // SAFETY: `at + 16 <= n` in the loop.
    unsafe {
        while at + 2 * LANES <= n {
            let v = [_mm256_loadu_ps(x.as_ptr().add(at)), _mm256_loadu_ps(x.as_ptr().add(at + LANES))];
            for r in 0..N {
                let row = rows[r].as_ptr().add(at);
                sums[r][0] = _mm256_fmadd_ps(_mm256_loadu_ps(row), v[0], sums[r][0]);
                sums[r][1] = _mm256_fmadd_ps(_mm256_loadu_ps(row.add(LANES)), v[1], sums[r][1]);
            }
            at += 2 * LANES;
        }
    }
    let mut out = [0.0; N];
    for r in 0..N {
        let mut lanes = [0.0f32; LANES];
        // SAFETY: `lanes` has eight numbers.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(sums[r][0], sums[r][1])) };
        let rest: f32 = rows[r][at..].iter().zip(&x[at..]).map(|(a, b)| a * b).sum();
        out[r] = lanes.iter().sum::<f32>() + rest;
    }
    out
}

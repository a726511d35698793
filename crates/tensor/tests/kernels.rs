//! Products through packed strips agree with products of the widened weights, at any shape and number of rows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_tensor::kernels::{Activations, Packed, Target, product};
use lyceum_tensor::{Format, Matrix, Pool, dequantize, quantize};
use proptest::prelude::*;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect()
}

fn run(pool: &Pool, w: &Packed, x: &[f32], rows: usize) -> Vec<f32> {
    compute(pool, w, x, rows, true)
}

fn compute(pool: &Pool, w: &Packed, x: &[f32], rows: usize, steady: bool) -> Vec<f32> {
    let mut input = Activations::default();
    input.set_steady(steady);
    input.reset(rows, w.cols());
    input.rows_mut().copy_from_slice(x);
    if w.wants_quantised() {
        input.quantise(pool);
    }
    let mut out = vec![f32::NAN; rows * w.rows()];
    product(pool, &input, &mut [Target { weights: w, out: &mut out }]);
    out
}

/// All formats that are packed, and two that are not.
const FORMATS: [Format; 15] = [
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q2_K,
    Format::Q3_K,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
    Format::IQ4_NL,
    Format::IQ4_XS,
    Format::MXFP4,
    Format::BF16,
    Format::F16,
];

/// Weights of a format: rounded from noise, or where a format cannot be written blocks of noise with ordinary scales.
fn weights(format: Format, rows: usize, cols: usize, seed: u64) -> Matrix {
    let plain = Matrix::from_f32(rows, cols, noise(rows * cols, seed)).unwrap();
    if let Ok(m) = plain.quantize(format) {
        return m;
    }
    let mut bytes = vec![0u8; rows * format.bytes_of(cols).unwrap()];
    for (b, x) in bytes.iter_mut().zip(noise(rows * cols, seed)) {
        *b = (x * 251.0) as i32 as u8;
    }
    let scales: &[usize] = match format {
        Format::Q5_1 | Format::Q4_K | Format::Q5_K => &[1, 3],
        Format::Q2_K => &[81, 83],
        Format::Q3_K => &[109],
        Format::Q6_K => &[209],
        Format::MXFP4 => &[],
        _ => &[1],
    };
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        for at in scales {
            block[*at] = 0x20 | block[*at] & 0x83;
        }
        if format == Format::MXFP4 {
            block[0] = 120 + block[0] % 8;
        }
    }
    Matrix::new(rows, cols, format, bytes.into()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn packed_products_agree(
        outputs in 1usize..70, blocks in 1usize..7, rows in 1usize..70, which in 0usize..FORMATS.len(), seed: u64,
    ) {
        let format = FORMATS[which];
        let cols = if format.block_elements() == 256 { 256 * blocks.div_ceil(3) } else { 32 * blocks };
        let m = weights(format, outputs, cols, seed);
        let x = noise(rows * cols, seed ^ 1);
        let pool = Pool::new(2);
        let w = Packed::new(&m);
        let got = run(&pool, &w, &x, rows);
        let tiled = compute(&pool, &w, &x, rows, false);
        let wide = m.to_f32();
        let exact = run(&pool, &Packed::exact(&m), &x, rows);
        for r in 0..rows {
            let alone = run(&pool, &w, &x[r * cols..][..cols], 1);
            prop_assert_eq!(&alone[..], &got[r * outputs..][..outputs], "a row alone and among others");
            for o in 0..outputs {
                let pairs = x[r * cols..][..cols].iter().zip(&wide[o * cols..][..cols]);
                let want: f64 = pairs.clone().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let squares: f64 = pairs.clone().map(|(a, b)| f64::from(a * b).powi(2)).sum();
                let size: f64 = pairs.map(|(a, b)| f64::from((a * b).abs())).sum();
                let at = r * outputs + o;
                prop_assert!((f64::from(exact[at]) - want).abs() <= 1e-5 * size.max(1e-3), "exact {format}");
                let bound = if w.wants_quantised() { 3e-4 } else { 1e-5 };
                prop_assert!((f64::from(got[at]) - want).abs() <= bound * size.max(0.05), "{format}: {} is not {want}", got[at]);
                // bf16 rounds each factor by at most 2^-8; the errors add up as independent ones do, 6 deviations.
                let bound = 6.0 * squares.sqrt() / 256.0 + 1e-3 * size;
                prop_assert!((f64::from(tiled[at]) - want).abs() <= bound.max(1e-3), "{format} in tiles: {} is not {want}", tiled[at]);
            }
        }
    }

    #[test]
    fn faster_widening_gives_the_same_bits(blocks in 1usize..20, which in 0usize..5, seed: u64) {
        let format = [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::F16, Format::BF16][which];
        let n = blocks * 32;
        let bytes = quantize(format, &noise(n, seed)).unwrap();
        let m = Matrix::new(1, n, format, bytes.clone().into()).unwrap();
        let mut plain = vec![0.0; n];
        dequantize(format, &bytes, &mut plain);
        prop_assert_eq!(m.to_f32(), plain);
    }
}

#[test]
fn several_products_share_one_input() {
    let pool = Pool::new(2);
    let make = |rows, format, seed| {
        let m = Matrix::from_f32(rows, 64, noise(rows * 64, seed)).unwrap();
        Packed::new(&m.quantize(format).unwrap())
    };
    let (a, b) = (make(40, Format::Q4_1, 1), make(9, Format::Q8_0, 2));
    let x = noise(3 * 64, 3);
    let mut input = Activations::default();
    input.reset(3, 64);
    input.rows_mut().copy_from_slice(&x);
    input.quantise(&pool);
    let (mut p, mut q) = (vec![0.0; 120], vec![0.0; 27]);
    product(&pool, &input, &mut [Target { weights: &a, out: &mut p }, Target { weights: &b, out: &mut q }]);
    assert_eq!(p, run(&pool, &a, &x, 3));
    assert_eq!(q, run(&pool, &b, &x, 3));
}

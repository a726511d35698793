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
    let mut input = Activations::default();
    input.reset(rows, w.cols());
    input.rows_mut().copy_from_slice(x);
    if w.wants_quantised() {
        input.quantise(pool);
    }
    let mut out = vec![f32::NAN; rows * w.rows()];
    product(pool, &input, &mut [Target { weights: w, out: &mut out }]);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn packed_products_agree(
        outputs in 1usize..70, blocks in 1usize..7, rows in 1usize..11, which in 0usize..5, seed: u64,
    ) {
        let format = [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::F16, Format::F32][which];
        let cols = blocks * 32;
        let m = Matrix::from_f32(outputs, cols, noise(outputs * cols, seed)).unwrap().quantize(format).unwrap();
        let x = noise(rows * cols, seed ^ 1);
        let pool = Pool::new(2);
        let w = Packed::new(&m);
        let got = run(&pool, &w, &x, rows);
        let wide = m.to_f32();
        let exact = run(&pool, &Packed::exact(&m), &x, rows);
        for r in 0..rows {
            let alone = run(&pool, &w, &x[r * cols..][..cols], 1);
            prop_assert_eq!(&alone[..], &got[r * outputs..][..outputs], "a row alone and among others");
            for o in 0..outputs {
                let pairs = x[r * cols..][..cols].iter().zip(&wide[o * cols..][..cols]);
                let want: f64 = pairs.clone().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let size: f64 = pairs.map(|(a, b)| f64::from((a * b).abs())).sum();
                let at = r * outputs + o;
                prop_assert!((f64::from(exact[at]) - want).abs() <= 1e-5 * size.max(1e-3), "exact {format}");
                let bound = if w.wants_quantised() { 1e-4 } else { 1e-5 };
                prop_assert!((f64::from(got[at]) - want).abs() <= bound * size.max(0.05), "{format}: {} is not {want}", got[at]);
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

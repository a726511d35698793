//! Products of packed weights: bytes per second where few rows are computed, operations per second where many are.
//! `cargo bench -p lyceum-tensor --bench products`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use lyceum_tensor::kernels::{Activations, Packed, Target, product};
use lyceum_tensor::{Format, Matrix, Pool, level};
use std::time::Instant;

fn main() {
    let pool = Pool::global();
    let (outputs, cols, layers) = (5632, 2048, 8);
    println!("{} threads, {}, {outputs} x {cols}", pool.threads(), level().name());
    let values: Vec<f32> = (0..outputs * cols).map(|i| ((i * 7919 % 1013) as f32 / 506.0) - 1.0).collect();
    let plain = Matrix::from_f32(outputs, cols, values).unwrap();
    let formats = [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::BF16];
    for format in formats {
        let m = plain.quantize(format).unwrap();
        let packed: Vec<Packed> = (0..layers).map(|_| Packed::new(&m)).collect();
        let bytes: usize = packed.iter().map(Packed::extra_bytes).sum();
        for rows in [1, 2, 3, 4, 5, 6, 8, 16, 32, 64, 512] {
            let mut input = Activations::default();
            input.reset(rows, cols);
            input.rows_mut().iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32).sin());
            let mut out = vec![0.0; rows * outputs];
            let mut best = f64::INFINITY;
            let used = if rows > 64 { &packed[..2] } else { &packed[..] };
            for _ in 0..5 {
                let start = Instant::now();
                for w in used {
                    input.rows_mut();
                    input.quantise(pool);
                    product(pool, &input, &mut [Target { weights: w, out: &mut out }]);
                }
                best = best.min(start.elapsed().as_secs_f64() / used.len() as f64);
            }
            let ops = 2.0 * (rows * outputs * cols) as f64;
            println!(
                "{format:6} {rows:4} rows: {:8.1} us, {:6.1} GB/s, {:7.1} Gop/s",
                1e6 * best,
                bytes as f64 / layers as f64 / best / 1e9,
                ops / best / 1e9
            );
        }
    }
}

//! Operations of the tape at the shapes of a small Llama's training step: milliseconds, forward and backward, the
//! fastest of some runs, and GFLOP/s where products dominate.
//!
//! `cargo bench -p lyceum-tensor --bench tape`

use lyceum_tensor::Pool;
use lyceum_tensor::tape::{Activation, AttentionShape, RotaryTable, Segments, Tape, Tensor, Var, Weight};
use std::sync::Arc;
use std::time::Instant;

fn numbers(shape: &[usize]) -> Tensor {
    let len = shape.iter().product::<usize>();
    Tensor::new(shape.to_vec(), (0..len).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect())
}

/// Times `op` on leaves of some shapes; `flops` counts the multiplications and additions of forward and backward.
fn time(name: &str, shapes: &[&[usize]], flops: f64, op: impl Fn(&mut Tape<'_>, &[Var]) -> Var) {
    let pool = Pool::global();
    let leaves: Vec<Tensor> = shapes.iter().map(|s| numbers(s)).collect();
    let (mut forward, mut backward) = (f64::MAX, f64::MAX);
    for _ in 0..30 {
        let mut tape = Tape::new(pool);
        let vars: Vec<Var> = leaves.iter().map(|l| tape.leaf(l.clone())).collect();
        let start = Instant::now();
        let y = op(&mut tape, &vars);
        forward = forward.min(start.elapsed().as_secs_f64());
        let grad = y.value().clone();
        let start = Instant::now();
        let grads = tape.backward_from(&y, grad);
        backward = backward.min(start.elapsed().as_secs_f64());
        drop(grads);
    }
    let speed = if flops > 0.0 {
        format!("{:>7.1} {:>7.1} GFLOP/s", flops / 3e9 / forward, flops / 1.5e9 / backward)
    } else {
        String::new()
    };
    println!("{name:24} {:>8.3} {:>8.3} ms {speed}", 1e3 * forward, 1e3 * backward);
}

fn main() {
    let (rows, hidden, wide, heads, vocabulary) = (2048, 288, 768, 6, 4096);
    let linear = |k: usize, n: usize| {
        time(
            &format!("linear {k} to {n}"),
            &[&[rows, k], &[n, k]],
            6.0 * (rows * k * n) as f64,
            |tape, v| tape.linear(&v[0], &Weight::Dense(v[1].clone()), None),
        );
    };
    linear(hidden, hidden);
    linear(hidden, wide);
    linear(wide, hidden);
    let segments = Segments::from_lengths([rows / 8; 8]);
    let shape = AttentionShape { heads, kv_heads: heads, head_dim: hidden / heads, scale: 0.1, window: None };
    let square: &[usize] = &[rows, hidden];
    time("attention", &[square, square, square], 0.0, |tape, v| {
        tape.attention(&v[0], &v[1], &v[2], &segments, shape)
    });
    let positions = Arc::new(segments.positions());
    let table = RotaryTable::new(&[0.1; 24], 1.0, rows / 8);
    time("rotary", &[square], 0.0, |tape, v| tape.rotary(&v[0], hidden / heads, &positions, &table));
    time("rms norm", &[square, &[hidden]], 0.0, |tape, v| tape.rms_norm(&v[0], &v[1], 1e-5));
    time("add", &[square, square], 0.0, |tape, v| tape.add(&v[0], &v[1]));
    time("gated silu", &[&[rows, wide], &[rows, wide]], 0.0, |tape, v| tape.silu_gate(&v[0], &v[1]));
    time("silu", &[&[rows, wide]], 0.0, |tape, v| tape.activate(&v[0], Activation::Silu));
    let targets: Vec<u32> = (0..rows).map(|i| ((i * 31) % vocabulary) as u32).collect();
    let head = 6.0 * (rows * hidden * vocabulary) as f64;
    time("head with its loss", &[square, &[vocabulary, hidden]], head, |tape, v| {
        tape.head_cross_entropy(&v[0], &Weight::Dense(v[1].clone()), &targets, &vec![1.0; rows]).loss
    });
}

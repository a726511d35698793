//! Passes of a decoder: prompts, and one token of each of several sequences.
//! `LYCEUM_BENCH_MODEL=FILE cargo bench -p lyceum-engine --bench decoder -- [BATCHES…]`; batch 0 is a prompt.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use lyceum_engine::{Batch, Decoder, Precision, Row};
use lyceum_models::decoder::load_without_text;
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::Cache;
use std::time::Instant;

fn main() {
    let Ok(path) = std::env::var("LYCEUM_BENCH_MODEL") else {
        println!("LYCEUM_BENCH_MODEL names no model");
        return;
    };
    let start = Instant::now();
    let (spec, weights) = load_without_text(path.as_ref()).unwrap();
    let mut decoder = Decoder::new(spec.clone(), &weights, Precision::Fast);
    println!("{path}: loaded in {:.2} s, {}", start.elapsed().as_secs_f64(), lyceum_tensor::level().name());
    let asked: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let batches = if asked.is_empty() { vec![0, 1, 2, 3, 4, 8, 16, 32] } else { asked };
    let prompt = 512;
    let per = 40;
    let pool = Pool::global();
    let a = &spec.attention;
    let mut cache = Cache::new(spec.layers, a.kv_heads, a.head_dim, 33 * per, false);
    let table = |s: usize| (s * per..(s + 1) * per).map(|b| b as u32).collect::<Vec<_>>();
    let rows = |s: usize, from: usize, n: usize| {
        (from..from + n).map(move |p| Row { token: (p * 31 + s * 7) as u32 % 1000, position: p, table: s })
    };
    for n in batches {
        if n == 0 {
            let mut best = f64::INFINITY;
            for _ in 0..4 {
                let batch = Batch {
                    rows: rows(0, 0, prompt).collect(),
                    tables: vec![table(0)],
                    lengths: vec![prompt],
                    wanted: vec![prompt - 1],
                    ..Batch::default()
                };
                let start = Instant::now();
                decoder.forward(pool, &mut cache, &batch, |_, _| {});
                best = best.min(start.elapsed().as_secs_f64());
            }
            println!("prompt of {prompt}: {:.1} tokens/s", prompt as f64 / best);
            continue;
        }
        let mut best = f64::INFINITY;
        for i in 0..48 {
            let at = 128 + i;
            let batch = Batch {
                rows: (0..n).flat_map(|s| rows(s, at, 1)).collect(),
                tables: (0..n).map(table).collect(),
                lengths: vec![at + 1; n],
                wanted: (0..n).collect(),
                ..Batch::default()
            };
            let start = Instant::now();
            decoder.forward(pool, &mut cache, &batch, |_, _| {});
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{n:3} sequences: {:.1} tokens/s, {:.2} ms a pass", n as f64 / best, 1e3 * best);
    }
}

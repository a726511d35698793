//! What adapters cost: steps of a batch in which every row has an adapter of its own, between steps of the same batch on
//! the base alone. `cargo run --release --example adapter_cost -- MODEL [rows] [rank] [repetitions]`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement may fail loudly"
)]

use lyceum_engine::{Batch, Decoder, Precision, Prepared, Row, Segment};
use lyceum_models::decoder::load_without_text;
use lyceum_models::peft::{Adapter, Lora, LoraConfig, LoraModule};
use lyceum_models::{DecoderSpec, Module, Projection};
use lyceum_tensor::kernels::Cache;
use lyceum_tensor::{Matrix, Pool};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.02
    };
    (0..n).map(|_| next()).collect()
}

fn adapter(spec: &DecoderSpec, targets: &[Projection], r: usize, seed: u64) -> Arc<Prepared> {
    let module = |m: Module| {
        let (out, inputs) = m.shape(spec);
        LoraModule {
            module: m,
            a: Matrix::from_f32(r, inputs, noise(r * inputs, seed)).unwrap(),
            b: Matrix::from_f32(out, r, noise(out * r, seed + 1)).unwrap(),
            scale: 2.0,
            magnitude: None,
            bias: None,
        }
    };
    let modules = (0..spec.layers).flat_map(|l| targets.iter().map(move |p| Module::Layer(l, *p)));
    let lora = Lora {
        config: LoraConfig::from_json(&serde_json::json!({"peft_type": "LORA", "r": r})).unwrap(),
        modules: modules.map(module).collect(),
        embedding: None,
        embed: None,
        head: None,
        biases: Vec::new(),
        generation: format!("random-{seed}"),
    };
    Arc::new(Prepared::new("random", &Adapter::from(lora), spec, None, Precision::Fast).unwrap())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| args.get(i).map_or(default, |a| a.parse().unwrap());
    let model = args.first().expect("a model");
    let (rows, rank, reps) = (number(1, 16), number(2, 16), number(3, 15));
    let (spec, weights) = load_without_text(Path::new(model)).unwrap();
    let mut decoder = Decoder::new(spec.clone(), &weights, Precision::Fast);
    let blocks = 8;
    let mut cache =
        Cache::new(spec.layers, spec.attention.kv_heads, spec.attention.head_dim, rows * blocks, false);
    let pool = Pool::global();
    let position = 16 * blocks - 1;
    let batch = |adapters: &[Arc<Prepared>]| Batch {
        rows: (0..rows).map(|i| Row { token: 5 + i as u32, position, table: i }).collect(),
        tables: (0..rows).map(|i| (0..blocks).map(|b| (i * blocks + b) as u32).collect()).collect(),
        lengths: vec![position + 1; rows],
        segments: adapters
            .iter()
            .enumerate()
            .map(|(i, a)| Segment { rows: i..i + 1, adapter: Arc::clone(a) })
            .collect(),
        wanted: (0..rows).collect(),
    };
    use Projection as P;
    let all = [P::Q, P::K, P::V, P::O, P::Gate, P::Up, P::Down];
    let sets: [(&str, &[P]); 2] = [("q,v", &[P::Q, P::V]), ("all linear", &all)];
    for (what, targets) in sets {
        let start = Instant::now();
        let adapters: Vec<_> = (0..rows).map(|i| adapter(&spec, targets, rank, 7 * i as u64)).collect();
        let made = start.elapsed() / rows as u32;
        let (base, with) = (batch(&[]), batch(&adapters));
        let mut times: [Vec<Duration>; 2] = Default::default();
        for i in 0..2 * reps {
            let start = Instant::now();
            decoder.forward(pool, &mut cache, [&base, &with][i % 2], |_, _| {});
            times[i % 2].push(start.elapsed());
        }
        times.iter_mut().for_each(|t| t.sort());
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let [b, w] = &times;
        println!(
            "{rows} rows, rank {rank} on {what}: base {:.2} ms (median {:.2}), adapters {:.2} ms (median {:.2}): \
             {:.3} of the base's throughput (median {:.3}); {:.1} MB each, made in {:.1} ms",
            ms(b[0]),
            ms(b[reps / 2]),
            ms(w[0]),
            ms(w[reps / 2]),
            ms(b[0]) / ms(w[0]),
            ms(b[reps / 2]) / ms(w[reps / 2]),
            adapters[0].bytes() as f64 / 1e6,
            ms(made),
        );
    }
}

//! Random adapters for measurements: distinct, of one rank, on the layers that are named.

use lyceum_core::{Error, Result};
use lyceum_models::peft::{Adapter, Lora, LoraConfig, LoraModule};
use lyceum_models::{DecoderSpec, Module, Projection};
use lyceum_tensor::Matrix;

/// The layers as PEFT's `target_modules` names them.
const NAMES: [(&str, Projection); 7] = [
    ("q_proj", Projection::Q),
    ("k_proj", Projection::K),
    ("v_proj", Projection::V),
    ("o_proj", Projection::O),
    ("gate_proj", Projection::Gate),
    ("up_proj", Projection::Up),
    ("down_proj", Projection::Down),
];

/// Stands for all of them.
const ALL: &str = "all-linear";

/// The layers of those names; `all-linear` means all. A name that is none of them is an error.
pub(crate) fn targets(names: &[String]) -> Result<Vec<Projection>> {
    if names.iter().any(|n| n == ALL) {
        return Ok(Projection::ALL.to_vec());
    }
    let target = |name: &String| {
        let known = NAMES.iter().find(|(n, _)| n == name).map(|(_, p)| *p);
        known.ok_or_else(|| {
            let e = Error::invalid(format!("no layer is named `{name}`")).at_key("target-modules");
            e.did_you_mean(name, NAMES.iter().map(|(n, _)| *n).chain([ALL]))
        })
    };
    let mut targets = names.iter().map(target).collect::<Result<Vec<_>>>()?;
    targets.sort();
    targets.dedup();
    Ok(targets)
}

/// Random numbers, the same for the same seed (splitmix64).
pub(crate) fn draws(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A LoRA of rank `rank` with small random factors on the `targets` of every layer.
pub(crate) fn random(spec: &DecoderSpec, targets: &[Projection], rank: usize, seed: u64) -> Result<Adapter> {
    // Each adapter has a stretch of seeds of its own.
    let mut draw = draws(seed.wrapping_add(1).wrapping_mul(0xD134_2543_DE82_EF95));
    let mut matrix = |rows: usize, columns: usize| {
        let number = |bits: u64| ((bits >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.02;
        Matrix::from_f32(rows, columns, (0..rows * columns).map(|_| number(draw())).collect())
    };
    let mut modules = Vec::new();
    for layer in 0..spec.layers {
        for target in targets {
            let module = Module::Layer(layer, *target);
            let (outputs, inputs) = module.shape(spec);
            let (a, b) = (matrix(rank, inputs)?, matrix(outputs, rank)?);
            modules.push(LoraModule { module, a, b, scale: 1.0, magnitude: None, bias: None });
        }
    }
    Ok(Adapter::from(Lora {
        config: LoraConfig::from_json(&serde_json::json!({"peft_type": "LORA", "r": rank}))?,
        modules,
        embedding: None,
        embed: None,
        head: None,
        biases: Vec::new(),
        generation: format!("random-{seed}"),
    }))
}

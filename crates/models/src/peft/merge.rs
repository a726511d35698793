//! LoRAs merged into one, factor by factor as PEFT's `add_weighted_adapter` does it: each A and each B counts with
//! √(weight · scale), the result has scale 1. DARE divides what it keeps by the density, as its paper has it.

use super::{BiasKind, Lora, LoraConfig, LoraModule};
use crate::Module;
use lyceum_core::{AdapterMerge, Error, MajoritySign, MergeStrategy, Result};
use lyceum_tensor::Matrix;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Most adapters of a merge.
const MOST: usize = 64;
/// Largest rank that joined factors may have.
const MAX_RANK: usize = 4096;

/// Merges LoRAs with their weights. Fails where ranks differ (except for [`MergeStrategy::Cat`]), where an adapter has
/// more than low-rank terms, where a weight or the density makes no sense.
pub fn merge(parts: &[(Lora, f32)], how: &AdapterMerge) -> Result<Lora> {
    let mut draws = 0;
    let mut keep = |n: usize| {
        draws += 1;
        (0..n as u64).map(|i| uniform(how.seed, draws, i) < f64::from(how.density)).collect()
    };
    merge_with(parts, how, &mut keep, 1.0 / how.density)
}

/// As [`merge`]; `keep` draws DARE's masks in the order of modules (A of each adapter, then B of each), `rescale` is what
/// kept numbers are multiplied with.
fn merge_with(
    parts: &[(Lora, f32)],
    how: &AdapterMerge,
    keep: &mut dyn FnMut(usize) -> Vec<bool>,
    rescale: f32,
) -> Result<Lora> {
    check(parts, how)?;
    let modules: BTreeSet<Module> =
        parts.iter().flat_map(|(l, _)| l.modules.iter().map(|m| m.module)).collect();
    let mut merged = Vec::with_capacity(modules.len());
    for module in modules {
        let of = |(lora, w): &(Lora, f32)| {
            lora.modules.iter().find(|m| m.module == module).map(|m| Part::new(m, *w))
        };
        let found: Vec<Part> = parts.iter().filter_map(of).collect();
        merged.push(if how.strategy == MergeStrategy::Cat {
            join(module, &found)?
        } else {
            let (r, inputs, outputs) =
                found.first().map_or((0, 0, 0), |p| (p.r, p.a.len() / p.r, p.b.len() / p.r));
            if found.iter().any(|p| p.r != r) {
                let ranks = found.iter().map(|p| p.r.to_string()).collect::<Vec<_>>().join(", ");
                return Err(Error::invalid(format!("adapters of different ranks at `{module}`: {ranks}"))
                    .hint("the strategy `cat` merges them"));
            }
            let a: Vec<(&[f32], f32)> = found.iter().map(|p| (&p.a[..], p.root)).collect();
            let a = factor(&a, how, keep, rescale);
            let b: Vec<(&[f32], f32)> = found.iter().map(|p| (&p.b[..], p.root * p.sign)).collect();
            let b = factor(&b, how, keep, rescale);
            (Matrix::from_f32(r, inputs, a)?, Matrix::from_f32(outputs, r, b)?, module)
        });
    }
    let modules: Vec<LoraModule> = merged
        .into_iter()
        .map(|(a, b, module)| LoraModule { module, a, b, scale: 1.0, magnitude: None, bias: None })
        .collect();
    let r = modules.iter().map(|m| m.a.rows()).max().unwrap_or(0);
    let config = LoraConfig {
        r,
        alpha: r as f64,
        rslora: false,
        dora: false,
        lora_bias: false,
        bias: BiasKind::None,
        modules_to_save: Vec::new(),
        rank_pattern: Vec::new(),
        alpha_pattern: Vec::new(),
        ..parts.first().map(|(l, _)| l.config.clone()).ok_or_else(|| Error::internal("nothing to merge"))?
    };
    let generation = generation(parts, how);
    Ok(Lora { config, modules, embedding: None, embed: None, head: None, biases: Vec::new(), generation })
}

fn check(parts: &[(Lora, f32)], how: &AdapterMerge) -> Result<()> {
    if parts.is_empty() || parts.len() > MOST {
        return Err(Error::invalid(format!(
            "from 1 to {MOST} adapters can be merged, {} are named",
            parts.len()
        )));
    }
    if let Some((_, w)) = parts.iter().find(|(_, w)| !w.is_finite()) {
        return Err(Error::invalid(format!("{w} is no weight")).at_key("weights"));
    }
    let whole = matches!(how.strategy, MergeStrategy::Linear | MergeStrategy::Cat);
    let is_share = how.density > 0.0 && how.density <= 1.0;
    if !(whole || is_share) {
        let m = format!("the density is {}, over 0 and at most 1 expected", how.density);
        return Err(Error::invalid(m).at_key("density"));
    }
    for (lora, _) in parts {
        let more = [
            (lora.config.dora, "DoRA's magnitudes"),
            (!lora.biases.is_empty() || lora.modules.iter().any(|m| m.bias.is_some()), "biases"),
            (lora.embedding.is_some(), "a term of the embeddings"),
            (lora.embed.is_some() || lora.head.is_some(), "tables stored whole"),
        ];
        if let Some((_, what)) = more.iter().find(|(is, _)| *is) {
            return Err(Error::unsupported(format!("an adapter with {what} cannot be merged with others")));
        }
    }
    Ok(())
}

/// One adapter's factors of a module.
struct Part {
    a: Vec<f32>,
    b: Vec<f32>,
    r: usize,
    /// √|weight · scale|, and the sign of the weight.
    root: f32,
    sign: f32,
}

impl Part {
    fn new(m: &LoraModule, weight: f32) -> Self {
        let product = weight * m.scale;
        let sign = if product < 0.0 { -1.0 } else { 1.0 };
        Self { a: m.a.to_f32(), b: m.b.to_f32(), r: m.a.rows().max(1), root: product.abs().sqrt(), sign }
    }
}

/// The sum of the products: factors beside each other.
fn join(module: Module, parts: &[Part]) -> Result<(Matrix, Matrix, Module)> {
    let r: usize = parts.iter().map(|p| p.r).sum();
    if r > MAX_RANK {
        return Err(Error::invalid(format!("the joined rank at `{module}` is {r}, at most {MAX_RANK}")));
    }
    let (inputs, outputs) = parts.first().map_or((0, 0), |p| (p.a.len() / p.r, p.b.len() / p.r));
    let a = parts.iter().flat_map(|p| p.a.iter().copied()).collect();
    let row = |o: usize| {
        parts.iter().flat_map(move |p| {
            let scale = p.root * p.root * p.sign;
            p.b.iter().skip(o * p.r).take(p.r).map(move |b| scale * b)
        })
    };
    let b = (0..outputs).flat_map(row).collect();
    Ok((Matrix::from_f32(r, inputs, a)?, Matrix::from_f32(outputs, r, b)?, module))
}

/// Merges one factor of all adapters: numbers and weight of each.
fn factor(
    parts: &[(&[f32], f32)],
    how: &AdapterMerge,
    keep: &mut dyn FnMut(usize) -> Vec<bool>,
    rescale: f32,
) -> Vec<f32> {
    use MergeStrategy as S;
    let pruned: Vec<(Vec<f32>, f32)> = parts
        .iter()
        .map(|(numbers, w)| {
            let numbers = match how.strategy {
                S::Linear | S::Cat => numbers.to_vec(),
                S::Ties | S::MagnitudePrune => trimmed(numbers, how.density),
                S::DareLinear | S::DareTies => {
                    let mask = keep(numbers.len());
                    numbers.iter().zip(mask).map(|(x, k)| if k { x * rescale } else { 0.0 }).collect()
                }
            };
            (numbers, *w)
        })
        .collect();
    let elects = matches!(how.strategy, S::Ties | S::DareTies);
    let n = pruned.iter().map(|(v, _)| v.len()).min().unwrap_or(0);
    let column = |i: usize| pruned.iter().filter_map(move |(v, w)| v.get(i).map(|x| (*x, *w)));
    let sum = |i: usize| column(i).map(|(x, w)| w * x).sum::<f32>();
    let agreed = |i: usize| {
        let votes: f32 = match how.sign {
            MajoritySign::Total => column(i).map(|(x, _)| x).sum(),
            MajoritySign::Frequency => column(i).map(|(x, _)| if x == 0.0 { 0.0 } else { x.signum() }).sum(),
        };
        let elected = |x: f32| if votes >= 0.0 { x > 0.0 } else { x < 0.0 };
        let (mut total, mut count) = (0.0, 0);
        for (x, w) in column(i).filter(|(x, _)| elected(*x)) {
            total += w * x;
            count += 1;
        }
        total / count.max(1) as f32
    };
    (0..n).map(|i| if elects { agreed(i) } else { sum(i) }).collect()
}

/// The largest share `density` of the numbers by magnitude, zeros for the others.
fn trimmed(numbers: &[f32], density: f32) -> Vec<f32> {
    let most = (f64::from(density) * numbers.len() as f64) as usize;
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    let size = |i: &usize| numbers.get(*i).map_or(0.0, |x| x.abs());
    order.sort_by(|i, j| size(j).total_cmp(&size(i)));
    let mut out = vec![0.0; numbers.len()];
    for i in order.into_iter().take(most) {
        if let (Some(to), Some(x)) = (out.get_mut(i), numbers.get(i)) {
            *to = *x;
        }
    }
    out
}

/// In [0, 1), fixed by its three numbers (splitmix64).
fn uniform(seed: u64, draw: u64, i: u64) -> f64 {
    let mut z = seed ^ draw.wrapping_mul(0xD1B5_4A32_D192_ED03);
    z = z.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Hash of the parts' generations and of the settings.
fn generation(parts: &[(Lora, f32)], how: &AdapterMerge) -> String {
    let mut hash = Sha256::new();
    for (lora, weight) in parts {
        hash.update(format!("{} {weight:?}\n", lora.generation));
    }
    hash.update(format!("{:?} {:?} {:?} {}", how.strategy, how.density, how.sign, how.seed));
    hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;

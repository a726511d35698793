//! A LoRA's tensors against a base: every one must map, every shape must fit.

use super::adapter::Opened;
use super::parts::{Found, Parts, sort};
use super::{BiasKind, Lora, LoraConfig, LoraModule, LowRankPair};
use crate::{DecoderSpec, Module};
use lyceum_core::{Error, Result};
use lyceum_tensor::Matrix;

const EMBED: &str = "model.embed_tokens";

/// Checks the tensors of a LoRA. Fails, naming the tensor and both shapes, when anything does not fit the base.
pub(super) fn check(opened: &Opened, spec: &DecoderSpec) -> Result<Lora> {
    let config = LoraConfig::from_json(&opened.config).map_err(|e| e.in_file(&opened.config_path))?;
    let found = sort(&opened.tensors, spec)?;
    assemble(found, config, opened.generation.clone(), spec)
}

fn assemble(found: Found, config: LoraConfig, generation: String, spec: &DecoderSpec) -> Result<Lora> {
    let modules = found.modules.into_iter().map(|(module, parts)| fit(module, parts, &config, spec));
    let modules = modules.collect::<Result<Vec<_>>>()?;
    let embedding = match (found.embedding_a, found.embedding_b) {
        (None, None) => None,
        (a, b) => Some(low_rank(EMBED, (a, b), (spec.hidden, spec.vocab), &config)?),
    };
    for (name, table) in [(EMBED, &found.embed), ("lm_head", &found.head)] {
        table.as_ref().map_or(Ok(()), |t| whole(name, t, spec))?;
    }
    let saved =
        |name: &str| config.modules_to_save.iter().any(|m| m == name || m.ends_with(&format!(".{name}")));
    for (name, table) in [("embed_tokens", &found.embed), ("lm_head", &found.head)] {
        if saved(name) && table.is_none() {
            return Err(Error::corrupt(format!("`{name}` is in modules_to_save, but its weight is missing")));
        }
    }
    for (module, bias) in &found.biases {
        if config.bias == BiasKind::None {
            return Err(Error::corrupt(format!("`{module}` has a bias, but adapter_config.json says none")));
        }
        vector(&module.to_string(), "bias", bias, module.shape(spec).0)?;
    }
    if modules.is_empty() && embedding.is_none() && found.embed.is_none() && found.head.is_none() {
        return Err(Error::corrupt("the adapter changes no module"));
    }
    let biases = found.biases.into_iter().collect();
    Ok(Lora { config, modules, embedding, embed: found.embed, head: found.head, biases, generation })
}

fn fit(module: Module, parts: Parts, config: &LoraConfig, spec: &DecoderSpec) -> Result<LoraModule> {
    let name = module.to_string();
    let Parts { a, b, magnitude, low_bias } = parts;
    let LowRankPair { a, b, scale } = low_rank(&name, (a, b), module.shape(spec), config)?;
    for (what, key, there, said) in [
        ("lora_magnitude_vector", "use_dora", magnitude.is_some(), config.dora),
        ("lora_B.bias", "lora_bias", low_bias.is_some(), config.lora_bias),
    ] {
        if there != said {
            let has = if there { "a" } else { "no" };
            return Err(Error::corrupt(format!("`{name}` has {has} {what}, but `{key}` is {said}")));
        }
    }
    for (what, numbers) in [("lora_magnitude_vector", &magnitude), ("lora_B.bias", &low_bias)] {
        numbers.as_ref().map_or(Ok(()), |v| vector(&name, what, v, b.rows()))?;
    }
    let bias = low_bias.map(|v| v.into_iter().map(|x| x * scale).collect());
    Ok(LoraModule { module, a, b, scale, magnitude, bias })
}

fn low_rank(
    name: &str,
    pair: (Option<Matrix>, Option<Matrix>),
    (out, inputs): (usize, usize),
    config: &LoraConfig,
) -> Result<LowRankPair> {
    let (Some(a), Some(b)) = pair else {
        return Err(Error::corrupt(format!("`{name}` has not both of lora_A and lora_B")));
    };
    if a.cols() != inputs || b.rows() != out {
        return Err(Error::invalid(format!(
            "the adapter is for another base: at `{name}` it maps {} to {}, the base maps {inputs} to {out}",
            a.cols(),
            b.rows()
        )));
    }
    let r = config.rank_of(name);
    if a.rows() != b.cols() || a.rows() != r {
        return Err(Error::invalid(format!(
            "rank mismatch at `{name}`: lora_A has {}, lora_B has {}, adapter_config.json says {r}",
            a.rows(),
            b.cols()
        )));
    }
    [&a, &b].into_iter().try_for_each(|m| finite(name, m))?;
    Ok(LowRankPair { a, b, scale: config.scale_of(name, r) })
}

/// A table stored whole.
fn whole(name: &str, table: &Matrix, spec: &DecoderSpec) -> Result<()> {
    let want = (spec.vocab, spec.hidden);
    if (table.rows(), table.cols()) != want {
        let (rows, cols) = (table.rows(), table.cols());
        return Err(Error::invalid(format!(
            "the adapter is for another base: its `{name}` is {rows} x {cols}, the base's {} x {}",
            want.0, want.1
        )));
    }
    finite(name, table)
}

pub(super) fn vector(name: &str, what: &str, numbers: &[f32], out: usize) -> Result<()> {
    if numbers.len() != out {
        let n = numbers.len();
        return Err(Error::invalid(format!("`{name}`: {what} has {n} numbers, the base has {out} outputs")));
    }
    if numbers.iter().any(|x| !x.is_finite()) {
        return Err(not_finite(name));
    }
    Ok(())
}

pub(super) fn finite(name: &str, m: &Matrix) -> Result<()> {
    let mut row = vec![0.0; m.cols()];
    for r in 0..m.rows() {
        m.dequantize_rows(r..r + 1, &mut row);
        if row.iter().any(|x| !x.is_finite()) {
            return Err(not_finite(name));
        }
    }
    Ok(())
}

pub(super) fn not_finite(name: &str) -> Error {
    Error::corrupt(format!("`{name}` holds numbers that are not finite"))
}

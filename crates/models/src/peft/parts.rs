//! Which part of an adapter each tensor of the file is, by PEFT's names.

use crate::{DecoderSpec, Module};
use lyceum_core::{Error, Result};
use lyceum_tensor::Matrix;
use lyceum_tensor::safetensors::Safetensors;
use std::collections::BTreeMap;

/// Names of tensors begin with this.
pub(super) const PREFIX: &str = "base_model.model.";

const EMBED: &str = "model.embed_tokens";

/// Ends of the names of a module's tensors, longer ones before those that they end with.
const SUFFIXES: [&str; 7] = [
    ".lora_A.weight",
    ".lora_B.weight",
    ".lora_B.bias",
    ".lora_magnitude_vector",
    ".lora_magnitude_vector.weight",
    ".base_layer.bias",
    ".bias",
];

/// What the file has for one module.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) a: Option<Matrix>,
    pub(super) b: Option<Matrix>,
    /// DoRA's lengths.
    pub(super) magnitude: Option<Vec<f32>>,
    /// Bias of B.
    pub(super) low_bias: Option<Vec<f32>>,
}

/// All parts of a file.
#[derive(Default)]
pub(super) struct Found {
    pub(super) modules: BTreeMap<Module, Parts>,
    pub(super) biases: BTreeMap<Module, Vec<f32>>,
    pub(super) embedding_a: Option<Matrix>,
    pub(super) embedding_b: Option<Matrix>,
    pub(super) embed: Option<Matrix>,
    pub(super) head: Option<Matrix>,
}

/// Sorts the tensors of a file; those that fit no module of the base fail the load by name.
pub(super) fn sort(tensors: &Safetensors, spec: &DecoderSpec) -> Result<Found> {
    let mut found = Found::default();
    let mut strange = Vec::new();
    for name in tensors.tensors().keys() {
        let path = name.strip_prefix(PREFIX);
        let placed = path.map(|path| place(&mut found, path, tensors, name, spec)).transpose()?;
        if placed != Some(true) {
            strange.push(name.as_str());
        }
    }
    all_placed(strange, spec).map(|()| found)
}

/// Fails with the list when there are tensors that belong nowhere.
pub(super) fn all_placed(mut strange: Vec<&str>, spec: &DecoderSpec) -> Result<()> {
    if strange.is_empty() {
        return Ok(());
    }
    strange.sort_unstable();
    let shown = strange.iter().take(5).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let more = if strange.len() > 5 { format!(" and {} more", strange.len() - 5) } else { String::new() };
    Err(Error::invalid(format!("tensors that fit no module of the base: {shown}{more}")).hint(format!(
        "the base is a `{}` of {} layers; was the adapter trained on another?",
        spec.architecture, spec.layers
    )))
}

/// Puts one tensor where it belongs; false when it belongs nowhere.
fn place(
    found: &mut Found,
    path: &str,
    tensors: &Safetensors,
    name: &str,
    spec: &DecoderSpec,
) -> Result<bool> {
    let matrix = || tensors.matrix(name).map(Some);
    if let Some(part) = path.strip_prefix(EMBED).and_then(|p| p.strip_prefix('.')) {
        match part {
            "lora_embedding_A" => found.embedding_a = matrix()?,
            "lora_embedding_B" => found.embedding_b = matrix()?,
            // PEFT writes the table beside its low-rank term: it is what the term was trained on.
            "weight" | "base_layer.weight" => found.embed = matrix()?,
            _ => return Ok(false),
        }
        return Ok(true);
    }
    if path == "lm_head.weight" || path == "lm_head.base_layer.weight" {
        found.head = matrix()?;
        return Ok(true);
    }
    let split = SUFFIXES.iter().find_map(|s| path.strip_suffix(s).map(|module| (module, *s)));
    let Some((module, suffix)) = split.and_then(|(m, s)| Some((Module::parse(m, spec)?, s))) else {
        return Ok(false);
    };
    let parts = found.modules.entry(module);
    match suffix {
        ".lora_A.weight" => parts.or_default().a = matrix()?,
        ".lora_B.weight" => parts.or_default().b = matrix()?,
        ".lora_B.bias" => parts.or_default().low_bias = Some(tensors.vector(name)?),
        ".base_layer.bias" | ".bias" if module == Module::Head => return Ok(false),
        ".base_layer.bias" | ".bias" => {
            found.biases.insert(module, tensors.vector(name)?);
        }
        _ => parts.or_default().magnitude = Some(tensors.vector(name)?),
    }
    Ok(true)
}

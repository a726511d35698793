//! Reading an adapter folder against a base: every tensor must map, every shape must fit.

use super::{Lora, LoraConfig, LoraModule};
use crate::{DecoderSpec, Module, files};
use lyceum_core::{Error, Result};
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::{Matrix, refuse_pickle};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of tensors begin with this.
pub(super) const PREFIX: &str = "base_model.model.";

/// Reads and checks a folder. Fails, naming the tensor and both shapes, when anything does not fit the base.
pub fn read(folder: &Path, spec: &DecoderSpec) -> Result<Lora> {
    let config_path = folder.join("adapter_config.json");
    if !config_path.is_file() {
        return Err(Error::not_found("no adapter_config.json: not an adapter folder").in_file(folder));
    }
    let config = LoraConfig::from_json(&files::json(&config_path)?).map_err(|e| e.in_file(&config_path))?;
    let weights_path = folder.join("adapter_model.safetensors");
    if !weights_path.is_file() {
        refuse_pickle(&folder.join("adapter_model.bin"))
            .or_else(|e| if folder.join("adapter_model.bin").exists() { Err(e) } else { Ok(()) })?;
        return Err(Error::not_found("no adapter_model.safetensors").in_file(folder));
    }
    let tensors = Safetensors::open(&weights_path)?;
    let pairs = pairs(&tensors, spec).map_err(|e| e.in_file(&weights_path))?;
    let modules = pairs.into_iter().map(|(module, pair)| fit(module, pair, &config, spec));
    let modules = modules.collect::<Result<Vec<_>>>().map_err(|e| e.in_file(&weights_path))?;
    if modules.is_empty() {
        return Err(Error::corrupt("the adapter changes no module").in_file(&weights_path));
    }
    Ok(Lora { generation: generation(&config_path, &weights_path)?, config, modules })
}

#[derive(Default)]
struct Pair {
    a: Option<Matrix>,
    b: Option<Matrix>,
}

fn pairs(tensors: &Safetensors, spec: &DecoderSpec) -> Result<BTreeMap<Module, Pair>> {
    let mut found: BTreeMap<Module, Pair> = BTreeMap::new();
    let mut strange = Vec::new();
    for name in tensors.tensors().keys() {
        match place(name, spec) {
            Some((module, true)) => found.entry(module).or_default().a = Some(tensors.matrix(name)?),
            Some((module, false)) => found.entry(module).or_default().b = Some(tensors.matrix(name)?),
            None => strange.push(name.as_str()),
        }
    }
    if strange.is_empty() {
        return Ok(found);
    }
    strange.sort_unstable();
    let shown = strange.iter().take(5).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let more = if strange.len() > 5 { format!(" and {} more", strange.len() - 5) } else { String::new() };
    Err(Error::invalid(format!("tensors that fit no module of the base: {shown}{more}")).hint(format!(
        "the base is a `{}` of {} layers; was the adapter trained on another?",
        spec.architecture, spec.layers
    )))
}

/// The module of a tensor, and whether it is its A.
fn place(name: &str, spec: &DecoderSpec) -> Option<(Module, bool)> {
    let path = name.strip_prefix(PREFIX)?;
    let (module, a) = match path.strip_suffix(".lora_A.weight") {
        Some(module) => (module, true),
        None => (path.strip_suffix(".lora_B.weight")?, false),
    };
    Some((Module::parse(module, spec)?, a))
}

fn fit(module: Module, pair: Pair, config: &LoraConfig, spec: &DecoderSpec) -> Result<LoraModule> {
    let name = module.to_string();
    let (Some(a), Some(b)) = (pair.a, pair.b) else {
        return Err(Error::corrupt(format!("`{name}` has only one of lora_A and lora_B")));
    };
    let (out, inputs) = module.shape(spec);
    if a.cols() != inputs || b.rows() != out {
        return Err(Error::invalid(format!(
            "the adapter is for another base: at `{name}` it maps {} to {}, the base maps {inputs} to {out}",
            a.cols(),
            b.rows()
        )));
    }
    let r = config.rank_of(&name);
    if a.rows() != b.cols() || a.rows() != r {
        return Err(Error::invalid(format!(
            "rank mismatch at `{name}`: lora_A has {}, lora_B has {}, adapter_config.json says {r}",
            a.rows(),
            b.cols()
        )));
    }
    if [&a, &b].iter().any(|m| m.to_f32().iter().any(|x| !x.is_finite())) {
        return Err(Error::corrupt(format!("`{name}` holds numbers that are not finite")));
    }
    let scale = config.scale_of(&name, r);
    Ok(LoraModule { module, a, b, scale })
}

fn generation(config: &Path, weights: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for path in [config, weights] {
        hash.update(std::fs::read(path).map_err(|e| Error::io(path, "read", e))?);
    }
    Ok(hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect())
}

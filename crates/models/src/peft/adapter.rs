//! An adapter folder of any kind that is read here.

use super::{AdaptionPrompt, Ia3, Lora, ia3, lora, prompt, vera};
use crate::{DecoderSpec, files};
use lyceum_core::{Error, Result};
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::{SharedBytes, refuse_pickle};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The kinds of PEFT that are read.
const KINDS: [&str; 4] = ["LORA", "VERA", "IA3", "ADAPTION_PROMPT"];

/// An adapter that fits its base.
#[derive(Debug, Clone)]
pub enum Adapter {
    /// Low-rank terms; VeRA's are multiplied out.
    Lora(Box<Lora>),
    /// Scales of inputs and outputs.
    Ia3(Ia3),
    /// Keys and values beside those of the text.
    Prompt(AdaptionPrompt),
}

impl From<Lora> for Adapter {
    fn from(lora: Lora) -> Self {
        Self::Lora(Box::new(lora))
    }
}

impl Adapter {
    /// Hash of both files.
    pub fn generation(&self) -> &str {
        match self {
            Self::Lora(l) => &l.generation,
            Self::Ia3(i) => &i.generation,
            Self::Prompt(p) => &p.generation,
        }
    }

    /// Whether preparing it to compute needs the base's weights.
    pub fn needs_base(&self) -> bool {
        match self {
            Self::Lora(l) => l.needs_base(),
            // IA³ scales the base's biases too; a prompt becomes keys and values by the base's projections.
            Self::Ia3(_) | Self::Prompt(_) => true,
        }
    }
}

/// Both files of a folder, opened.
pub(super) struct Opened {
    pub(super) config_path: PathBuf,
    pub(super) config: Value,
    pub(super) tensors: Safetensors,
    pub(super) generation: String,
}

/// Reads and checks a LoRA (or a VeRA, as a LoRA). Other kinds are refused by name; otherwise as [`read_any`].
pub fn read(folder: &Path, spec: &DecoderSpec) -> Result<Lora> {
    let kind = match read_any(folder, spec)? {
        Adapter::Lora(lora) => return Ok(*lora),
        Adapter::Ia3(_) => "IA3",
        Adapter::Prompt(_) => "ADAPTION_PROMPT",
    };
    Err(Error::unsupported(format!("an adapter of kind {kind} is no low-rank term; LORA and VERA are"))
        .in_file(folder.join("adapter_config.json"))
        .at_key("peft_type"))
}

/// Reads and checks an adapter folder. Fails, naming the tensor and both shapes, when anything does not fit the base;
/// with a list of the tensors that belong nowhere, where there are such.
pub fn read_any(folder: &Path, spec: &DecoderSpec) -> Result<Adapter> {
    let config_path = folder.join("adapter_config.json");
    if !config_path.is_file() {
        return Err(Error::not_found("no adapter_config.json: not an adapter folder").in_file(folder));
    }
    let config = files::json(&config_path)?;
    let kind = config.get("peft_type").and_then(Value::as_str).unwrap_or("(none)").to_string();
    if !KINDS.contains(&kind.as_str()) {
        let e = Error::unsupported(format!("adapters of kind {kind} are not read; {} are", KINDS.join(", ")));
        let e = e.in_file(&config_path).at_key("peft_type").did_you_mean(&kind, KINDS);
        return Err(e.hint("merge it into its base with PEFT, and use that model"));
    }
    let weights_path = folder.join("adapter_model.safetensors");
    if !weights_path.is_file() {
        let pickled = folder.join("adapter_model.bin");
        if pickled.exists() {
            refuse_pickle(&pickled)?;
        }
        return Err(Error::not_found("no adapter_model.safetensors").in_file(folder));
    }
    let tensors = Safetensors::open(&weights_path)?;
    let generation = generation(&config_path, &weights_path)?;
    let opened = Opened { config_path, config, tensors, generation };
    let read = match kind.as_str() {
        "VERA" => vera::read(&opened, spec).map(Adapter::from),
        "IA3" => ia3::read(&opened, spec).map(Adapter::Ia3),
        "ADAPTION_PROMPT" => prompt::read(&opened, spec).map(Adapter::Prompt),
        _ => lora::check(&opened, spec).map(Adapter::from),
    };
    read.map_err(|e| if e.at().file.is_some() { e } else { e.in_file(&weights_path) })
}

/// Fails when a setting is there that changes the arithmetic in a way that is not done here.
pub(super) fn refuse(opened: &Opened, keys: &[(&str, &str)]) -> Result<()> {
    let set = |key: &str| match opened.config.get(key) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(a)) => !a.is_empty(),
        Some(Value::String(s)) => s != "none",
        Some(_) => true,
    };
    match keys.iter().find(|(key, _)| set(key)) {
        None => Ok(()),
        Some((key, what)) => {
            Err(Error::unsupported(format!("{what} in an adapter of this kind is not done here"))
                .in_file(&opened.config_path)
                .at_key(*key))
        }
    }
}

fn generation(config: &Path, weights: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for path in [config, weights] {
        hash.update(&*SharedBytes::map(path)?);
    }
    Ok(hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect())
}

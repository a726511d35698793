//! LLaMA-Adapter (Zhang et al. 2023), PEFT's ADAPTION_PROMPT: in the upper layers every token attends to a learnt prompt
//! as well, and a learnt gate says how much of that is added to its attention.

use super::adapter::Opened;
use super::lora::{finite, not_finite};
use super::parts::{PREFIX, all_placed};
use crate::DecoderSpec;
use lyceum_core::{Error, Result};
use lyceum_tensor::Matrix;
use std::collections::BTreeMap;

/// An adaption prompt.
#[derive(Debug, Clone)]
pub struct AdaptionPrompt {
    /// Tokens of each prompt.
    pub len: usize,
    /// Its layers, ascending.
    pub layers: Vec<PromptLayer>,
    /// Hash of both files.
    pub generation: String,
}

/// The prompt of one layer.
#[derive(Debug, Clone)]
pub struct PromptLayer {
    /// Which layer.
    pub layer: usize,
    /// `[len, hidden]`; the layer's own projections make keys and values of it, without rotation.
    pub prompt: Matrix,
    /// What the attention to the prompt is multiplied with.
    pub gate: f32,
}

/// Architectures whose attention PEFT changes in this way.
const BASES: [&str; 2] = ["llama", "mistral"];

pub(super) fn read(opened: &Opened, spec: &DecoderSpec) -> Result<AdaptionPrompt> {
    if !BASES.contains(&spec.architecture.as_str()) {
        let m = format!(
            "adaption prompts over a `{}` are not done; {} are",
            spec.architecture,
            BASES.join(" and ")
        );
        return Err(Error::unsupported(m).at_key("peft_type"));
    }
    let number = |key: &str| {
        let n =
            opened.config.get(key).and_then(serde_json::Value::as_u64).filter(|n| (1..=1 << 16).contains(n));
        let e =
            || Error::corrupt("a number from 1 to 65536 expected").in_file(&opened.config_path).at_key(key);
        n.map(|n| n as usize).ok_or_else(e)
    };
    let (len, count) = (number("adapter_len")?, number("adapter_layers")?);
    let mut layers: BTreeMap<usize, (Option<Matrix>, Option<f32>)> = BTreeMap::new();
    let mut strange = Vec::new();
    for name in opened.tensors.tensors().keys() {
        let Some((layer, part)) = place(name, spec) else {
            strange.push(name.as_str());
            continue;
        };
        let entry = layers.entry(layer).or_default();
        match part {
            "adaption_prompt" => {
                let numbers = opened.tensors.f32(name)?;
                let shape = &opened.tensors.tensor(name)?.shape;
                if *shape != [1, len, spec.hidden] {
                    return Err(Error::invalid(format!(
                        "`{name}` has the shape {shape:?}, {:?} expected: the adapter is for another base, or \
                         adapter_len is wrong",
                        [1, len, spec.hidden]
                    )));
                }
                let prompt = Matrix::from_f32(len, spec.hidden, numbers)?;
                finite(name, &prompt)?;
                entry.0 = Some(prompt);
            }
            _ => {
                let gate = opened.tensors.f32(name)?;
                let [gate] = gate[..] else {
                    return Err(Error::invalid(format!("`{name}` has {} numbers, one expected", gate.len())));
                };
                if !gate.is_finite() {
                    return Err(not_finite(name));
                }
                entry.1 = Some(gate);
            }
        }
    }
    all_placed(strange, spec)?;
    if layers.len() != count {
        let n = layers.len();
        return Err(Error::corrupt(format!("{n} layers have a prompt, adapter_config.json says {count}")));
    }
    let whole = |(layer, parts)| match parts {
        (Some(prompt), Some(gate)) => Ok(PromptLayer { layer, prompt, gate }),
        _ => Err(Error::corrupt(format!("layer {layer} has not both of adaption_prompt and adaption_gate"))),
    };
    let layers = layers.into_iter().map(whole).collect::<Result<_>>()?;
    Ok(AdaptionPrompt { len, layers, generation: opened.generation.clone() })
}

/// The layer of a tensor, and which part it is.
fn place<'a>(name: &'a str, spec: &DecoderSpec) -> Option<(usize, &'a str)> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix("model.layers.")?;
    let (layer, path) = rest.split_once('.')?;
    let layer = layer.parse().ok().filter(|l| *l < spec.layers)?;
    let part = path.strip_prefix("self_attn.")?;
    matches!(part, "adaption_prompt" | "adaption_gate").then_some((layer, part))
}

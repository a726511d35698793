//! Writing an adapter folder that PEFT loads.

use super::LoraConfig;
use super::parts::PREFIX;
use crate::Module;
use lyceum_core::{Error, Result, write_atomic};
use lyceum_tensor::Format;
use lyceum_tensor::safetensors::{self, OutTensor};
use std::path::Path;

/// The factors of a module to write, f32, row-major.
pub struct OutModule<'a> {
    /// The layer.
    pub module: Module,
    /// `[r, in]`.
    pub a: &'a [f32],
    /// `[out, r]`.
    pub b: &'a [f32],
    /// Rank.
    pub r: usize,
    /// DoRA's lengths, `[out]`.
    pub magnitude: Option<&'a [f32]>,
}

/// Writes both files (the folder is made if need be), the weights first, each whole or not at all.
pub fn write(folder: &Path, config: &LoraConfig, modules: &[OutModule<'_>]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", e))?;
    let mut parts = Vec::with_capacity(modules.len() * 3);
    for m in modules {
        if m.r == 0 || !m.a.len().is_multiple_of(m.r) || !m.b.len().is_multiple_of(m.r) {
            return Err(Error::internal(format!("`{}`: factors do not have rank {}", m.module, m.r)));
        }
        let bytes = |x: &[f32]| x.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let name = |part: &str| format!("{PREFIX}{}.{part}", m.module);
        parts.push((name("lora_A.weight"), vec![m.r, m.a.len() / m.r], bytes(m.a)));
        parts.push((name("lora_B.weight"), vec![m.b.len() / m.r, m.r], bytes(m.b)));
        if let Some(lengths) = m.magnitude {
            parts.push((name("lora_magnitude_vector"), vec![lengths.len()], bytes(lengths)));
        }
    }
    let tensors: Vec<OutTensor<'_>> = parts
        .iter()
        .map(|(name, shape, bytes)| OutTensor { name, shape, format: Format::F32, bytes })
        .collect();
    safetensors::write(&folder.join("adapter_model.safetensors"), &tensors)?;
    let text = serde_json::to_string_pretty(&config.to_json())
        .map_err(|e| Error::internal(format!("adapter_config.json: {e}")))?;
    write_atomic(folder.join("adapter_config.json"), text.as_bytes())
}

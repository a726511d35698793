//! Writing base and adapter as one model, in the kind of file that the base is: a GGUF file or a safetensors folder.
//!
//! W' = W + s B A. Tensors that the adapter does not touch are copied byte for byte. A quantised tensor cannot take
//! the sum without rounding it again, so touched ones are written in a finer format.

use lyceum_core::{Error, Result};
use lyceum_models::decoder::stored_order;
use lyceum_models::peft::{Lora, LoraModule};
use lyceum_models::{DecoderSpec, Module};
use lyceum_tensor::gguf::{self, Gguf, Value};
use lyceum_tensor::safetensors::{self, Safetensors};
use lyceum_tensor::{Format, Matrix, OutTensor, Pool, TensorInfo, Tensors, View, gemm};
use std::path::Path;

/// In which format touched tensors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeFormat {
    /// Floating-point tensors as they are; quantised ones as Q8_0, or F16 where rows do not fill its blocks.
    Auto,
    /// One format for all of them.
    Fixed(Format),
}

impl MergeFormat {
    fn of(self, base: &Matrix) -> Format {
        let float = matches!(base.format(), Format::F32 | Format::F16 | Format::BF16);
        match self {
            Self::Fixed(format) => format,
            Self::Auto if float => base.format(),
            Self::Auto if base.cols().is_multiple_of(Format::Q8_0.block_elements()) => Format::Q8_0,
            Self::Auto => Format::F16,
        }
    }
}

/// Merges a LoRA into its base and writes the model to `output`: a file for a GGUF base, a folder for a safetensors
/// one. `output` must not exist.
pub fn merge(base: &Path, spec: &DecoderSpec, lora: &Lora, output: &Path, format: MergeFormat) -> Result<()> {
    if output.exists() {
        return Err(Error::new(lyceum_core::ErrorKind::Conflict, "is there already").in_file(output));
    }
    if base.is_dir() { folder(base, lora, output, format) } else { file(base, spec, lora, output, format) }
}

fn file(base: &Path, spec: &DecoderSpec, lora: &Lora, output: &Path, format: MergeFormat) -> Result<()> {
    let from = Gguf::open(base)?;
    let mut merged: Vec<(String, Matrix)> = Vec::new();
    for m in &lora.modules {
        let (name, order) = match m.module {
            Module::Layer(l, p) => (format!("blk.{l}.{}.weight", p.gguf()), stored_order(spec, p)),
            Module::Head => ("output.weight".to_string(), None),
        };
        let stored = from.matrix(&name)?;
        merged.push((name, sum(&stored, m, order.as_deref(), format.of(&stored))?));
    }
    let kind = file_type(merged.iter().map(|(_, m)| m.format()).next());
    let metadata: Vec<(&str, &Value)> = from
        .metadata()
        .iter()
        .map(|(k, v)| (k.as_str(), if k == "general.file_type" { &kind } else { v }))
        .collect();
    gguf::write(output, &metadata, &to_write(&from, &merged)?)
}

/// `general.file_type` of files whose matrices are mostly of a format.
fn file_type(format: Option<Format>) -> Value {
    Value::U32(match format {
        Some(Format::F32) => 0,
        Some(Format::Q4_0) => 2,
        Some(Format::Q4_1) => 3,
        Some(Format::Q8_0) => 7,
        Some(Format::BF16) => 32,
        _ => 1,
    })
}

fn folder(base: &Path, lora: &Lora, output: &Path, format: MergeFormat) -> Result<()> {
    let from = Safetensors::open_folder(base)?;
    let mut merged: Vec<(String, Matrix)> = Vec::new();
    for m in &lora.modules {
        let name = format!("{}.weight", m.module);
        let stored = from.matrix(&name)?;
        let to = format.of(&stored);
        if !matches!(to, Format::F32 | Format::F16 | Format::BF16) {
            return Err(Error::unsupported(format!("a safetensors folder cannot hold {to} tensors")));
        }
        merged.push((name, sum(&stored, m, None, to)?));
    }
    let partial = output.with_extension("partial");
    std::fs::create_dir_all(&partial).map_err(|e| Error::io(&partial, "create", e))?;
    safetensors::write(&partial.join("model.safetensors"), &to_write(&from, &merged)?)?;
    for entry in std::fs::read_dir(base).map_err(|e| Error::io(base, "read", e))?.flatten() {
        let path = entry.path();
        let text = path.extension().is_some_and(|e| e == "json" || e == "jinja" || e == "txt");
        let index = path.to_string_lossy().ends_with(".safetensors.index.json");
        if text && !index && path.is_file() {
            let to = partial.join(entry.file_name());
            std::fs::copy(&path, &to).map_err(|e| Error::io(&to, "write", e))?;
        }
    }
    std::fs::rename(&partial, output).map_err(|e| Error::io(output, "rename the folder to", e))
}

/// Every tensor of a file: the merged ones in place of theirs, the others as they are.
fn to_write<'a>(from: &'a Tensors, merged: &'a [(String, Matrix)]) -> Result<Vec<OutTensor<'a>>> {
    let one = |(name, info): (&'a String, &'a TensorInfo)| {
        let (format, bytes) = match merged.iter().find(|(n, _)| n == name) {
            Some((_, m)) => (m.format(), m.bytes()),
            None => (info.format().map_err(|e| e.in_file(from.path()).at_key(name))?, &info.bytes()[..]),
        };
        Ok(OutTensor { name, shape: &info.shape, format, bytes })
    };
    from.tensors().iter().map(one).collect()
}

/// W + s B A in a format; `order` says which row of B A belongs to each stored row.
fn sum(stored: &Matrix, m: &LoraModule, order: Option<&[usize]>, format: Format) -> Result<Matrix> {
    let (rows, cols, r) = (stored.rows(), stored.cols(), m.a.rows());
    let b = match order {
        Some(order) => m.b.select_rows(order.iter().copied())?,
        None => m.b.clone(),
    };
    let mut factors = b.to_f32();
    factors.iter_mut().for_each(|x| *x *= m.scale);
    let mut w = stored.to_f32();
    let a = m.a.to_f32();
    gemm(Pool::global(), (rows, cols, r), View::new(&factors, r), View::new(&a, cols), &mut w, cols, true);
    Matrix::from_f32(rows, cols, w)?.quantize(format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::Network;
    use lyceum_models::decoder::load_without_text;
    use std::path::PathBuf;

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
    }

    /// A merged model says what base and adapter say together.
    fn agrees(base: &str, format: MergeFormat, bound: f32) {
        let (spec, weights) = load_without_text(&golden(base)).unwrap();
        let lora = lyceum_models::peft::read(&golden("peft/lora_r8_all"), &spec).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join(if base.ends_with("gguf") { "m.gguf" } else { "m" });
        merge(&golden(base), &spec, &lora, &output, format).unwrap();
        assert!(merge(&golden(base), &spec, &lora, &output, format).is_err(), "it must not overwrite");
        let pool = Pool::new(2);
        let ids: Vec<u32> = (1..20).map(|i| i * 17 % 384).collect();
        let (network, parameters) = Network::with_lora(&spec, &weights, &lora);
        let want = network.logits(&pool, &parameters, &ids);
        let (spec, weights) = load_without_text(&output).unwrap();
        let (network, parameters) = Network::plain(&spec, &weights);
        let got = network.logits(&pool, &parameters, &ids);
        let worst = want.data().iter().zip(got.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < bound, "{base}: {worst}");
    }

    #[test]
    fn merged_folders_and_files_agree_with_base_and_adapter() {
        agrees("llama", MergeFormat::Fixed(Format::F32), 1e-4);
        agrees("gguf/llama_q8_0.gguf", MergeFormat::Fixed(Format::F32), 1e-4);
        agrees("gguf/llama_q4_0.gguf", MergeFormat::Auto, 0.2);
    }
}

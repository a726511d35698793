//! Writing base and adapter as one model, in the kind of file that the base is: a GGUF file or a safetensors folder.
//!
//! W' = W + s B A, each row stretched to its length in DoRA. Tensors that the adapter does not touch are copied byte for byte. A quantised tensor cannot take
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
    let names = Names {
        embed: "token_embd.weight",
        module: &|module| match module {
            Module::Layer(l, p) => format!("blk.{l}.{}.weight", p.gguf()),
            Module::Head => "output.weight".to_string(),
        },
        order: &|module| match module {
            Module::Layer(_, p) => stored_order(spec, p),
            Module::Head => None,
        },
        tied: !from.tensors().contains_key("output.weight"),
    };
    let merged = changed(lora, &names, &|name| from.matrix(name), format)?;
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
    let names = Names {
        embed: "model.embed_tokens.weight",
        module: &|module| format!("{module}.weight"),
        order: &|_| None,
        tied: !from.contains("lm_head.weight") || says_tied(base)?,
    };
    let merged = changed(lora, &names, &|name| from.matrix(name), format)?;
    if let Some((_, m)) = merged.iter().find(|(_, m)| !m.format().is_float()) {
        return Err(Error::unsupported(format!("a safetensors folder cannot hold {} tensors", m.format())));
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

/// How a kind of file names and stores what an adapter changes.
struct Names<'a> {
    embed: &'a str,
    module: &'a dyn Fn(Module) -> String,
    /// Which row of the module each stored row is; nothing when they are in order.
    order: &'a dyn Fn(Module) -> Option<Vec<usize>>,
    /// Whether the output layer is the embedding table.
    tied: bool,
}

/// All tensors that the adapter changes, by their names in the file.
fn changed(
    lora: &Lora,
    names: &Names<'_>,
    read: &dyn Fn(&str) -> Result<Matrix>,
    format: MergeFormat,
) -> Result<Vec<(String, Matrix)>> {
    if !lora.biases.is_empty() || lora.modules.iter().any(|m| m.bias.is_some()) {
        return Err(Error::unsupported(
            "an adapter with biases cannot be merged: models have no place for them",
        ));
    }
    let on_head = lora.modules.iter().find(|m| m.module == Module::Head);
    let embeds = lora.embed.is_some() || lora.embedding.is_some();
    if names.tied && (embeds || on_head.is_some() || lora.head.is_some()) {
        return Err(Error::unsupported(
            "the base's output layer is its embedding table: an adapter that changes one of them cannot be merged",
        ));
    }
    let mut out = Vec::new();
    if embeds {
        let stored = read(names.embed)?;
        let to = format.of(&stored);
        let table = lora.embed.clone().unwrap_or(stored);
        let mut w = table.to_f32();
        if let Some(e) = &lora.embedding {
            let (a, b) = (e.a.to_f32(), e.b.to_f32());
            let (down, up) = (View::new(&a, e.a.cols()).t(), View::new(&b, e.b.cols()).t());
            add_product(&mut w, (table.rows(), table.cols(), e.a.rows()), down, up, e.scale);
        }
        out.push((names.embed.to_string(), Matrix::from_f32(table.rows(), table.cols(), w)?.quantize(to)?));
    }
    if let (Some(head), None) = (&lora.head, on_head) {
        let name = (names.module)(Module::Head);
        out.push((name.clone(), head.quantize(format.of(&read(&name)?))?));
    }
    for m in &lora.modules {
        let name = (names.module)(m.module);
        let stored = read(&name)?;
        let to = format.of(&stored);
        let from = lora.head.as_ref().filter(|_| m.module == Module::Head).unwrap_or(&stored);
        out.push((name, sum(from, m, (names.order)(m.module).as_deref(), to)?));
    }
    Ok(out)
}

/// `w` `[rows, cols]` += s left right, over an inner length.
fn add_product(
    w: &mut [f32],
    (rows, cols, r): (usize, usize, usize),
    left: View<'_>,
    right: View<'_>,
    s: f32,
) {
    let mut product = vec![0.0; rows * cols];
    gemm(Pool::global(), (rows, cols, r), left, right, &mut product, cols, false);
    w.iter_mut().zip(product).for_each(|(w, p)| *w += s * p);
}

/// W + s B A in a format, stretched to DoRA's lengths; `order` says which row of B A belongs to each stored row.
pub(super) fn sum(
    stored: &Matrix,
    m: &LoraModule,
    order: Option<&[usize]>,
    format: Format,
) -> Result<Matrix> {
    let (rows, cols, r) = (stored.rows(), stored.cols(), m.a.rows());
    let b = match order {
        Some(order) => m.b.select_rows(order.iter().copied())?,
        None => m.b.clone(),
    };
    let (a, b) = (m.a.to_f32(), b.to_f32());
    let mut w = stored.to_f32();
    add_product(&mut w, (rows, cols, r), View::new(&b, r), View::new(&a, cols), m.scale);
    if let Some(lengths) = &m.magnitude {
        for (i, row) in w.chunks_exact_mut(cols).enumerate() {
            let own = order.and_then(|o| o.get(i)).copied().unwrap_or(i);
            let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            let by = lengths.get(own).copied().unwrap_or(norm) / norm;
            row.iter_mut().for_each(|w| *w *= by);
        }
    }
    Matrix::from_f32(rows, cols, w)?.quantize(format)
}

/// `tie_word_embeddings` of a folder's configuration.
fn says_tied(folder: &Path) -> Result<bool> {
    let path = folder.join("config.json");
    let text = std::fs::read(&path).map_err(|e| Error::io(&path, "read", e))?;
    let config: serde_json::Value =
        serde_json::from_slice(&text).map_err(|e| Error::corrupt(e.to_string()).in_file(&path))?;
    Ok(config.get("tie_word_embeddings").and_then(serde_json::Value::as_bool).unwrap_or(false))
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
    fn agrees(base: &str, adapter: &str, format: MergeFormat, bound: f32) {
        let (spec, weights) = load_without_text(&golden(base)).unwrap();
        let lora = lyceum_models::peft::read(&golden("peft").join(adapter), &spec).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join(if base.ends_with("gguf") { "m.gguf" } else { "m" });
        merge(&golden(base), &spec, &lora, &output, format).unwrap();
        assert!(merge(&golden(base), &spec, &lora, &output, format).is_err(), "it must not overwrite");
        let pool = Pool::new(2);
        let ids: Vec<u32> = (1..20).map(|i| i * 17 % 384).collect();
        let (network, parameters) = Network::with_lora(&spec, &weights, &lora).unwrap();
        let want = network.logits(&pool, &parameters, &ids);
        let (spec, weights) = load_without_text(&output).unwrap();
        let (network, parameters) = Network::plain(&spec, &weights);
        let got = network.logits(&pool, &parameters, &ids);
        let worst = want.data().iter().zip(got.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < bound, "{base} with {adapter}: {worst}");
    }

    #[test]
    fn merged_folders_and_files_agree_with_base_and_adapter() {
        for adapter in ["lora_r8_all", "dora_r4", "lora_embedding", "lora_modules_to_save"] {
            agrees("llama", adapter, MergeFormat::Fixed(Format::F32), 1e-4);
            agrees("gguf/llama_q8_0.gguf", adapter, MergeFormat::Fixed(Format::F32), 1e-4);
        }
        agrees("gguf/llama_q4_0.gguf", "lora_r8_all", MergeFormat::Auto, 0.2);
    }
}

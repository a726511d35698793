//! A decoder from a path: a GGUF file or a Hugging Face folder, with all that belongs to it.

use super::{DecoderSpec, DecoderWeights, from_gguf, from_hf};
use crate::files;
use crate::text::Text;
use lyceum_core::{Error, ErrorKind, ModelInfo, Result};
use lyceum_tensor::gguf::Gguf;
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::{Format, Pool, refuse_pickle};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A loaded decoder.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where it came from.
    pub path: PathBuf,
    /// What it is.
    pub info: ModelInfo,
    /// Its architecture.
    pub spec: DecoderSpec,
    /// Its weights, still in the file's memory map where the layout allows.
    pub weights: DecoderWeights,
    /// Its tokenizer and chat template.
    pub text: Text,
}

/// Opens a GGUF file or a folder with `config.json`, safetensors and `tokenizer.json`. A model without a tokenizer,
/// an unknown architecture, a tensor that is missing or misshapen: each is an error that names it.
pub fn load(path: &Path) -> Result<Loaded> {
    if path.is_dir() {
        let (spec, weights) = from_folder(path)?;
        let text = Text::from_folder(path)?;
        return Ok(Loaded { path: path.into(), info: info(path, &spec, &weights), spec, weights, text });
    }
    let file = open_file(path)?;
    let (spec, weights) = from_file(&file)?;
    let text = Text::from_gguf(&file)?;
    Ok(Loaded { path: path.into(), info: info(path, &spec, &weights), spec, weights, text })
}

/// The architecture and weights alone, for models that come without a tokenizer.
pub fn load_without_text(path: &Path) -> Result<(DecoderSpec, DecoderWeights)> {
    if path.is_dir() { from_folder(path) } else { from_file(&open_file(path)?) }
}

impl Loaded {
    /// The same with the matrices of its blocks rounded to a format, as a frozen base for training. Fails when they are
    /// quantised already, or their rows do not fill the format's blocks.
    pub fn quantized(self, format: Format, pool: &Pool) -> Result<Self> {
        let stored = self.weights.main_format();
        if !stored.is_float() {
            return Err(Error::invalid(format!("the base is stored as {stored} already")).in_file(&self.path));
        }
        let weights = self.weights.quantized(format, pool).map_err(|e| e.in_file(&self.path))?;
        let fingerprint = format!("{}+{format}", self.info.fingerprint);
        let info = ModelInfo { format: format.to_string(), fingerprint, ..self.info };
        Ok(Self { info, weights, ..self })
    }

    /// Opens the weights of a path again; fails when they are no longer those of `fingerprint`.
    pub fn weights_again(path: &Path, fingerprint: &str) -> Result<DecoderWeights> {
        let (spec, weights) = load_without_text(path)?;
        if self::fingerprint(&spec, &weights) != fingerprint {
            return Err(
                Error::new(ErrorKind::Conflict, "is no longer the model that is running").in_file(path)
            );
        }
        Ok(weights)
    }
}

fn open_file(path: &Path) -> Result<Gguf> {
    refuse_pickle(path)?;
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        return Err(Error::invalid("one safetensors file does not say what model it is")
            .in_file(path)
            .hint("name its folder, which holds config.json and tokenizer.json too"));
    }
    Gguf::open(path)
}

fn from_file(file: &Gguf) -> Result<(DecoderSpec, DecoderWeights)> {
    let spec = from_gguf::spec(file).map_err(|e| e.in_file(file.path()))?;
    let weights = from_gguf::weights(file, &spec)?;
    Ok((spec, weights))
}

fn from_folder(folder: &Path) -> Result<(DecoderSpec, DecoderWeights)> {
    let path = folder.join("config.json");
    if !path.is_file() {
        return Err(Error::not_found("no config.json: not a model folder").in_file(folder));
    }
    let config = files::json(&path)?;
    let spec = from_hf::spec(&config).map_err(|e| e.in_file(&path))?;
    let tied = config.get("tie_word_embeddings").and_then(serde_json::Value::as_bool);
    let tied = tied.unwrap_or(from_hf::is_gemma(&spec.architecture));
    let weights = from_hf::weights(&Safetensors::open_folder(folder)?, &spec, tied)?;
    Ok((spec, weights))
}

fn info(path: &Path, spec: &DecoderSpec, weights: &DecoderWeights) -> ModelInfo {
    let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or("model");
    ModelInfo {
        name: name.to_string(),
        architecture: spec.architecture.clone(),
        parameters: weights.parameters(),
        weight_bytes: weights.bytes(),
        format: weights.main_format().name().to_string(),
        context_length: spec.context,
        vocab_size: spec.vocab,
        hidden_size: spec.hidden,
        generates: true,
        embeds: false,
        fingerprint: fingerprint(spec, weights),
    }
}

/// Hash of the description and of a sample of every matrix (its first and last 4 KiB): enough to tell models apart
/// without reading all of a large file.
fn fingerprint(spec: &DecoderSpec, weights: &DecoderWeights) -> String {
    const SAMPLE: usize = 4096;
    let mut hash = Sha256::new();
    hash.update(format!("{spec:?}"));
    for m in weights.matrices() {
        let bytes = m.bytes();
        hash.update(m.format().name());
        hash.update(bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default());
        hash.update(bytes.get(bytes.len().saturating_sub(SAMPLE)..).unwrap_or_default());
    }
    hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

//! The sentence encoder: BERT with pooling, as sentence-transformers folders describe it.
//! Sources: BERT (Devlin et al. 2019), Sentence-BERT (Reimers and Gurevych 2019).

mod forward;
mod spec;
mod weights;

pub use spec::{BertSpec, Pooling};

use crate::files;
use crate::text::Text;
use crate::tokenizer::Specials;
use lyceum_core::{Error, ModelInfo, Result};
use lyceum_tensor::Pool;
use lyceum_tensor::safetensors::Safetensors;
use sha2::{Digest, Sha256};
use std::path::Path;
use weights::BertWeights;

/// A loaded sentence encoder.
#[derive(Debug)]
pub struct Bert {
    /// What it is.
    pub info: ModelInfo,
    /// Its architecture.
    pub spec: BertSpec,
    /// Its tokenizer.
    pub text: Text,
    weights: BertWeights,
}

impl Bert {
    /// Whether a folder holds a model of this kind.
    pub fn is_at(folder: &Path) -> bool {
        let config = files::json(&folder.join("config.json")).unwrap_or_default();
        config.get("model_type").and_then(serde_json::Value::as_str) == Some("bert")
    }

    /// Opens a folder with `config.json`, `model.safetensors`, `tokenizer.json`, and perhaps `modules.json`.
    pub fn open(folder: &Path) -> Result<Self> {
        let spec = BertSpec::read(folder)?;
        let tensors = Safetensors::open_folder(folder)?;
        let weights = BertWeights::read(&tensors, &spec)?;
        let text = Text::from_folder(folder)?;
        let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or("encoder").to_string();
        let mut hash = Sha256::new();
        hash.update(format!("{spec:?}"));
        for t in tensors.tensors().values() {
            hash.update(t.bytes().get(..t.bytes().len().min(4096)).unwrap_or_default());
        }
        let info = ModelInfo {
            name,
            architecture: "bert".into(),
            parameters: weights.parameters(),
            weight_bytes: tensors.tensors().values().map(|t| t.bytes().len() as u64).sum(),
            format: weights.format().to_string(),
            context_length: spec.max_tokens,
            vocab_size: spec.vocab,
            hidden_size: spec.hidden,
            generates: false,
            embeds: true,
            fingerprint: hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect(),
        };
        Ok(Self { info, spec, text, weights })
    }

    /// Token ids of a text, cut to the model's length as its makers cut it: the end token stays.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.text.tokenizer().encode(text, Specials::Add)?;
        let most = self.spec.max_tokens;
        if ids.len() > most {
            let end = ids.last().copied();
            ids.truncate(most.saturating_sub(1));
            ids.extend(end);
        }
        if ids.is_empty() {
            return Err(Error::invalid("a text without tokens cannot be embedded"));
        }
        Ok(ids)
    }

    /// The vector of a text: `hidden` numbers.
    pub fn embed(&self, pool: &Pool, text: &str) -> Result<Vec<f32>> {
        let ids = self.tokens(text)?;
        let states = self.hidden_states(pool, &ids)?;
        Ok(self.spec.pool(&states))
    }

    /// Hidden states after the last block, `[tokens, hidden]`.
    pub fn hidden_states(&self, pool: &Pool, ids: &[u32]) -> Result<Vec<f32>> {
        forward::run(pool, &self.spec, &self.weights, ids)
    }
}

//! What a sentence encoder's configuration files say.

use crate::files;
use lyceum_core::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// How the vectors of the tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    Cls,
    /// The largest of each dimension.
    Max,
}

/// The architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct BertSpec {
    /// Size of the vocabulary.
    pub vocab: usize,
    /// Width of a hidden state.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Epsilon of the norms.
    pub norm_eps: f32,
    /// Longest text in tokens.
    pub max_tokens: usize,
    /// How vectors become one.
    pub pooling: Pooling,
    /// Whether the result has length 1.
    pub normalize: bool,
}

impl BertSpec {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let config = files::json(&path)?;
        let size = |key: &str| {
            let n = config.get(key).and_then(Value::as_u64).filter(|n| (1..1 << 24).contains(n));
            n.map(|n| n as usize).ok_or_else(|| Error::corrupt("a size expected").in_file(&path).at_key(key))
        };
        if let Some(act) = config.get("hidden_act").and_then(Value::as_str).filter(|a| *a != "gelu") {
            return Err(Error::unsupported(format!("activation `{act}`; gelu is known")).in_file(&path));
        }
        let (hidden, heads, positions) =
            (size("hidden_size")?, size("num_attention_heads")?, size("max_position_embeddings")?);
        if !hidden.is_multiple_of(heads) {
            return Err(Error::corrupt(format!("{heads} heads cannot share {hidden}")).in_file(&path));
        }
        let sentence = files::json_if_any(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
        let longest =
            sentence.get("max_seq_length").and_then(Value::as_u64).map_or(positions, |n| n as usize);
        let (pooling, normalize) = modules(folder)?;
        Ok(Self {
            vocab: size("vocab_size")?,
            hidden,
            intermediate: size("intermediate_size")?,
            layers: size("num_hidden_layers")?,
            heads,
            norm_eps: config.get("layer_norm_eps").and_then(Value::as_f64).unwrap_or(1e-12) as f32,
            max_tokens: longest.clamp(2, positions),
            pooling,
            normalize,
        })
    }

    /// One vector from those of all tokens, `[tokens, hidden]`.
    pub(super) fn pool(&self, states: &[f32]) -> Vec<f32> {
        let mut rows = states.chunks_exact(self.hidden);
        let mut out = rows.next().unwrap_or_default().to_vec();
        let n = states.len() / self.hidden.max(1);
        for row in rows {
            for (o, x) in out.iter_mut().zip(row) {
                match self.pooling {
                    Pooling::Mean => *o += x,
                    Pooling::Max => *o = o.max(*x),
                    Pooling::Cls => {}
                }
            }
        }
        let mut scale = if self.pooling == Pooling::Mean { 1.0 / n.max(1) as f32 } else { 1.0 };
        if self.normalize {
            let length = out.iter().map(|x| x * x).sum::<f32>().sqrt();
            scale = 1.0 / length.max(1e-12);
        }
        out.iter_mut().for_each(|x| *x *= scale);
        out
    }
}

/// Pooling and normalisation that `modules.json` names; a folder without it is pooled by the mean.
fn modules(folder: &Path) -> Result<(Pooling, bool)> {
    let Some(list) = files::json_if_any(&folder.join("modules.json"))? else {
        return Ok((Pooling::Mean, false));
    };
    let mut pooling = Pooling::Mean;
    let mut normalize = false;
    for module in list.as_array().into_iter().flatten() {
        let text = |key: &str| module.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("type").rsplit('.').next().unwrap_or_default() {
            "Transformer" => {}
            "Normalize" => normalize = true,
            "Pooling" => {
                let inside = text("path");
                if inside.contains(['/', '\\']) || inside.starts_with('.') {
                    return Err(
                        Error::corrupt(format!("`{inside}` is not a plain folder name")).in_file(folder)
                    );
                }
                pooling = pooling_of(&files::json(&folder.join(inside).join("config.json"))?)
                    .map_err(|e| e.in_file(folder.join(inside)))?;
            }
            other => {
                return Err(Error::unsupported(format!("module `{other}` after the encoder")).in_file(folder));
            }
        }
    }
    Ok((pooling, normalize))
}

fn pooling_of(config: &Value) -> Result<Pooling> {
    let on = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    match (on("pooling_mode_mean_tokens"), on("pooling_mode_cls_token"), on("pooling_mode_max_tokens")) {
        (true, false, false) => Ok(Pooling::Mean),
        (false, true, false) => Ok(Pooling::Cls),
        (false, false, true) => Ok(Pooling::Max),
        _ => Err(Error::unsupported("pooling other than one of mean, cls and max")),
    }
}

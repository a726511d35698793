//! A language model from nothing: a vocabulary and a small Llama learnt from text files, written as a Hugging Face
//! folder that everything else loads.

use super::finetune::FinetuneReport;
use super::training::Run;
use super::{Example, Network, Training, vocabulary};
use crate::Parameters;
use lyceum_core::{Context, Error, Progress, Result, write_atomic};
use lyceum_data::content_hash;
use lyceum_models::tokenizer::{Specials, Tokenizer};
use lyceum_models::{AttentionSpec, DecoderSpec, rope};
use lyceum_tensor::safetensors::{self, OutTensor};
use lyceum_tensor::{Format, Pool};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most text that is read, in bytes.
const MAX_TEXT: u64 = 1 << 30;
/// Share of the windows that is held out for the validation loss.
const HELD_OUT: usize = 20;

/// The shape of a small Llama.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads; keys have as many.
    pub num_attention_heads: usize,
    /// Longest sequence.
    pub context: usize,
}

impl Default for Shape {
    /// About three million parameters.
    fn default() -> Self {
        Self {
            vocab_size: 2048,
            hidden_size: 192,
            intermediate_size: 512,
            num_hidden_layers: 6,
            num_attention_heads: 6,
            context: 256,
        }
    }
}

/// A model to be learnt from nothing.
pub struct Pretrain<'a> {
    /// Text files, or folders of them.
    pub texts: &'a [PathBuf],
    /// The model.
    pub shape: Shape,
    /// The loop.
    pub training: &'a Training,
    /// A text that it goes on with after each evaluation, to be looked at.
    pub sample: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct PretrainReport {
    /// The training.
    #[serde(flatten)]
    pub training: FinetuneReport,
    /// Tokens of the text.
    pub tokens: usize,
    /// What the model says last, after the sample's beginning.
    pub sample: String,
}

/// Learns the model and writes it to `output`; a run that was killed goes on from its checkpoint.
pub fn pretrain(
    job: &Pretrain<'_>,
    output: &Path,
    pool: &Pool,
    progress: &Arc<dyn Progress>,
    cx: &Context,
) -> Result<PretrainReport> {
    job.training.check()?;
    let texts = read_texts(job.texts)?;
    progress.note("learning the vocabulary");
    let vocabulary = vocabulary::learn(&texts, job.shape.vocab_size)?;
    std::fs::create_dir_all(output).map_err(|e| Error::io(output, "create", e))?;
    let path = output.join("tokenizer.json");
    write_atomic(&path, vocabulary.as_bytes())?;
    let tokenizer = Tokenizer::from_file(&path)?;
    let end =
        tokenizer.id(vocabulary::END).ok_or_else(|| Error::internal("the vocabulary has no end token"))?;
    let mut ids = Vec::new();
    for text in &texts {
        ids.extend(tokenizer.encode(text, Specials::Literal)?);
        ids.push(end);
    }
    let (examples, valid) = windows(&ids, job.shape.context)?;
    let spec = spec(&job.shape, tokenizer.vocab_size());
    let (network, mut parameters) = Network::fresh(&spec, job.training.seed);
    let say = |p: &Parameters| go_on(&network, p, pool, &tokenizer, job.sample, end);
    let show = |p: &Parameters| {
        if let Ok(text) = say(p) {
            progress.note(&format!("  {text:?}"));
        }
    };
    let run = Run {
        pool,
        network: &network,
        training: job.training,
        examples: &examples,
        valid: &valid,
        folder: Some(output.join("checkpoints")),
        fingerprint: fingerprint(job, &ids)?,
        progress,
        cx,
        show: &show,
    };
    let history = run.run(&mut parameters)?;
    write(output, &job.shape, &spec, &parameters, end)?;
    let sample = say(&parameters)?;
    let count = parameters.count();
    run.forget()?;
    Ok(PretrainReport { training: FinetuneReport::new(history, count), tokens: ids.len(), sample })
}

fn fingerprint(job: &Pretrain<'_>, ids: &[u32]) -> Result<String> {
    let mut bytes = serde_json::to_vec(&(job.shape, job.training))
        .map_err(|e| Error::internal(format!("settings: {e}")))?;
    bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    Ok(content_hash(&bytes))
}

/// The texts of files, folders read one level deep, in the order of their names.
fn read_texts(paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|e| Error::io(path, "read", e))?;
            let mut inside: Vec<PathBuf> =
                entries.flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    let mut total = 0;
    let mut texts = Vec::new();
    for file in files {
        total += file.metadata().map_err(|e| Error::io(&file, "read", e))?.len();
        if total > MAX_TEXT {
            return Err(
                Error::new(lyceum_core::ErrorKind::TooLarge, "more than 1 GiB of text").in_file(&file)
            );
        }
        let bytes = std::fs::read(&file).map_err(|e| Error::io(&file, "read", e))?;
        texts.push(String::from_utf8(bytes).map_err(|_| Error::invalid("not UTF-8 text").in_file(&file))?);
    }
    if texts.iter().all(|t| t.trim().is_empty()) {
        return Err(Error::invalid("there is no text to learn from"));
    }
    Ok(texts)
}

/// The ids cut into windows of the context's length (one more, for the last target); every twentieth is held out.
fn windows(ids: &[u32], context: usize) -> Result<(Vec<Example>, Vec<Example>)> {
    let example = |w: &[u32]| Example {
        ids: w.to_vec(),
        weights: (0..w.len()).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect(),
    };
    let all: Vec<Example> = (0..ids.len().saturating_sub(1))
        .step_by(context)
        .filter_map(|at| ids.get(at..(at + context + 1).min(ids.len())))
        .filter(|w| w.len() > 1)
        .map(example)
        .collect();
    if all.len() < 2 {
        let message = format!("{} tokens are too few to learn from at a context of {context}", ids.len());
        return Err(Error::invalid(message));
    }
    let (held, kept): (Vec<_>, Vec<_>) =
        all.into_iter().enumerate().partition(|(i, _)| i % HELD_OUT == HELD_OUT / 2);
    let strip = |v: Vec<(usize, Example)>| v.into_iter().map(|(_, e)| e).collect();
    Ok((strip(kept), strip(held)))
}

fn spec(shape: &Shape, vocab: usize) -> DecoderSpec {
    let head_dim = shape.hidden_size / shape.num_attention_heads;
    DecoderSpec {
        architecture: "llama".into(),
        vocab,
        hidden: shape.hidden_size,
        intermediate: shape.intermediate_size,
        layers: shape.num_hidden_layers,
        context: shape.context,
        norm_eps: 1e-5,
        attention: AttentionSpec {
            heads: shape.num_attention_heads,
            kv_heads: shape.num_attention_heads,
            head_dim,
            windows: vec![None; shape.num_hidden_layers],
            qk_norm: false,
        },
        rope: rope::RopeSpec {
            theta: 10_000.0,
            dim: head_dim,
            max_position: shape.context,
            scaling: rope::Scaling::None,
        },
        dialect: lyceum_models::Dialect::default(),
    }
}

/// Forty tokens after a beginning, each the likeliest. The whole text goes through the network for each: small models.
fn go_on(
    network: &Network,
    p: &Parameters,
    pool: &Pool,
    tokenizer: &Tokenizer,
    from: &str,
    end: u32,
) -> Result<String> {
    let mut ids = tokenizer.encode(from, Specials::Literal)?;
    let context = network.spec().context;
    for _ in 0..40 {
        if ids.is_empty() || ids.len() >= context {
            break;
        }
        let logits = network.logits(pool, p, &ids);
        let last = logits.data().chunks(network.spec().vocab).last().unwrap_or_default();
        let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(end, |(i, _)| i as u32);
        if best == end {
            break;
        }
        ids.push(best);
    }
    let mut bytes = Vec::new();
    for id in ids {
        bytes.extend(tokenizer.token_bytes(id, false)?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(output: &Path, shape: &Shape, spec: &DecoderSpec, parameters: &Parameters, end: u32) -> Result<()> {
    let parts: Vec<(&str, &[usize], Vec<u8>)> = parameters
        .0
        .iter()
        .map(|p| {
            (p.name.as_str(), p.value.shape(), p.value.data().iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let tensors: Vec<OutTensor<'_>> = parts
        .iter()
        .map(|(name, shape, bytes)| OutTensor { name, shape, format: Format::F32, bytes })
        .collect();
    safetensors::write(&output.join("model.safetensors"), &tensors)?;
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "vocab_size": spec.vocab, "hidden_size": shape.hidden_size, "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_hidden_layers, "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_attention_heads, "max_position_embeddings": shape.context,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true, "torch_dtype": "float32",
        "bos_token_id": end, "eos_token_id": end
    });
    let tokenizer = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": vocabulary::END });
    for (name, json) in [("tokenizer_config.json", tokenizer), ("config.json", config)] {
        let text = serde_json::to_vec_pretty(&json).map_err(|e| Error::internal(format!("{name}: {e}")))?;
        write_atomic(output.join(name), &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_overlap_by_the_target_and_hold_some_out() {
        let ids: Vec<u32> = (0..101).collect();
        let (kept, held) = windows(&ids, 4).unwrap();
        assert_eq!((kept.len(), held.len()), (24, 1));
        assert_eq!(kept[0].ids, [0, 1, 2, 3, 4]);
        assert_eq!(kept[1].ids, [4, 5, 6, 7, 8]);
        assert!(windows(&[1], 4).is_err());
    }
}

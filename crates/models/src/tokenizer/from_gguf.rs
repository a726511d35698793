//! The tokenizer that GGUF metadata describes: byte-level BPE (`gpt2`) or SentencePiece-like BPE by scores (`llama`).

use super::Tokenizer;
use super::pretokenize::family;
use lyceum_core::{Error, Result};
use lyceum_tensor::gguf::{Gguf, Value};
use std::collections::HashMap;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::{Prepend, Replace, Sequence as Normalizers};
use tokenizers::{AddedToken, ModelWrapper, Tokenizer as Pipeline};

/// Token types of the format.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

struct Vocabulary<'a> {
    tokens: Vec<&'a str>,
    kinds: Vec<u64>,
}

pub(super) fn build(file: &Gguf) -> Result<Tokenizer> {
    let missing = || {
        Error::unsupported("the file has no tokenizer (no `tokenizer.ggml.tokens`)")
            .hint("get a GGUF file with its tokenizer, or a folder with tokenizer.json")
    };
    let tokens = file.list("tokenizer.ggml.tokens", Value::as_str)?.ok_or_else(missing)?;
    let kinds = file.list("tokenizer.ggml.token_type", Value::as_u64)?.unwrap_or_default();
    let vocabulary = Vocabulary { tokens, kinds };
    let (mut pipeline, wants_bos) = match file.str("tokenizer.ggml.model")?.unwrap_or_default() {
        "gpt2" => byte_level(file, &vocabulary)?,
        "llama" => (pieces(file, &vocabulary)?, true),
        other => {
            return Err(Error::unsupported(format!("tokenizer model `{other}` is not known"))
                .at_key("tokenizer.ggml.model")
                .hint("known: gpt2, llama"));
        }
    };
    add_specials(&mut pipeline, &vocabulary)?;
    let id = |key: &str| -> Result<Option<u32>> { Ok(file.u64(key)?.and_then(|id| u32::try_from(id).ok())) };
    let bos = file.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(wants_bos);
    let eos = file.bool("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    let before = if bos { id("tokenizer.ggml.bos_token_id")? } else { None };
    let after = if eos { id("tokenizer.ggml.eos_token_id")? } else { None };
    Ok(Tokenizer::new(pipeline, (before.into_iter().collect(), after.into_iter().collect())))
}

fn bad(what: &str) -> impl Fn(tokenizers::Error) -> Error + '_ {
    move |e| Error::corrupt(format!("{what}: {e}"))
}

fn byte_level(file: &Gguf, v: &Vocabulary<'_>) -> Result<(Pipeline, bool)> {
    let name = file.str("tokenizer.ggml.pre")?.unwrap_or("default");
    let family = family(name)?;
    let merges = file.list("tokenizer.ggml.merges", Value::as_str)?.unwrap_or_default();
    let merges: Option<Merges> =
        merges.iter().map(|m| m.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()))).collect();
    let merges =
        merges.ok_or_else(|| Error::corrupt("a merge is not two tokens").at_key("tokenizer.ggml.merges"))?;
    let model = BPE::builder()
        .vocab_and_merges(ids(v), merges)
        .ignore_merges(family.whole_tokens)
        .build()
        .map_err(bad("the merges do not fit the tokens"))?;
    let mut pipeline = Pipeline::new(ModelWrapper::BPE(model));
    pipeline
        .with_normalizer(family.normalizer)
        .with_pre_tokenizer(Some(family.pre))
        .with_decoder(Some(ByteLevel::new(true, true, true)));
    Ok((pipeline, family.bos))
}

fn ids(v: &Vocabulary<'_>) -> tokenizers::models::bpe::Vocab {
    v.tokens.iter().enumerate().map(|(i, t)| (t.to_string(), i as u32)).collect()
}

fn pieces(file: &Gguf, v: &Vocabulary<'_>) -> Result<Pipeline> {
    let scores = file.list("tokenizer.ggml.scores", Value::as_f64)?.unwrap_or_default();
    if scores.len() != v.tokens.len() {
        return Err(Error::corrupt("one score for each token expected").at_key("tokenizer.ggml.scores"));
    }
    let unknown = v.kinds.iter().position(|k| *k == UNKNOWN).and_then(|i| v.tokens.get(i));
    let mut builder = BPE::builder().vocab_and_merges(ids(v), merges_by_score(v, &scores));
    builder = builder.fuse_unk(true).byte_fallback(true);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown.to_string());
    }
    let mut pipeline =
        Pipeline::new(ModelWrapper::BPE(builder.build().map_err(bad("the tokens do not merge"))?));
    let prefix = file.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let replace = |from: &str, to: &str| Replace::new(from, to).map_err(bad("a pattern of ours"));
    let mut steps = vec![replace(" ", "\u{2581}")?.into()];
    if prefix {
        steps.insert(0, Prepend::new("\u{2581}".into()).into());
    }
    let mut decoders = vec![replace("\u{2581}", " ")?.into(), ByteFallback::new().into(), Fuse::new().into()];
    if prefix {
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    pipeline.with_normalizer(Some(Normalizers::new(steps))).with_decoder(Some(Decoders::new(decoders)));
    Ok(pipeline)
}

/// SentencePiece joins the neighbours whose union has the best score; as a merge list: all splits of every token into
/// two tokens, by the score of the whole, then by the ids of the parts.
fn merges_by_score(v: &Vocabulary<'_>, scores: &[f64]) -> Merges {
    let id: HashMap<&str, usize> = v.tokens.iter().enumerate().map(|(i, t)| (*t, i)).collect();
    let mut merges = Vec::new();
    for (token, score) in v.tokens.iter().zip(scores) {
        for (at, _) in token.char_indices().skip(1) {
            let (a, b) = token.split_at(at);
            if let (Some(i), Some(j)) = (id.get(a), id.get(b)) {
                merges.push((*score, *i, *j, a, b));
            }
        }
    }
    merges.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)).then(x.2.cmp(&y.2)));
    merges.into_iter().map(|(_, _, _, a, b)| (a.to_string(), b.to_string())).collect()
}

fn add_specials(pipeline: &mut Pipeline, v: &Vocabulary<'_>) -> Result<()> {
    let of = |kinds: &[u64], special: bool| -> Vec<AddedToken> {
        let chosen = v.tokens.iter().zip(&v.kinds).filter(|(_, k)| kinds.contains(k));
        chosen.map(|(t, _)| AddedToken::from(*t, special).normalized(false)).collect()
    };
    pipeline.add_special_tokens(&of(&[UNKNOWN, CONTROL], true));
    pipeline.add_tokens(&of(&[USER_DEFINED], false));
    Ok(())
}

//! How text is cut before merges, by the name that a GGUF file gives (`tokenizer.ggml.pre`).

use lyceum_core::{Error, Result};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A family of byte-level BPE.
pub(super) struct Family {
    pub(super) pre: PreTokenizerWrapper,
    pub(super) normalizer: Option<NormalizerWrapper>,
    /// A piece that is a token as a whole is taken without merging.
    pub(super) whole_tokens: bool,
    /// The model wants BOS unless the file says otherwise.
    pub(super) bos: bool,
}

const KNOWN: [&str; 7] = ["gpt-2", "default", "smollm", "starcoder", "refact", "llama-bpe", "qwen2"];

/// The family of a name.
pub(super) fn family(name: &str) -> Result<Family> {
    let plain = |pre| Family { pre, normalizer: None, whole_tokens: false, bos: false };
    Ok(match name {
        "gpt-2" | "default" => plain(ByteLevel::new(false, true, true).into()),
        "smollm" | "starcoder" | "refact" => {
            let steps = vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()];
            plain(PreTokenizerWrapper::Sequence(Sequence::new(steps)))
        }
        "llama-bpe" | "llama3" | "llama-v3" => {
            Family { pre: split(LLAMA3)?, normalizer: None, whole_tokens: true, bos: true }
        }
        "qwen2" => {
            Family { pre: split(QWEN2)?, normalizer: Some(NFC.into()), whole_tokens: false, bos: false }
        }
        other => {
            return Err(Error::unsupported(format!("tokenizer family `{other}` is not known"))
                .at_key("tokenizer.ggml.pre")
                .hint(format!("known: {}", KNOWN.join(", "))));
        }
    })
}

fn split(pattern: &str) -> Result<PreTokenizerWrapper> {
    let split = Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false)
        .map_err(|e| Error::internal(format!("a pattern of ours does not compile: {e}")))?;
    let steps = vec![split.into(), ByteLevel::new(false, true, false).into()];
    Ok(PreTokenizerWrapper::Sequence(Sequence::new(steps)))
}

//! A byte-level BPE vocabulary learnt from text: every byte is a token, the commonest pairs are merged (Sennrich et
//! al. 2016), pieces are cut as GPT-2 cuts them.

use lyceum_core::{Error, Result};
use tokenizers::decoders::byte_level::ByteLevel as Decoder;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerBuilder, TokenizerImpl};

/// The token that ends a text.
pub(super) const END: &str = "<|endoftext|>";

type ByteTokenizer = TokenizerImpl<
    BPE,
    tokenizers::normalizers::NFC,
    ByteLevel,
    tokenizers::processors::byte_level::ByteLevel,
    Decoder,
>;

/// Learns a vocabulary of at most `size` tokens (the 256 bytes and the end token among them) and gives it as the
/// text of a `tokenizer.json`.
pub(super) fn learn(texts: &[String], size: usize) -> Result<String> {
    let failed = |e: tokenizers::Error| Error::internal(format!("tokenizer: {e}"));
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(size)
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![AddedToken::from(END, true)])
        .build();
    let mut tokenizer: ByteTokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
        .with_post_processor(Some(ByteLevel::new(false, false, true)))
        .with_decoder(Some(ByteLevel::default()))
        .build()
        .map_err(failed)?;
    tokenizer.train(&mut trainer, texts.iter().cloned()).map_err(failed)?;
    tokenizer.to_string(true).map_err(failed)
}

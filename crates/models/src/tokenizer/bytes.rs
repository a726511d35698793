//! The bytes that each token stands for, so that text can be streamed byte by byte.

use tokenizers::{DecoderWrapper, Tokenizer};

/// What a token looks like in text.
#[derive(Debug, Clone, Default)]
pub(super) struct Surface {
    pub(super) bytes: Vec<u8>,
    pub(super) special: bool,
    pub(super) exists: bool,
}

/// How the vocabulary spells bytes.
#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    /// Each byte is a printable character (GPT-2).
    ByteLevel,
    /// U+2581 is a space, `<0x0A>` is a byte (SentencePiece).
    Pieces,
    /// As it is.
    Plain,
}

/// Surfaces of all ids, by id.
pub(super) fn surfaces(tokenizer: &Tokenizer) -> Vec<Surface> {
    let spelling = spelling(tokenizer);
    let added = tokenizer.get_added_tokens_decoder();
    let vocab = tokenizer.get_vocab(true);
    let size = vocab.values().max().map_or(0, |id| *id as usize + 1);
    let mut all = vec![Surface::default(); size];
    let alphabet = byte_of_char();
    for (token, id) in vocab {
        let Some(slot) = all.get_mut(id as usize) else { continue };
        let extra = added.get(&id);
        let bytes = match extra {
            Some(_) => token.into_bytes(),
            None => bytes_of(&token, spelling, &alphabet),
        };
        *slot = Surface { bytes, special: extra.is_some_and(|t| t.special), exists: true };
    }
    all
}

fn spelling(tokenizer: &Tokenizer) -> Spelling {
    let Some(decoder) = tokenizer.get_decoder() else { return Spelling::Plain };
    let one = |d: &DecoderWrapper| match d {
        DecoderWrapper::ByteLevel(_) => Some(Spelling::ByteLevel),
        DecoderWrapper::ByteFallback(_) | DecoderWrapper::Metaspace(_) => Some(Spelling::Pieces),
        _ => None,
    };
    match decoder {
        DecoderWrapper::Sequence(s) => s.get_decoders().iter().find_map(one).unwrap_or(Spelling::Plain),
        d => one(d).unwrap_or(Spelling::Plain),
    }
}

fn bytes_of(token: &str, spelling: Spelling, alphabet: &[(char, u8)]) -> Vec<u8> {
    match spelling {
        Spelling::Plain => token.as_bytes().to_vec(),
        Spelling::Pieces => match byte_token(token) {
            Some(byte) => vec![byte],
            None => token.replace('\u{2581}', " ").into_bytes(),
        },
        Spelling::ByteLevel => {
            let byte = |c| alphabet.binary_search_by_key(&c, |(c, _)| *c).ok().and_then(|i| alphabet.get(i));
            let bytes: Option<Vec<u8>> = token.chars().map(|c| byte(c).map(|(_, b)| *b)).collect();
            bytes.unwrap_or_else(|| token.as_bytes().to_vec())
        }
    }
}

fn byte_token(token: &str) -> Option<u8> {
    u8::from_str_radix(token.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

/// GPT-2's alphabet, sorted by character: printable bytes stand for themselves, the others for U+0100 and up.
fn byte_of_char() -> Vec<(char, u8)> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut shifted = 0x100u32;
    let mut all: Vec<(char, u8)> = (0..=255u8)
        .filter_map(|b| {
            let code = if printable(b) { u32::from(b) } else { shifted };
            shifted += u32::from(!printable(b));
            char::from_u32(code).map(|c| (c, b))
        })
        .collect();
    all.sort_unstable();
    all
}

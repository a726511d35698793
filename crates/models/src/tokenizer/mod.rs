//! Text to token ids and back: a `tokenizers` pipeline read from `tokenizer.json` or built from GGUF metadata.
//! Chat templates are not known here.

mod bytes;
mod from_gguf;
mod pretokenize;

use bytes::Surface;
use lyceum_core::{Error, Result};
use std::path::Path;
use std::sync::OnceLock;

/// How control tokens are treated when text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// Their names are plain text, and none are added.
    Literal,
    /// Their names become them; none are added.
    Parse,
    /// Their names become them, and those that the model wants at the ends are added.
    Add,
}

/// A tokenizer.
#[derive(Clone)]
pub struct Tokenizer {
    pipeline: tokenizers::Tokenizer,
    /// The pipeline that takes names of control tokens as plain text; made when first needed.
    literal: OnceLock<Box<tokenizers::Tokenizer>>,
    surfaces: Vec<Surface>,
    /// Ids put around a text beyond what the pipeline's own post-processor does.
    around: (Vec<u32>, Vec<u32>),
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.surfaces.len())
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = crate::files::text(path)?;
        Self::from_json(&text).map_err(|e| e.in_file(path))
    }

    /// Reads the text of a `tokenizer.json`.
    pub fn from_json(text: &str) -> Result<Self> {
        let mut pipeline: tokenizers::Tokenizer =
            text.parse().map_err(|e| Error::corrupt(format!("not a tokenizer: {e}")))?;
        // Lengths are the caller's business; a stored padding would lengthen every text.
        let _ = pipeline.with_truncation(None);
        pipeline.with_padding(None);
        Ok(Self::new(pipeline, (Vec::new(), Vec::new())))
    }

    /// Builds the tokenizer that a GGUF file describes.
    pub fn from_gguf(file: &lyceum_tensor::gguf::Gguf) -> Result<Self> {
        from_gguf::build(file).map_err(|e| e.in_file(file.path()))
    }

    fn new(pipeline: tokenizers::Tokenizer, around: (Vec<u32>, Vec<u32>)) -> Self {
        let surfaces = bytes::surfaces(&pipeline);
        Self { pipeline, literal: OnceLock::new(), surfaces, around }
    }

    /// Token ids of a text.
    pub fn encode(&self, text: &str, specials: Specials) -> Result<Vec<u32>> {
        let pipeline = if specials == Specials::Literal { self.literal() } else { &self.pipeline };
        let add = specials == Specials::Add;
        let encoding = pipeline
            .encode_fast(text, add)
            .map_err(|e| Error::invalid(format!("the text cannot be tokenised: {e}")))?;
        if !add {
            return Ok(encoding.get_ids().to_vec());
        }
        Ok([&self.around.0, encoding.get_ids(), &self.around.1].concat())
    }

    fn literal(&self) -> &tokenizers::Tokenizer {
        self.literal.get_or_init(|| {
            let mut copy = Box::new(self.pipeline.clone());
            copy.set_encode_special_tokens(true);
            copy
        })
    }

    /// Text of ids, as the pipeline's own decoder joins them.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.pipeline.decode(ids, skip_special).map_err(|e| Error::invalid(format!("cannot be decoded: {e}")))
    }

    /// Bytes of one token; empty for a control token unless `special`. Fails for an id that does not exist.
    pub fn token_bytes(&self, id: u32, special: bool) -> Result<&[u8]> {
        let surface = self.surfaces.get(id as usize).filter(|s| s.exists);
        let surface = surface.ok_or_else(|| {
            Error::invalid(format!("token {id} does not exist; the vocabulary has {}", self.surfaces.len()))
        })?;
        Ok(if surface.special && !special { &[] } else { &surface.bytes })
    }

    /// The id of a token's exact name.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.pipeline.token_to_id(token)
    }

    /// The name of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.pipeline.id_to_token(id)
    }

    /// Whether an id is a control token.
    pub fn is_special(&self, id: u32) -> bool {
        self.surfaces.get(id as usize).is_some_and(|s| s.special)
    }

    /// Number of ids.
    pub fn vocab_size(&self) -> usize {
        self.surfaces.len()
    }
}

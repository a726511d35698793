//! `POST /tokenize`, in the three forms that are about: LoRAX (`inputs`), vLLM (`prompt`), llama.cpp (`content`).

use serde::{Deserialize, Serialize};

/// Which key is there says which dialect it is.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenizeRequest {
    /// LoRAX.
    pub inputs: Option<String>,
    /// vLLM.
    pub prompt: Option<String>,
    /// llama.cpp.
    pub content: Option<String>,
    /// A model or adapter; absent is the first.
    pub model: Option<String>,
    /// Whether control tokens are added and recognised; true by default.
    pub add_special_tokens: Option<bool>,
}

/// One token with its place in the text, in characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenizedPiece {
    /// The token.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub stop: usize,
}

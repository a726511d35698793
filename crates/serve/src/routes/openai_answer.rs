//! What the answers of chat and completions have in common: their head, the end's reason, usage, and tokens as text.

use super::models::fingerprint;
use crate::models::Target;
use crate::state::fresh_id;
use lyceum_core::{Finish, LogProb, TextCodec, TokenEvent, Usage};
use lyceum_store::clock;
use lyceum_wire::openai;

/// What every piece of an answer repeats.
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) target: Target,
    pub(crate) fingerprint: String,
}

impl Head {
    /// Of a new answer; its id begins with `prefix`.
    pub(crate) fn new(prefix: &str, target: Target) -> Self {
        Self { id: fresh_id(prefix), created: clock::now(), fingerprint: fingerprint(&target), target }
    }

    /// Tokens as text.
    pub(crate) fn codec(&self) -> &dyn TextCodec {
        self.target.engine.text()
    }
}

/// The reason in OpenAI's words.
pub(crate) fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::EndOfSequence | Finish::StopString(_) => "stop",
        Finish::Length => "length",
    }
}

pub(crate) fn usage(u: &Usage) -> openai::Usage {
    openai::Usage::new(u.prompt_tokens, u.cached_tokens, u.completion_tokens)
}

/// The usage of several answers to one prompt, which is counted once.
pub(crate) fn add(total: &mut Usage, one: &Usage) {
    total.prompt_tokens = total.prompt_tokens.max(one.prompt_tokens);
    total.cached_tokens = total.cached_tokens.max(one.cached_tokens);
    total.completion_tokens += one.completion_tokens;
}

/// A token as text and bytes.
pub(crate) fn spell(text: &dyn TextCodec, id: u32) -> (String, Vec<u8>) {
    let bytes = text.token_bytes(id, true).unwrap_or_default();
    (String::from_utf8_lossy(&bytes).into_owned(), bytes)
}

/// JSON has no minus infinity; OpenAI writes -9999 for it.
pub(crate) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { -9999.0 }
}

/// Alternatives as a list, the chosen token first when it is not among them.
pub(crate) fn with_chosen(t: &TokenEvent) -> Vec<LogProb> {
    let mut all = t.top.clone();
    if let Some(logprob) = t.logprob
        && all.iter().all(|p| p.id != t.id)
    {
        all.push(LogProb { id: t.id, logprob });
    }
    all
}

//! A checked request: what the door lets through. A value of these types can be run.

use crate::adapters::Prepared;
use crate::emit::Emitter;
use crate::kv::Content;
use crate::sample::Sampler;
use lyceum_core::{GenerateEvent, LogProb, Result};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// What comes of the tokens.
pub(crate) enum Kind {
    /// More tokens.
    Generate(Box<Generation>),
    /// The log-probability of each token after the first.
    Score(Option<oneshot::Sender<Result<Vec<f32>>>>),
}

/// How a generation goes on.
pub(crate) struct Generation {
    pub(crate) sampler: Sampler,
    pub(crate) emitter: Emitter,
    pub(crate) events: mpsc::UnboundedSender<Result<GenerateEvent>>,
    /// Tokens that may be generated; the context's end is counted in.
    pub(crate) limit: usize,
    pub(crate) ignore_eos: bool,
    pub(crate) logprobs: Option<usize>,
    pub(crate) prompt_logprobs: bool,
}

/// A token that was chosen and not yet told.
pub(crate) struct Chosen {
    pub(crate) id: u32,
    pub(crate) logprob: Option<f32>,
    pub(crate) top: Vec<LogProb>,
}

/// One sequence from the door to its end.
pub(crate) struct Sequence {
    /// The prompt, then what was generated.
    pub(crate) tokens: Vec<u32>,
    pub(crate) prompt: usize,
    pub(crate) adapter: Option<Arc<Prepared>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) kind: Kind,
    /// Tokens whose keys and values are in the cache.
    pub(crate) computed: usize,
    /// Its blocks.
    pub(crate) table: Vec<u32>,
    /// Blocks of it that are known to the prefix cache, and the name of the last one's contents.
    pub(crate) published: usize,
    pub(crate) parent: Content,
    /// Prompt tokens that the prefix cache held.
    pub(crate) cached: usize,
    /// Log-probabilities of the tokens after the first.
    pub(crate) scored: Vec<LogProb>,
    pub(crate) chosen: Option<Chosen>,
    pub(crate) started: bool,
}

impl Sequence {
    pub(crate) fn new(
        tokens: Vec<u32>,
        adapter: Option<Arc<Prepared>>,
        deadline: Option<Instant>,
        kind: Kind,
    ) -> Self {
        Self {
            prompt: tokens.len(),
            parent: adapter.as_ref().map_or(0, |a| a.root),
            tokens,
            adapter,
            deadline,
            kind,
            computed: 0,
            table: Vec::new(),
            published: 0,
            cached: 0,
            scored: Vec::new(),
            chosen: None,
            started: false,
        }
    }

    /// The name of what comes before the first block.
    pub(crate) fn root(&self) -> Content {
        self.adapter.as_ref().map_or(0, |a| a.root)
    }

    /// Tokens that were generated.
    pub(crate) fn generated(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Tokens that are not in the cache yet.
    pub(crate) fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether the logits of every prompt token are wanted.
    pub(crate) fn scores_prompt(&self) -> bool {
        match &self.kind {
            Kind::Score(_) => true,
            Kind::Generate(g) => g.prompt_logprobs,
        }
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.kind {
            Kind::Score(reply) => reply.as_ref().is_none_or(oneshot::Sender::is_closed),
            Kind::Generate(g) => g.events.is_closed(),
        }
    }
}

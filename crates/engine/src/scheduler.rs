//! The scheduler's thread: at every step it admits, batches one token of each running sequence and pieces of waiting
//! prompts, computes, and tells. Sequences that no longer fit the cache are set back and computed again later.

mod finish;
mod plan;

use crate::decoder::Decoder;
use crate::kv::{BLOCK_TOKENS, Blocks};
use crate::llm::EngineConfig;
use crate::request::Sequence;
use crate::stats::Stats;
use lyceum_core::{Error, ErrorKind};
use lyceum_models::Text;
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::Cache;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

pub(crate) struct Scheduler {
    pub(crate) decoder: Decoder,
    pub(crate) cache: Cache,
    pub(crate) blocks: Blocks,
    pub(crate) pool: &'static Pool,
    pub(crate) text: Arc<Text>,
    pub(crate) inbox: Receiver<Sequence>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) config: EngineConfig,
    pub(crate) waiting: VecDeque<Sequence>,
    /// The oldest first.
    pub(crate) running: Vec<Sequence>,
}

impl Scheduler {
    /// Runs until nobody can send any more and nothing is left to do.
    pub(crate) fn run(mut self) {
        while self.receive() {
            self.drop_unwanted();
            self.admit();
            let plan = self.plan();
            if !plan.is_empty() {
                self.step(&plan);
            }
            self.count();
        }
    }

    /// Takes what came; waits when there is nothing to do. False at the end.
    fn receive(&mut self) -> bool {
        if self.waiting.is_empty() && self.running.is_empty() {
            match self.inbox.recv() {
                Ok(sequence) => self.waiting.push_back(sequence),
                Err(_) => return false,
            }
        }
        loop {
            match self.inbox.try_recv() {
                Ok(sequence) => self.waiting.push_back(sequence),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    return !(self.waiting.is_empty() && self.running.is_empty());
                }
            }
        }
    }

    /// Forgets sequences that nobody waits for, and ends those whose time is over.
    fn drop_unwanted(&mut self) {
        let now = Instant::now();
        let late = |s: &Sequence| s.deadline.is_some_and(|d| d <= now);
        let (mut running, mut waiting) =
            (std::mem::take(&mut self.running), std::mem::take(&mut self.waiting));
        running.retain_mut(|s| {
            let stays = !s.is_abandoned() && !late(s);
            if !stays {
                self.blocks.release(&s.table);
                self.end_with_timeout(s);
            }
            stays
        });
        waiting.retain_mut(|s| {
            let stays = !s.is_abandoned() && !late(s);
            if !stays {
                self.stats.waiting.fetch_sub(1, Relaxed);
                self.end_with_timeout(s);
            }
            stays
        });
        (self.running, self.waiting) = (running, waiting);
    }

    fn end_with_timeout(&self, s: &mut Sequence) {
        self.stats.finished.fetch_add(1, Relaxed);
        s.fail(Error::new(ErrorKind::Timeout, "the deadline of the request passed"));
    }

    fn admit(&mut self) {
        while self.running.len() < self.config.max_batch {
            let Some(next) = self.waiting.front() else { return };
            let needs = next.tokens.len().div_ceil(BLOCK_TOKENS) + self.running.len();
            if !self.running.is_empty() && needs > self.blocks.available() {
                return;
            }
            let Some(mut next) = self.waiting.pop_front() else { return };
            self.stats.waiting.fetch_sub(1, Relaxed);
            self.reuse_prefix(&mut next);
            self.running.push(next);
        }
    }

    /// Takes known blocks for the beginning of a prompt; at least one token is left to compute.
    fn reuse_prefix(&mut self, s: &mut Sequence) {
        // Where rotation depends on the length, a block of a short prompt is not one of a long prompt.
        if s.scores_prompt() || self.decoder.spec().rope.depends_on_length() {
            return;
        }
        let last = s.tokens.len().saturating_sub(1);
        for tokens in s.tokens.get(..last).unwrap_or_default().as_chunks::<BLOCK_TOKENS>().0 {
            let Some((block, content)) = self.blocks.reuse(s.parent, *tokens) else { break };
            s.table.push(block);
            s.parent = content;
            s.published += 1;
            s.computed += BLOCK_TOKENS;
        }
        if s.generated() == 0 {
            s.cached = s.computed;
        }
    }

    fn count(&self) {
        self.stats.running.store(self.running.len(), Relaxed);
        let bytes = self.blocks.used() * self.cache.block_bytes();
        self.stats.kv_bytes.store(bytes as u64, Relaxed);
    }
}

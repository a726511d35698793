//! Which tokens the next pass computes, and the pass itself.

use super::Scheduler;
use crate::decoder::{Batch, Row, Segment};
use crate::kv::BLOCK_TOKENS;
use crate::request::{Kind, Sequence};
use lyceum_core::{Error, ErrorKind};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The tokens of one running sequence that a pass computes.
pub(super) struct Share {
    pub(super) sequence: usize,
    pub(super) tokens: Range<usize>,
}

/// A wanted row: whose, and the position of its token.
struct Wanted {
    sequence: usize,
    position: usize,
}

impl Scheduler {
    /// Every running sequence gets one token; prompts share the budget, the oldest first.
    pub(super) fn plan(&mut self) -> Vec<Share> {
        let mut budget = self.config.prompt_budget.max(1);
        let mut plan = Vec::new();
        let mut i = 0;
        while let Some(s) = self.running.get(i) {
            let pending = s.pending();
            let n = if pending == 1 { 1 } else { pending.min(budget) };
            if n > 0 && self.make_room(i, n) {
                if pending > 1 {
                    budget -= n;
                }
                let start = self.running.get(i).map_or(0, |s| s.computed);
                plan.push(Share { sequence: i, tokens: start..start + n });
            }
            i += 1;
        }
        plan
    }

    /// Blocks for `n` more tokens of a sequence; sets the newest sequences back when there are none. False when the
    /// sequence itself was set back.
    fn make_room(&mut self, i: usize, n: usize) -> bool {
        loop {
            let Some(s) = self.running.get_mut(i) else { return false };
            if s.table.len() * BLOCK_TOKENS >= s.computed + n {
                return true;
            }
            if let Some(block) = self.blocks.take() {
                s.table.push(block);
                continue;
            }
            let Some(newest) = self.running.pop() else { return false };
            self.set_back(newest);
        }
    }

    fn set_back(&mut self, mut s: Sequence) {
        self.blocks.release(&s.table);
        if self.running.is_empty() && self.waiting.is_empty() {
            s.fail(Error::new(ErrorKind::Exhausted, "the key-value cache cannot hold this sequence"));
            return;
        }
        s.table.clear();
        (s.computed, s.published, s.parent) = (0, 0, s.root());
        self.stats.waiting.fetch_add(1, Relaxed);
        self.waiting.push_front(s);
    }

    /// Computes a plan and tells what came of it.
    pub(super) fn step(&mut self, plan: &[Share]) {
        let (batch, wanted) = self.batch(plan);
        let running = &mut self.running;
        self.decoder.forward(self.pool, &mut self.cache, &batch, |which, logits| {
            let Some(w) = wanted.get(which) else { return };
            if let Some(s) = running.get_mut(w.sequence) {
                s.read_logits(w.position, logits);
            }
        });
        for share in plan {
            let Some(s) = self.running.get_mut(share.sequence) else { continue };
            let prompt = s.prompt.saturating_sub(share.tokens.start).min(share.tokens.len());
            self.stats.prompt_tokens.fetch_add(prompt as u64, Relaxed);
            s.computed = share.tokens.end;
            while (s.published + 1) * BLOCK_TOKENS <= s.computed {
                let at = s.published * BLOCK_TOKENS;
                let tokens = s.tokens.get(at..at + BLOCK_TOKENS).and_then(|t| t.try_into().ok());
                let (Some(tokens), Some(block)) = (tokens, s.table.get(s.published)) else { break };
                s.parent = self.blocks.publish(*block, s.parent, tokens);
                s.published += 1;
            }
        }
        self.tell();
    }

    fn batch(&self, plan: &[Share]) -> (Batch, Vec<Wanted>) {
        let mut order: Vec<&Share> = plan.iter().collect();
        order.sort_by_key(|s| self.running.get(s.sequence).map_or(0, Sequence::root));
        let mut batch = Batch::default();
        let mut wanted = Vec::new();
        for share in order {
            let Some(s) = self.running.get(share.sequence) else { continue };
            let table = batch.tables.len();
            batch.tables.push(s.table.clone());
            // All that is known of the sequence, so that the pieces of a prompt rotate alike.
            batch.lengths.push(s.tokens.len());
            let first = batch.rows.len();
            for position in share.tokens.clone() {
                let Some(token) = s.tokens.get(position) else { continue };
                if is_wanted(s, position) {
                    batch.wanted.push(batch.rows.len());
                    wanted.push(Wanted { sequence: share.sequence, position });
                }
                batch.rows.push(Row { token: *token, position, table });
            }
            if let Some(adapter) = &s.adapter {
                match batch.segments.last_mut() {
                    Some(last) if Arc::ptr_eq(&last.adapter, adapter) => last.rows.end = batch.rows.len(),
                    _ => batch
                        .segments
                        .push(Segment { rows: first..batch.rows.len(), adapter: Arc::clone(adapter) }),
                }
            }
        }
        (batch, wanted)
    }
}

/// Logits are wanted of the last token of a generation, and of every token whose successor is to be scored.
fn is_wanted(s: &Sequence, position: usize) -> bool {
    let last = position + 1 == s.tokens.len();
    match &s.kind {
        Kind::Score(_) => !last,
        Kind::Generate(_) => last || (s.scores_prompt() && position + 1 < s.prompt),
    }
}

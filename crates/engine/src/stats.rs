//! Counters that the scheduler writes and anybody reads.

use lyceum_core::EngineStats;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) waiting: AtomicUsize,
    pub(crate) running: AtomicUsize,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) generation_tokens: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) kv_bytes: AtomicU64,
}

impl Stats {
    pub(crate) fn snapshot(&self) -> EngineStats {
        EngineStats {
            waiting: self.waiting.load(Relaxed),
            running: self.running.load(Relaxed),
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            generation_tokens: self.generation_tokens.load(Relaxed),
            finished: self.finished.load(Relaxed),
            kv_bytes: self.kv_bytes.load(Relaxed),
        }
    }
}

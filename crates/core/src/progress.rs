//! How long work tells of its progress without knowing who looks.

/// Receives progress; the terminal draws bars, a server sends events, tests record.
pub trait Progress: Send + Sync {
    /// Work of a known (or unknown) length begins. Units are the caller's: bytes, steps, rows.
    fn begin(&self, what: &str, total: Option<u64>);
    /// Work stands at `done` units.
    fn at(&self, done: u64);
    /// A line worth reading: a loss, a metric.
    fn note(&self, _line: &str) {}
    /// The work that began last has ended.
    fn end(&self) {}
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn at(&self, _: u64) {}
}

//! Old runs go, whole trees at a time, a few hundred rows in a transaction.

use super::{TraceSettings, nanos};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::time::{Duration, Instant, SystemTime};

/// Rows removed in one transaction.
const BATCH: usize = 300;
/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// What there is, and what may stay.
pub(super) struct Retention {
    settings: TraceSettings,
    runs: u64,
    bytes: u64,
    /// When it looks again.
    next: Instant,
}

impl Retention {
    /// Counts what there is.
    pub(super) fn open(db: &Connection, settings: TraceSettings) -> rusqlite::Result<Self> {
        let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0));
        let runs = count("SELECT count(*) FROM runs")?;
        let bytes = count("SELECT coalesce(sum(stored), 0) FROM run_contents")?;
        Ok(Self { settings, runs: unsigned(runs), bytes: unsigned(bytes), next: Instant::now() })
    }

    /// More has been written.
    pub(super) fn grown(&mut self, runs: usize, bytes: usize) {
        self.runs += runs as u64;
        self.bytes += bytes as u64;
    }

    /// Removes a batch, if it is time and something is too old or too much; comes again at once where more is left.
    pub(super) fn work(&mut self, db: &mut Connection) -> rusqlite::Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        let tx = db.transaction()?;
        let mut removed = 0;
        while removed < BATCH
            && let Some((root, start)) = oldest(&tx)?
            && self.goes(start)
        {
            removed += self.remove(&tx, &root, BATCH - removed)?;
        }
        tx.commit()?;
        if removed < BATCH {
            self.next = Instant::now() + EVERY;
        }
        Ok(())
    }

    fn goes(&self, start: i64) -> bool {
        let s = &self.settings;
        let days = i64::try_from(s.keep_days).unwrap_or(i64::MAX);
        let oldest = nanos(SystemTime::now()).saturating_sub(days.saturating_mul(DAY_NS));
        (s.keep_days > 0 && start < oldest)
            || (s.keep_runs > 0 && self.runs > s.keep_runs)
            || (s.keep_bytes > 0 && self.bytes > s.keep_bytes)
    }

    /// Removes up to `most` runs of a tree, the root last. Gives how many.
    fn remove(&mut self, tx: &Transaction<'_>, root: &str, most: usize) -> rusqlite::Result<usize> {
        let mut query =
            tx.prepare_cached("SELECT seq FROM runs WHERE root = ? ORDER BY parent IS NULL LIMIT ?")?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let gone: Vec<i64> =
            query.query_map(params![root, limit], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
        for seq in &gone {
            let keys = params![2 * seq, 2 * seq + 1];
            let bytes: i64 = tx
                .prepare_cached("SELECT coalesce(sum(stored), 0) FROM run_contents WHERE key IN (?, ?)")?
                .query_row(keys, |r| r.get(0))?;
            tx.prepare_cached("DELETE FROM run_contents WHERE key IN (?, ?)")?.execute(keys)?;
            tx.prepare_cached("DELETE FROM run_events WHERE run = ?")?.execute([seq])?;
            tx.prepare_cached("DELETE FROM runs WHERE seq = ?")?.execute([seq])?;
            self.runs = self.runs.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(unsigned(bytes));
        }
        Ok(gone.len())
    }
}

/// The oldest tree that has ended.
fn oldest(tx: &Transaction<'_>) -> rusqlite::Result<Option<(String, i64)>> {
    tx.prepare_cached(
        "SELECT root, start_ns FROM runs WHERE parent IS NULL AND status <> 'running' ORDER BY start_ns LIMIT 1",
    )?
    .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))
    .optional()
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

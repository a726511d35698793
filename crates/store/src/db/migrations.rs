//! The tables, as a list of steps that only grows. A step that has shipped is never edited.

use super::sql;
use crate::clock;
use lyceum_core::{Error, Result};
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::Path;

/// Number of the step, its name, its SQL.
const STEPS: &[(i64, &str, &str)] = &[
    (
        1,
        "API keys",
        "CREATE TABLE api_keys (
        id         TEXT PRIMARY KEY,
        name       TEXT NOT NULL,
        hash       BLOB NOT NULL UNIQUE,
        scopes     TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        revoked_at INTEGER
    ) STRICT;",
    ),
    (
        2,
        "checkpoints of graphs",
        "CREATE TABLE checkpoints (
        thread     TEXT NOT NULL,
        namespace  TEXT NOT NULL,
        id         TEXT NOT NULL,
        parent     TEXT,
        step       INTEGER NOT NULL,
        source     TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        state      TEXT NOT NULL,
        PRIMARY KEY (thread, namespace, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE checkpoint_writes (
        thread     TEXT NOT NULL,
        namespace  TEXT NOT NULL,
        checkpoint TEXT NOT NULL,
        task       TEXT NOT NULL,
        place      INTEGER NOT NULL,
        channel    TEXT NOT NULL,
        value      TEXT NOT NULL,
        PRIMARY KEY (thread, namespace, checkpoint, task, place)
    ) STRICT, WITHOUT ROWID;",
    ),
    (
        4,
        "threads of graphs",
        "CREATE TABLE threads (
        thread     TEXT PRIMARY KEY,
        graph      TEXT NOT NULL,
        status     TEXT NOT NULL,
        error      TEXT,
        metadata   TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        updated_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX threads_by_time ON threads (updated_ns DESC);",
    ),
    (5, "runs", include_str!("traces/tables.sql")),
];

/// Takes the steps that are missing, each once, whole or not at all.
pub(super) fn run(db: &mut Connection, path: &Path) -> Result<()> {
    let fail = |e| sql(path, e);
    if version(db).map_err(fail)? == newest() {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    )
    .map_err(fail)?;
    let have = version(&tx).map_err(fail)?;
    if have > newest() {
        return Err(Error::unsupported(format!("the store was written by a newer Lyceum (step {have})"))
            .in_file(path)
            .hint("upgrade this program"));
    }
    for (number, name, step) in STEPS.iter().filter(|s| s.0 > have) {
        tx.execute_batch(step).map_err(fail)?;
        tx.execute("INSERT INTO migrations VALUES (?, ?, ?)", params![number, name, clock::now()])
            .map_err(fail)?;
    }
    tx.commit().map_err(fail)
}

fn newest() -> i64 {
    STEPS.last().map_or(0, |s| s.0)
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    let known: bool =
        db.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'migrations')", [], |r| {
            r.get(0)
        })?;
    if !known {
        return Ok(0);
    }
    db.query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |r| r.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_and_a_newer_store_is_left_alone() {
        assert!(STEPS.is_sorted_by_key(|s| s.0));
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db, Path::new("x")).unwrap();
        assert_eq!(version(&db).unwrap(), newest());
        db.execute("INSERT INTO migrations VALUES (999, 'later', 0)", []).unwrap();
        let e = run(&mut db, Path::new("x")).unwrap_err();
        assert!(e.to_string().contains("newer Lyceum"), "{e}");
    }
}

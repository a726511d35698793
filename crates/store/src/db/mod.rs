//! The database: one SQLite file in WAL mode, opened by many threads and processes, brought up to date by
//! migrations. Each kind of record has a file of its own beside this one; runs have a folder.

mod checkpoints;
mod keys;
mod migrations;
mod threads;
mod traces;
mod values;
mod writer;

pub use checkpoints::Checkpoints;
pub use keys::{ApiKey, NewKey, Scope};
pub use traces::{
    Body, Content, Filter, Page, RunEvent, RunRow, TraceContent, TraceReader, TraceSettings, TraceStats,
    Traces,
};

use lyceum_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a write waits for another process's.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Debug)]
pub struct Db {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl Db {
    /// Opens the file, made if absent, and brings its tables up to date. Fails when it is not a database, is locked,
    /// or was written by a newer Lyceum.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
        }
        let mut connection = Connection::open(&path).map_err(|e| sql(&path, e))?;
        prepare(&mut connection).map_err(|e| sql(&path, e))?;
        migrations::run(&mut connection, &path)?;
        Ok(Self { connection: Mutex::new(connection), path })
    }

    /// Fails, saying what is wrong, unless SQLite finds every page and index in order.
    pub fn integrity_check(&self) -> Result<()> {
        let db = self.lock();
        let said: String =
            db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|e| sql(&self.path, e))?;
        if said == "ok" { Ok(()) } else { Err(Error::corrupt(said).in_file(&self.path)) }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, e: rusqlite::Error) -> Error {
        sql(&self.path, e)
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// An SQLite error as ours: busy is a conflict, garbage is corrupt, a full disk is exhausted.
fn sql(path: &Path, e: rusqlite::Error) -> Error {
    let (kind, message) = match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Conflict, "the store is locked by another process".to_string())
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            (ErrorKind::Corrupt, "this is not a readable store".to_string())
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::Exhausted, "the disk is full".to_string()),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (ErrorKind::Io, format!("cannot open the store for writing: {e}"))
        }
        _ => (ErrorKind::Internal, format!("the store failed: {e}")),
    };
    let error = Error::new(kind, message).in_file(path).caused_by(e);
    if kind == ErrorKind::Conflict { error.hint("wait for it, or stop it") } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_again_and_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s/lyceum.db");
        Db::open(&path).unwrap().integrity_check().unwrap();
        Db::open(&path).unwrap().integrity_check().unwrap();
    }

    #[test]
    fn garbage_and_locks_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        std::fs::write(&path, vec![7u8; 8192]).unwrap();
        assert_eq!(Db::open(&path).unwrap_err().kind(), ErrorKind::Corrupt);

        let path = dir.path().join("y.db");
        drop(Db::open(&path).unwrap());
        let holder = Connection::open(&path).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let db = Db::open(&path).unwrap();
        db.lock().busy_timeout(Duration::from_millis(10)).unwrap();
        let e = db.create_key("k", &[Scope::Infer]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Conflict);
        assert!(e.to_string().contains("locked by another process"));
    }
}

//! Which of the processes that wrote runs still live: each holds a lock, which the operating system frees when it dies.

use super::super::sql;
use super::nanos;
use crate::lock::Lock;
use lyceum_core::{Error, Result};
use rusqlite::{Connection, params};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folder of the locks, beside the database.
fn folder(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".writers");
    name.into()
}

/// This process as a writer of a database. Dropped, its lock is removed.
pub(super) struct Writing {
    pub(super) id: i64,
    path: PathBuf,
    _lock: Lock,
}

impl Writing {
    /// Signs in.
    pub(super) fn begin(db: &Connection, database: &Path) -> Result<Self> {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(|e| Error::internal(format!("no randomness: {e}")))?;
        let token = crate::hash::hex(&random);
        let path = folder(database).join(&token);
        // Locked first, so that nobody who sees the row takes the process for dead.
        let lock = Lock::acquire(&path, "write traces")?;
        let row = params![token, std::process::id(), nanos(SystemTime::now())];
        db.execute("INSERT INTO trace_writers (token, pid, started_ns) VALUES (?, ?, ?)", row)
            .map_err(|e| sql(database, e))?;
        Ok(Self { id: db.last_insert_rowid(), path, _lock: lock })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            // Refused while others write.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// A process that wrote, and whether it lives.
pub(super) struct Seen {
    pub(super) id: i64,
    pub(super) lives: bool,
    token: String,
}

/// All that signed in and have not signed out.
pub(super) fn writers(db: &Connection, database: &Path) -> rusqlite::Result<Vec<Seen>> {
    let folder = folder(database);
    let mut query = db.prepare_cached("SELECT id, token FROM trace_writers")?;
    let rows = query.query_map([], |r| Ok((r.get(0)?, r.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, token) = row?;
        Ok(Seen { id, lives: is_locked(&folder.join(&token)), token })
    })
    .collect()
}

fn is_locked(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => true,
        // Where locks cannot be read nobody is declared dead.
        Ok(Err(TryLockError::Error(_))) => true,
        Ok(Ok(())) | Err(_) => false,
    }
}

/// Ends what dead processes left under way, and forgets them.
pub(super) fn bury(db: &mut Connection, database: &Path) -> rusqlite::Result<()> {
    let dead: Vec<Seen> = writers(db, database)?.into_iter().filter(|w| !w.lives).collect();
    for writer in dead {
        let tx = db.transaction()?;
        end_all(&tx, writer.id)?;
        tx.commit()?;
        let _ = std::fs::remove_file(folder(database).join(&writer.token));
    }
    Ok(())
}

/// A writer's runs that have not ended never will.
pub(super) fn end_all(db: &Connection, writer: i64) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE runs SET status = 'interrupted', error = ?2
         WHERE status <> 'success' AND status = 'running' AND writer = ?1",
        params![writer, super::rows::DIED],
    )?;
    db.execute("DELETE FROM trace_writers WHERE id = ?", [writer]).map(drop)
}

//! A lock on a folder or a piece of work that says who holds it. The operating system frees it when the holder dies.

use crate::clock;
use lyceum_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// What it does, as a person would type it.
    pub command: String,
    /// When it took the lock, in seconds since 1970.
    pub since: i64,
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock at `path` (made if absent) or fails at once, saying who holds it. `command` is what others
    /// will be told.
    pub fn acquire(path: impl Into<PathBuf>, command: &str) -> Result<Self> {
        let path = path.into();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io(&path, "open the lock", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&path)),
            Err(TryLockError::Error(e)) => return Err(Error::io(&path, "lock", e)),
        }
        let mut lock = Self { file, path };
        lock.sign(command)?;
        Ok(lock)
    }

    fn sign(&mut self, command: &str) -> Result<()> {
        let holder = Holder { pid: std::process::id(), command: command.to_string(), since: clock::now() };
        let text = serde_json::to_string(&holder).map_err(|e| Error::internal(e.to_string()))?;
        let wrote = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop));
        wrote
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|e| Error::io(&self.path, "write", e))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// Who holds the lock at `path`, if anybody signed it.
pub fn holder(path: impl AsRef<Path>) -> Option<Holder> {
    let mut text = String::new();
    File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn held(path: &Path) -> Error {
    let who = match holder(path) {
        Some(h) => format!("process {} (`{}`, since {})", h.pid, h.command, clock::rfc3339(h.since)),
        None => "another process".to_string(),
    };
    Error::new(ErrorKind::Conflict, format!("{who} is at work here"))
        .in_file(path)
        .hint("wait for it, or stop it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/lock");
        let first = Lock::acquire(&path, "lyceum up examples/helpdesk").unwrap();
        let e = Lock::acquire(&path, "lyceum up").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Conflict);
        let text = e.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("`lyceum up examples/helpdesk`"), "{text}");
        drop(first);
        assert!(Lock::acquire(&path, "lyceum up").is_ok());
    }
}

//! The list of threads in the database, and who runs on which.

use super::checkpoints::Checkpoints;
use super::sql;
use super::values::{decode, encode};
use crate::hash;
use async_trait::async_trait;
use lyceum_core::{Error, ErrorKind, Hold, Result, ThreadFilter, ThreadInfo, ThreadStatus, Threads, Value};
use rusqlite::{Row, params};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[async_trait]
impl Threads for Checkpoints {
    async fn put_thread(&self, thread: &ThreadInfo) -> Result<()> {
        let metadata = encode(&Value::from(thread.metadata.clone()))?.to_string();
        let (t, path) = (thread.clone(), self.path().to_path_buf());
        let write = move |tx: &rusqlite::Transaction<'_>| {
            let row = params![
                t.thread,
                t.graph,
                t.status.as_str(),
                t.error,
                metadata,
                nanos(t.created),
                nanos(t.updated)
            ];
            tx.prepare_cached(
                "INSERT INTO threads VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (thread) DO UPDATE SET
                 graph = ?2, status = ?3, error = ?4, metadata = ?5, updated_ns = ?7",
            )
            .and_then(|mut q| q.execute(row))
            .map(drop)
            .map_err(|e| sql(&path, e))
        };
        self.writer().take(Box::new(write)).await
    }

    async fn threads(&self, filter: &ThreadFilter) -> Result<Vec<ThreadInfo>> {
        self.writer().flush().await?;
        let fail = |e| sql(self.path(), e);
        let db = self.reader();
        let mut query = db
            .prepare_cached(
                "SELECT thread, graph, status, error, metadata, created_ns, updated_ns FROM threads
                 WHERE (?1 IS NULL OR thread = ?1) AND (?2 IS NULL OR graph = ?2) AND (?3 IS NULL OR status = ?3)
                 ORDER BY updated_ns DESC LIMIT ?4 OFFSET ?5",
            )
            .map_err(fail)?;
        let of = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let wanted = params![
            filter.thread,
            filter.graph,
            filter.status.map(ThreadStatus::as_str),
            of(filter.limit),
            of(filter.offset)
        ];
        let rows = query.query_map(wanted, read).map_err(fail)?;
        rows.map(|row| info(row.map_err(fail)?, self.path())).collect()
    }

    async fn remove_thread(&self, thread: &str) -> Result<bool> {
        let filter = ThreadFilter { thread: Some(thread.into()), limit: 1, ..ThreadFilter::default() };
        let known = !self.threads(&filter).await?.is_empty();
        let (name, path) = (thread.to_string(), self.path().to_path_buf());
        let write = move |tx: &rusqlite::Transaction<'_>| {
            for table in ["threads", "checkpoints", "checkpoint_writes"] {
                tx.execute(&format!("DELETE FROM {table} WHERE thread = ?"), params![name])
                    .map_err(|e| sql(&path, e))?;
            }
            Ok(())
        };
        self.writer().take(Box::new(write)).await?;
        self.writer().flush().await?;
        Ok(known)
    }

    fn hold(&self, thread: &str) -> Result<Hold> {
        let folder = self.path().with_extension("running");
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "create", e))?;
        let name = hash::of_bytes(thread.as_bytes());
        Ok(Box::new(Held::take(folder.join(name.get(..32).unwrap_or(&name)), thread)?))
    }
}

/// A file that is there and locked while somebody runs on a thread.
struct Held {
    _file: File,
    path: PathBuf,
}

impl Held {
    fn take(path: PathBuf, thread: &str) -> Result<Self> {
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|e| Error::io(&path, "open", e))?;
            match file.try_lock() {
                Ok(()) if same(&file, &path) => return Ok(Self { _file: file, path }),
                // Its last holder removed it between our opening and our locking.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(thread)),
                Err(TryLockError::Error(e)) => return Err(Error::io(&path, "lock", e)),
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Before it is unlocked, which closing does.
        #[cfg(unix)]
        let _ = std::fs::remove_file(&self.path);
    }
}

fn busy(thread: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("thread `{thread}` is already running a task"))
        .hint("wait for it to finish")
        .with_code("thread_busy")
}

/// Whether an open file is still the one at its path.
#[cfg(unix)]
fn same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(open), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn same(_: &File, _: &Path) -> bool {
    true
}

struct Kept {
    thread: String,
    graph: String,
    status: String,
    error: Option<String>,
    metadata: String,
    created: i64,
    updated: i64,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        thread: row.get(0)?,
        graph: row.get(1)?,
        status: row.get(2)?,
        error: row.get(3)?,
        metadata: row.get(4)?,
        created: row.get(5)?,
        updated: row.get(6)?,
    })
}

fn info(kept: Kept, path: &Path) -> Result<ThreadInfo> {
    let corrupt = |what: &str| Error::corrupt(format!("thread `{}`: {what}", kept.thread)).in_file(path);
    let metadata = serde_json::from_str(&kept.metadata).map_err(|e| corrupt(&e.to_string()))?;
    let Value::Map(metadata) = decode(metadata)? else { return Err(corrupt("its metadata is no map")) };
    Ok(ThreadInfo {
        status: ThreadStatus::from_name(&kept.status).ok_or_else(|| corrupt("its status is unknown"))?,
        thread: kept.thread.into(),
        graph: kept.graph.into(),
        error: kept.error,
        metadata: Arc::unwrap_or_clone(metadata),
        created: time(kept.created),
        updated: time(kept.updated),
    })
}

/// A moment as nanoseconds since 1970.
pub(super) fn nanos(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// What [`nanos`] made.
pub(super) fn time(nanos: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn threads_are_listed_held_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Checkpoints::open(dir.path().join("lyceum.db")).unwrap();
        let mut first = ThreadInfo::new("a", "answer");
        kept.put_thread(&first).await.unwrap();
        kept.put_thread(&ThreadInfo::new("b", "other")).await.unwrap();
        let made = first.created;
        first.status = ThreadStatus::Error;
        first.error = Some("no".into());
        first.updated = SystemTime::now();
        first.created = SystemTime::now();
        kept.put_thread(&first).await.unwrap();
        let names = |filter: ThreadFilter| {
            let kept = &kept;
            async move {
                let found = kept.threads(&filter).await.unwrap();
                found.iter().map(|t| t.thread.to_string()).collect::<Vec<_>>()
            }
        };
        assert_eq!(names(ThreadFilter::default()).await, ["a", "b"]);
        let failed = ThreadFilter { status: Some(ThreadStatus::Error), ..ThreadFilter::default() };
        assert_eq!(names(failed).await, ["a"]);
        assert_eq!(names(ThreadFilter { limit: 1, offset: 1, ..ThreadFilter::default() }).await, ["b"]);
        let again = lyceum_core::find_thread(&kept, "a").await.unwrap().unwrap();
        assert_eq!((again.created, again.error.as_deref()), (time(nanos(made)), Some("no")));

        let held = kept.hold("a").unwrap();
        let e = kept.hold("a").map(drop).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Conflict);
        let other = Checkpoints::open(dir.path().join("lyceum.db")).unwrap();
        assert!(other.hold("a").is_err() && other.hold("b").is_ok());
        drop(held);
        assert!(other.hold("a").is_ok());

        assert!(kept.remove_thread("a").await.unwrap() && !kept.remove_thread("a").await.unwrap());
        assert_eq!(names(ThreadFilter::default()).await, ["b"]);
    }
}

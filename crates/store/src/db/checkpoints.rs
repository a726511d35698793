//! Checkpoints of graphs in the database.

use super::threads::{nanos, time};
use super::values::{decode, encode};
use super::writer::Writer;
use super::{prepare, sql};
use async_trait::async_trait;
use lyceum_core::{
    Checkpoint, CheckpointSource, Checkpointer, Error, Map, Result, TaskWrites, ThreadKey, Threads, Value,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const COLUMNS: &str = "id, parent, step, source, created_ns, state";

/// Keeps checkpoints in the database. What it takes is written by a thread of its own, in order; reads wait for it.
pub struct Checkpoints {
    writer: Writer,
    reader: Mutex<Connection>,
    path: PathBuf,
}

impl Checkpoints {
    /// Opens a database, made if absent.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let writer = Writer::open(path)?;
        let mut reader = Connection::open(path).map_err(|e| sql(path, e))?;
        prepare(&mut reader).map_err(|e| sql(path, e))?;
        Ok(Self { writer, reader: Mutex::new(reader), path: path.to_path_buf() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(super) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self, key: &ThreadKey, id: Option<&str>) -> Result<Option<Checkpoint>> {
        let fail = |e| sql(&self.path, e);
        let db = self.reader();
        let which = if id.is_some() { "AND id = ?3" } else { "AND ?3 IS NULL ORDER BY id DESC LIMIT 1" };
        let mut query = db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM checkpoints WHERE thread = ?1 AND namespace = ?2 {which}"
            ))
            .map_err(fail)?;
        let row = query.query_row(params![key.thread, key.namespace, id], Kept::read).optional();
        row.map_err(fail)?.map(|kept| kept.checkpoint(&self.path)).transpose()
    }

    fn writes(&self, key: &ThreadKey, id: &str) -> Result<Vec<TaskWrites>> {
        let fail = |e| sql(&self.path, e);
        let db = self.reader();
        let mut query = db
            .prepare_cached(
                "SELECT task, channel, value FROM checkpoint_writes
                 WHERE thread = ? AND namespace = ? AND checkpoint = ? ORDER BY task, place",
            )
            .map_err(fail)?;
        let rows = query
            .query_map(params![key.thread, key.namespace, id], |r| {
                Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?))
            })
            .map_err(fail)?;
        let mut all: Vec<TaskWrites> = Vec::new();
        for row in rows {
            let (task, channel, value) = row.map_err(fail)?;
            let value = decode(parse(&value, &self.path)?)?;
            match all.last_mut().filter(|t| *t.task == *task) {
                Some(same) => same.writes.push((channel.into(), value)),
                None => all.push(TaskWrites { task: task.into(), writes: vec![(channel.into(), value)] }),
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl Checkpointer for Checkpoints {
    async fn get(&self, key: &ThreadKey, id: Option<&str>) -> Result<Option<(Checkpoint, Vec<TaskWrites>)>> {
        self.flush().await?;
        let Some(checkpoint) = self.newest(key, id)? else { return Ok(None) };
        let writes = self.writes(key, &checkpoint.id)?;
        Ok(Some((checkpoint, writes)))
    }

    async fn put(&self, key: &ThreadKey, checkpoint: &Checkpoint) -> Result<()> {
        let (key, checkpoint, path) = (key.clone(), checkpoint.clone(), self.path.clone());
        self.writer.take(Box::new(move |tx| insert(tx, &key, &checkpoint, &path))).await
    }

    async fn put_writes(&self, key: &ThreadKey, id: &str, writes: &TaskWrites) -> Result<()> {
        let (key, id, writes, path) = (key.clone(), id.to_string(), writes.clone(), self.path.clone());
        self.writer.take(Box::new(move |tx| insert_writes(tx, &key, &id, &writes, &path))).await
    }

    async fn list(&self, key: &ThreadKey, limit: usize) -> Result<Vec<Checkpoint>> {
        self.flush().await?;
        let fail = |e| sql(&self.path, e);
        let db = self.reader();
        let mut query = db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM checkpoints WHERE thread = ? AND namespace = ? ORDER BY id DESC LIMIT ?"
            ))
            .map_err(fail)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = query.query_map(params![key.thread, key.namespace, limit], Kept::read).map_err(fail)?;
        rows.map(|row| row.map_err(fail)?.checkpoint(&self.path)).collect()
    }

    async fn flush(&self) -> Result<()> {
        self.writer.flush().await
    }

    fn threads(&self) -> Option<&dyn Threads> {
        Some(self)
    }
}

/// What a checkpoint holds besides what has a column.
#[derive(Serialize, Deserialize)]
struct Held {
    values: Json,
    versions: Vec<(Arc<str>, u64)>,
    seen: Vec<(Arc<str>, Vec<(Arc<str>, u64)>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sends: Vec<(Arc<str>, Json)>,
}

fn insert(tx: &Transaction<'_>, key: &ThreadKey, c: &Checkpoint, path: &Path) -> Result<()> {
    let sends = c.sends.iter().map(|(node, input)| Ok((node.clone(), encode(input)?)));
    let held = Held {
        values: encode(&Value::from(c.values.clone()))?,
        versions: c.versions.clone(),
        seen: c.seen.clone(),
        sends: sends.collect::<Result<_>>()?,
    };
    let state = serde_json::to_string(&held).map_err(|e| Error::internal(e.to_string()))?;
    let created = nanos(c.created);
    let row = params![key.thread, key.namespace, c.id, c.parent, c.step, c.source.as_str(), created, state];
    let mut query = tx
        .prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .map_err(|e| sql(path, e))?;
    query.execute(row).map(drop).map_err(|e| sql(path, e))
}

/// Writes of the same task and channels are replaced: those that stay keep their places, new ones come after.
fn insert_writes(tx: &Transaction<'_>, key: &ThreadKey, id: &str, w: &TaskWrites, path: &Path) -> Result<()> {
    let fail = |e| sql(path, e);
    let of = "thread = ?1 AND namespace = ?2 AND checkpoint = ?3 AND task = ?4";
    let mut remove = tx
        .prepare_cached(&format!("DELETE FROM checkpoint_writes WHERE {of} AND channel = ?5"))
        .map_err(fail)?;
    let mut names: Vec<&str> = w.writes.iter().map(|(c, _)| &**c).collect();
    names.sort_unstable();
    names.dedup();
    for channel in names {
        remove.execute(params![key.thread, key.namespace, id, w.task, channel]).map_err(fail)?;
    }
    let mut last = tx
        .prepare_cached(&format!("SELECT coalesce(max(place), -1) FROM checkpoint_writes WHERE {of}"))
        .map_err(fail)?;
    let last: i64 =
        last.query_row(params![key.thread, key.namespace, id, w.task], |r| r.get(0)).map_err(fail)?;
    let mut add =
        tx.prepare_cached("INSERT INTO checkpoint_writes VALUES (?, ?, ?, ?, ?, ?, ?)").map_err(fail)?;
    for ((channel, value), place) in w.writes.iter().zip(last + 1..) {
        let value = encode(value)?.to_string();
        add.execute(params![key.thread, key.namespace, id, w.task, place, channel, value]).map_err(fail)?;
    }
    Ok(())
}

/// A row of the table.
struct Kept {
    id: String,
    parent: Option<String>,
    step: i64,
    source: String,
    created: i64,
    state: String,
}

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            parent: row.get(1)?,
            step: row.get(2)?,
            source: row.get(3)?,
            created: row.get(4)?,
            state: row.get(5)?,
        })
    }

    fn checkpoint(self, path: &Path) -> Result<Checkpoint> {
        let corrupt = |what: &str| Error::corrupt(format!("checkpoint `{}`: {what}", self.id)).in_file(path);
        let held: Held = serde_json::from_str(&self.state).map_err(|e| corrupt(&e.to_string()))?;
        let values: Map = match decode(held.values)? {
            Value::Map(map) => Arc::unwrap_or_clone(map),
            _ => return Err(corrupt("its values are no map")),
        };
        let sends = held.sends.into_iter().map(|(node, input)| Ok((node, decode(input)?)));
        Ok(Checkpoint {
            source: CheckpointSource::from_name(&self.source)
                .ok_or_else(|| corrupt("its source is unknown"))?,
            sends: sends.collect::<Result<_>>()?,
            created: time(self.created),
            id: self.id.into(),
            parent: self.parent.map(Into::into),
            step: self.step,
            values,
            versions: held.versions,
            seen: held.seen,
        })
    }
}

fn parse(text: &str, path: &Path) -> Result<Json> {
    serde_json::from_str(text)
        .map_err(|e| Error::corrupt(format!("a kept write cannot be read: {e}")).in_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn key(thread: &str) -> ThreadKey {
        ThreadKey { thread: thread.into(), namespace: "".into() }
    }

    fn checkpoint(id: &str, step: i64) -> Checkpoint {
        Checkpoint {
            id: id.into(),
            parent: (step > -1).then(|| "0".into()),
            step,
            source: CheckpointSource::Loop,
            values: Map::from_iter([("log".into(), Value::from(vec!["a".into(), Value::Int(step)]))]),
            versions: vec![("log".into(), 3)],
            seen: vec![("n".into(), vec![("branch:to:n".into(), 2)])],
            sends: vec![("n".into(), Value::Float(0.5))],
            created: UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789),
        }
    }

    #[tokio::test]
    async fn what_was_taken_is_there_when_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lyceum.db");
        let kept = Checkpoints::open(&path).unwrap();
        for (id, step) in [("1", -1), ("2", 0), ("3", 1)] {
            kept.put(&key("t"), &checkpoint(id, step)).await.unwrap();
        }
        kept.put(&key("other"), &checkpoint("9", 5)).await.unwrap();
        let writes = |pairs: &[(&str, i64)]| TaskWrites {
            task: "task".into(),
            writes: pairs.iter().map(|(c, v)| (Arc::from(*c), Value::Int(*v))).collect(),
        };
        kept.put_writes(&key("t"), "3", &writes(&[("a", 1), ("b", 2), ("b", 3)])).await.unwrap();
        kept.put_writes(&key("t"), "3", &writes(&[("a", 4)])).await.unwrap();
        drop(kept);

        let again = Checkpoints::open(&path).unwrap();
        let (newest, waiting) = again.get(&key("t"), None).await.unwrap().unwrap();
        assert_eq!(newest, checkpoint("3", 1));
        assert_eq!(waiting, [writes(&[("b", 2), ("b", 3), ("a", 4)])]);
        let (old, none) = again.get(&key("t"), Some("1")).await.unwrap().unwrap();
        assert!(old == checkpoint("1", -1) && none.is_empty());
        let ids: Vec<_> =
            again.list(&key("t"), 2).await.unwrap().into_iter().map(|c| c.id.to_string()).collect();
        assert_eq!(ids, ["3", "2"]);
        assert!(again.get(&key("nobody"), None).await.unwrap().is_none());
        super::super::Db::open(&path).unwrap().integrity_check().unwrap();
    }
}

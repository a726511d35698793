//! The one thread of a process that writes runs: what came in since it last wrote goes into one transaction, a run that
//! began and ended meanwhile in one row.

use super::super::{Db, prepare, sql};
use super::TraceSettings;
use super::alive::{self, Writing};
use super::content::{Cut, TraceContent};
use super::nanos;
use super::queue::{Ended, Queue, Record};
use super::retention::Retention;
use lyceum_core::{Map, Result, Run, RunId, RunStatus, Value, facts};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long it gathers before it writes.
const GATHER: Duration = Duration::from_millis(100);
/// How often it looks for old runs when nothing comes.
const IDLE: Duration = Duration::from_secs(60);
/// Records of one transaction: other writers of the database wait no longer than this takes.
const GROUP: usize = 512;
/// Bytes of a run's metadata, of an event's data, of an error's message.
const SMALL: usize = 4096;

/// A run under way.
struct Open {
    seq: i64,
    root: Arc<str>,
    metadata: Map,
}

/// A run that began in this group, and its end if that came too.
struct Fresh {
    run: Run,
    root: Arc<str>,
    end: Option<Ended>,
}

/// Which run an event belongs to.
enum Of {
    Fresh(usize),
    Kept(i64),
}

/// What goes into one transaction.
#[derive(Default)]
struct Group {
    fresh: Vec<Fresh>,
    places: HashMap<RunId, usize>,
    ends: Vec<(Open, Ended)>,
    events: Vec<(Of, String, Value, SystemTime)>,
}

/// Writes runs.
pub(super) struct Writer {
    db: Connection,
    settings: TraceSettings,
    queue: Arc<Queue>,
    writing: Writing,
    retention: Retention,
    open: HashMap<RunId, Open>,
    /// Of the records that were not kept, those that the database knows of.
    told: u64,
}

impl Writer {
    pub(super) fn open(path: &Path, settings: TraceSettings, queue: Arc<Queue>) -> Result<Self> {
        drop(Db::open(path)?);
        let fail = |e| sql(path, e);
        let mut db = Connection::open(path).map_err(fail)?;
        prepare(&mut db).map_err(fail)?;
        // A power cut may take the last runs, never the database's integrity.
        db.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        alive::bury(&mut db, path).map_err(fail)?;
        let writing = Writing::begin(&db, path)?;
        let retention = Retention::open(&db, settings.clone()).map_err(fail)?;
        Ok(Self { db, settings, queue, writing, retention, open: HashMap::new(), told: 0 })
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn work(&mut self) {
        while let Some(records) = self.queue.take(GATHER, IDLE) {
            let n = records.len();
            let mut records = records.into_iter();
            loop {
                let group: Vec<Record> = records.by_ref().take(GROUP).collect();
                if group.is_empty() {
                    break;
                }
                let many = group.len() as u64;
                // A full disk or a locked database must not stop what is recorded: it is counted.
                if self.write(group).is_err() {
                    self.queue.count_dropped(many);
                }
            }
            self.queue.written(n);
            // Tried again the next time.
            let _ = self.retention.work(&mut self.db);
            let _ = self.tell_dropped();
        }
        let _ = alive::end_all(&self.db, self.writing.id);
    }

    fn tell_dropped(&mut self) -> rusqlite::Result<()> {
        let dropped = self.queue.dropped();
        if dropped > self.told {
            let more = i64::try_from(dropped - self.told).unwrap_or(i64::MAX);
            self.db.execute(
                "INSERT INTO trace_counts VALUES ('dropped', ?1) ON CONFLICT (name) DO UPDATE SET n = n + ?1",
                [more],
            )?;
            self.told = dropped;
        }
        Ok(())
    }

    fn write(&mut self, records: Vec<Record>) -> rusqlite::Result<()> {
        let tx = self.db.transaction()?;
        let mut group = Group::default();
        let mut lost = 0;
        for record in records {
            match record {
                Record::Start(run) => {
                    let root = root(&tx, &run, &group, &self.open)?;
                    group.places.insert(run.id, group.fresh.len());
                    group.fresh.push(Fresh { run: *run, root, end: None });
                }
                Record::End(end) => match group.places.get(&end.id).and_then(|i| group.fresh.get_mut(*i)) {
                    Some(fresh) => fresh.end = Some(*end),
                    None => match self.open.remove(&end.id) {
                        Some(open) => group.ends.push((open, *end)),
                        None => lost += 1,
                    },
                },
                Record::Event { run, name, data, time } => {
                    let of = match (group.places.get(&run), self.open.get(&run)) {
                        (Some(place), _) => Of::Fresh(*place),
                        (None, Some(open)) => Of::Kept(open.seq),
                        (None, None) => {
                            lost += 1;
                            continue;
                        }
                    };
                    group.events.push((of, name, data, time));
                }
            }
        }
        self.queue.count_dropped(lost);
        let into = Into { tx: &tx, settings: &self.settings, writer: self.writing.id };
        let (runs, opened, bytes) = into.keep(group)?;
        tx.commit()?;
        self.open.extend(opened);
        self.retention.grown(runs, bytes);
        Ok(())
    }
}

/// The top of a run's tree. A run whose parent was not kept is the top of its own.
fn root(
    tx: &Transaction<'_>,
    run: &Run,
    group: &Group,
    open: &HashMap<RunId, Open>,
) -> rusqlite::Result<Arc<str>> {
    let Some(parent) = run.parent else { return Ok(run.id.to_string().into()) };
    if let Some(above) = group.places.get(&parent).and_then(|i| group.fresh.get(*i)) {
        return Ok(above.root.clone());
    }
    if let Some(above) = open.get(&parent) {
        return Ok(above.root.clone());
    }
    let mut query = tx.prepare_cached("SELECT root FROM runs WHERE id = ?")?;
    let found: Option<String> = query.query_row([parent.to_string()], |r| r.get(0)).optional()?;
    Ok(found.unwrap_or_else(|| run.id.to_string()).into())
}

/// Where a group goes.
struct Into<'a> {
    tx: &'a Transaction<'a>,
    settings: &'a TraceSettings,
    writer: i64,
}

impl Into<'_> {
    /// Writes all; gives the number of runs, those under way, and the bytes of contents.
    fn keep(&self, group: Group) -> rusqlite::Result<(usize, Vec<(RunId, Open)>, usize)> {
        let (mut opened, mut bytes) = (Vec::new(), 0);
        let mut seqs = Vec::with_capacity(group.fresh.len());
        for Fresh { run, root, end } in group.fresh {
            let seq = self.run(&run, &root, end.as_ref())?;
            seqs.push(seq);
            bytes += self.content(2 * seq, &run.input)?;
            match end {
                Some(end) => bytes += self.content(2 * seq + 1, &end.output)?,
                None => opened.push((run.id, Open { seq, root, metadata: run.metadata })),
            }
        }
        for (open, end) in &group.ends {
            self.end(open, end)?;
            bytes += self.content(2 * open.seq + 1, &end.output)?;
        }
        let mut query = self
            .tx
            .prepare_cached("INSERT INTO run_events (run, time_ns, name, data) VALUES (?, ?, ?, ?)")?;
        for (of, name, data, time) in group.events {
            let run = match of {
                Of::Fresh(place) => seqs.get(place).copied(),
                Of::Kept(seq) => Some(seq),
            };
            query.execute(params![run, nanos(time), name, self.settings.content.event(&data, SMALL)])?;
        }
        Ok((seqs.len(), opened, bytes))
    }

    fn run(&self, run: &Run, root: &Arc<str>, end: Option<&Ended>) -> rusqlite::Result<i64> {
        let id = run.id.to_string();
        let parent = run.parent.map(|p| p.to_string()).filter(|_| **root != *id);
        let known = Known::of(run.metadata.clone(), end.map(|e| e.facts.clone()).unwrap_or_default());
        let status = end.map_or(RunStatus::Running, |e| e.status).as_str();
        let content = self.settings.content;
        let mut query = self.tx.prepare_cached(
            "INSERT INTO runs (id, parent, root, kind, name, status, start_ns, end_ns, thread, prompt_tokens,
                 completion_tokens, cost, first_token_ms, model, adapter, generation, error, input_preview,
                 output_preview, metadata, writer)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        query.insert(params![
            id,
            parent,
            &**root,
            run.kind.as_str(),
            run.name,
            status,
            nanos(run.start),
            end.map(|e| nanos(e.end)),
            known.thread,
            known.prompt_tokens,
            known.completion_tokens,
            known.cost,
            known.first_token_ms,
            known.model,
            known.adapter,
            known.generation,
            end.and_then(|e| self.error(e)),
            content.preview(&run.input),
            end.and_then(|e| content.preview(&e.output)),
            known.rest(),
            self.writer,
        ])
    }

    fn end(&self, open: &Open, end: &Ended) -> rusqlite::Result<()> {
        let known = Known::of(open.metadata.clone(), end.facts.clone());
        let mut query = self.tx.prepare_cached(
            "UPDATE runs SET status = ?2, end_ns = ?3, prompt_tokens = ?4, completion_tokens = ?5, cost = ?6,
                 first_token_ms = ?7, model = ?8, adapter = ?9, generation = ?10, error = ?11, output_preview = ?12,
                 metadata = ?13 WHERE seq = ?1",
        )?;
        let row = params![
            open.seq,
            end.status.as_str(),
            nanos(end.end),
            known.prompt_tokens,
            known.completion_tokens,
            known.cost,
            known.first_token_ms,
            known.model,
            known.adapter,
            known.generation,
            self.error(end),
            self.settings.content.preview(&end.output),
            known.rest(),
        ];
        query.execute(row).map(drop)
    }

    fn error(&self, end: &Ended) -> Option<String> {
        end.error.as_ref().map(|(kind, message)| self.settings.content.error(kind, message, SMALL))
    }

    /// Keeps a value under a key; gives the bytes kept.
    fn content(&self, key: i64, value: &Value) -> rusqlite::Result<usize> {
        let Some(Cut { text, bytes }) = self.settings.content.body(value, self.settings.max_content_bytes)
        else {
            return Ok(0);
        };
        let stored = text.len();
        let row = params![key, size(bytes), size(stored), text];
        self.tx.prepare_cached("INSERT OR REPLACE INTO run_contents VALUES (?, ?, ?, ?)")?.execute(row)?;
        Ok(stored)
    }
}

fn size(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What has a column, and the rest.
struct Known {
    thread: Option<String>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    cost: Option<f64>,
    first_token_ms: Option<f64>,
    model: Option<String>,
    adapter: Option<String>,
    generation: Option<String>,
    rest: Map,
}

impl Known {
    fn of(mut all: Map, more: Map) -> Self {
        all.extend(more);
        let mut take = |key: &str| all.shift_remove(key);
        let text = |v: Option<Value>| v.and_then(|v| v.as_str().map(str::to_string));
        let integer = |v: Option<Value>| v.and_then(|v| v.as_i64());
        let number = |v: Option<Value>| v.and_then(|v| v.as_f64());
        Self {
            thread: text(take(facts::THREAD)),
            prompt_tokens: integer(take(facts::PROMPT_TOKENS)),
            completion_tokens: integer(take(facts::COMPLETION_TOKENS)),
            cost: number(take(facts::COST)),
            first_token_ms: number(take(facts::FIRST_TOKEN_MS)),
            model: text(take(facts::MODEL)),
            adapter: text(take(facts::ADAPTER)),
            generation: text(take(facts::GENERATION)),
            rest: all,
        }
    }

    /// Metadata is kept whatever the mode, without its secrets.
    fn rest(&self) -> String {
        TraceContent::Full.event(&Value::from(self.rest.clone()), SMALL)
    }
}

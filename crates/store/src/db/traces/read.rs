//! Reading runs while others write: lists of rows, trees, contents, events. Never waits for a writer, never writes.

use super::super::sql;
use super::alive;
use super::rows::{Body, COLUMNS, Content, DIED, RunEvent, RunRow};
use lyceum_core::{Error, ErrorKind, Result, RunKind, RunStatus};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Params, params, params_from_iter, types::Value as Sql,
};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Shortest beginning of an id that is looked up.
const SHORTEST: usize = 4;
/// Rows of a page at most.
const MOST: usize = 1000;

/// Which runs to list, newest first. What is absent does not filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only the tops of trees.
    pub root_only: bool,
    /// Of a kind.
    pub kind: Option<RunKind>,
    /// Of a name.
    pub name: Option<String>,
    /// That stand so.
    pub status: Option<RunStatus>,
    /// Of a conversation.
    pub thread: Option<String>,
    /// Right below a run, by its whole id.
    pub parent: Option<String>,
    /// Begun at that time or later.
    pub since: Option<SystemTime>,
    /// With these words in name, error, or the beginning of input or output, in any case (ASCII).
    pub text: Option<String>,
    /// On from where a page ended ([`Page::next`]).
    pub before: Option<String>,
    /// Rows at most; 0 is 100; never more than 1000.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The runs.
    pub runs: Vec<RunRow>,
    /// Where the list goes on, if it does.
    pub next: Option<String>,
}

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceStats {
    /// Runs kept.
    pub runs: u64,
    /// Runs under way.
    pub running: u64,
    /// Bytes of contents kept.
    pub bytes: u64,
    /// Records that were not kept since the database was made: too much waited, or the disk was full.
    pub dropped: u64,
    /// When the oldest run began, in nanoseconds since 1970.
    pub oldest_ns: Option<i64>,
}

/// Reads the runs of a database.
pub struct TraceReader {
    db: Mutex<Connection>,
    path: PathBuf,
}

impl TraceReader {
    /// Opens a database for reading.
    ///
    /// # Errors
    /// There is none, or it is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_file() {
            return Err(Error::not_found("no runs are recorded here").in_file(path));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|e| sql(path, e))?;
        db.busy_timeout(Duration::from_secs(5)).map_err(|e| sql(path, e))?;
        let reader = Self { db: Mutex::new(db), path: path.to_path_buf() };
        reader.has_runs()?;
        Ok(reader)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, e: rusqlite::Error) -> Error {
        sql(&self.path, e)
    }

    /// A database that an older Lyceum wrote has no table of runs yet.
    fn has_runs(&self) -> Result<bool> {
        let know = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'run_contents')";
        self.lock().query_row(know, [], |r| r.get(0)).map_err(|e| self.fail(e))
    }

    fn rows(&self, db: &Connection, query: &str, with: impl Params) -> Result<Vec<RunRow>> {
        let mut query = db.prepare_cached(query).map_err(|e| self.fail(e))?;
        let rows = query.query_map(with, RunRow::read).map_err(|e| self.fail(e))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|e| self.fail(e))
    }

    /// Ids of the writers that live, for the text of a query.
    fn living(&self, db: &Connection) -> Result<Vec<i64>> {
        let all = alive::writers(db, &self.path).map_err(|e| self.fail(e))?;
        Ok(all.into_iter().filter(|w| w.lives).map(|w| w.id).collect())
    }

    /// Runs, newest first.
    pub fn list(&self, filter: &Filter) -> Result<Page> {
        if !self.has_runs()? {
            return Ok(Page { runs: Vec::new(), next: None });
        }
        let db = self.lock();
        let living = self.living(&db)?;
        let (mut terms, mut with) = (Vec::<String>::new(), Vec::<Sql>::new());
        filter.terms(&living, &mut terms, &mut with)?;
        let limit = if filter.limit == 0 { 100 } else { filter.limit.min(MOST) };
        let terms = if terms.is_empty() { String::new() } else { format!("WHERE {}", terms.join(" AND ")) };
        let query = format!(
            "SELECT {COLUMNS} FROM runs {terms} ORDER BY start_ns DESC, seq DESC LIMIT {}",
            limit + 1
        );
        let mut runs = self.rows(&db, &query, params_from_iter(with))?;
        let more = runs.len() > limit;
        runs.truncate(limit);
        let next = runs.last().filter(|_| more).map(|r| format!("{}.{}", r.start_ns, r.seq));
        runs.iter_mut().for_each(|r| settle(r, &living));
        Ok(Page { runs, next })
    }

    /// The run of an id, of the beginning of one, or of the beginning of an id's last group.
    pub fn find(&self, id: &str) -> Result<RunRow> {
        let id = id.to_ascii_lowercase();
        if id.len() < SHORTEST || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Err(Error::invalid(format!("\"{id}\" is no id of a run")).hint(format!(
                "give an id, or at least {SHORTEST} characters of the beginning of its last group"
            )));
        }
        if !self.has_runs()? {
            return Err(self.unknown(&id));
        }
        let db = self.lock();
        // `~` follows all that ids are made of.
        let end = format!("{id}~");
        let begins =
            |what: &str| format!("SELECT {COLUMNS} FROM runs WHERE {what} >= ? AND {what} < ? LIMIT 2");
        let mut found = self.rows(&db, &begins("substr(id, 25)"), [&id, &end])?;
        if found.is_empty() {
            found = self.rows(&db, &begins("id"), [&id, &end])?;
        }
        let living = self.living(&db)?;
        match (found.pop(), found.pop()) {
            (None, _) => Err(self.unknown(&id)),
            (Some(mut run), None) => {
                settle(&mut run, &living);
                Ok(run)
            }
            (Some(a), Some(b)) => {
                Err(Error::invalid(format!("several ids begin with \"{id}\": {}, {}, …", b.id, a.id))
                    .hint("give more of it"))
            }
        }
    }

    fn unknown(&self, id: &str) -> Error {
        Error::not_found(format!("no run \"{id}\" is recorded")).in_file(&self.path)
    }

    /// The whole tree that a run is part of, in the order in which its runs began; the first is its top.
    pub fn trace(&self, id: &str) -> Result<Vec<RunRow>> {
        let root = self.find(id)?.trace_id;
        let db = self.lock();
        let living = self.living(&db)?;
        let query =
            format!("SELECT {COLUMNS} FROM runs WHERE root = ? ORDER BY parent IS NOT NULL, start_ns, seq");
        let mut runs = self.rows(&db, &query, [root])?;
        runs.iter_mut().for_each(|r| settle(r, &living));
        Ok(runs)
    }

    /// What went into a run and what came out.
    pub fn content(&self, id: &str) -> Result<Content> {
        let seq = self.find(id)?.seq;
        let db = self.lock();
        let body = |key: i64| {
            db.query_row("SELECT body, bytes FROM run_contents WHERE key = ?", [key], |r| {
                Ok(Body { text: r.get(0)?, bytes: u64::try_from(r.get::<_, i64>(1)?).unwrap_or(0) })
            })
            .optional()
            .map_err(|e| self.fail(e))
        };
        Ok(Content { inputs: body(2 * seq)?, outputs: body(2 * seq + 1)? })
    }

    /// A run with its contents, as JSON: [`RunRow::to_json`] with `inputs`, `outputs` and `events` in place of the
    /// previews.
    pub fn whole(&self, run: &RunRow) -> Result<Json> {
        let content = self.content(&run.id)?;
        let mut json = run.to_json();
        if let Some(object) = json.as_object_mut() {
            object.shift_remove("input_preview");
            object.shift_remove("output_preview");
            let events: Vec<Json> = self.events(&run.id, 0)?.iter().map(RunEvent::to_json).collect();
            object.insert("inputs".into(), content.inputs.map_or(Json::Null, |b| b.to_json()));
            object.insert("outputs".into(), content.outputs.map_or(Json::Null, |b| b.to_json()));
            object.insert("events".into(), json!(events));
        }
        Ok(json)
    }

    /// What happened within a run after an event (0: from its beginning), at most 10,000 events.
    pub fn events(&self, id: &str, after: i64) -> Result<Vec<RunEvent>> {
        let seq = self.find(id)?.seq;
        let db = self.lock();
        let mut query = db
            .prepare_cached(
                "SELECT id, name, time_ns, data FROM run_events WHERE run = ? AND id > ? ORDER BY id LIMIT 10000",
            )
            .map_err(|e| self.fail(e))?;
        let rows = query
            .query_map(params![seq, after], |r| {
                let data: String = r.get(3)?;
                let data = serde_json::from_str(&data).unwrap_or(Json::Null);
                Ok(RunEvent { id: r.get(0)?, name: r.get(1)?, time_ns: r.get(2)?, data })
            })
            .map_err(|e| self.fail(e))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|e| self.fail(e))
    }

    /// What the database holds.
    pub fn stats(&self) -> Result<TraceStats> {
        if !self.has_runs()? {
            return Ok(TraceStats { runs: 0, running: 0, bytes: 0, dropped: 0, oldest_ns: None });
        }
        let db = self.lock();
        let living = self.living(&db)?;
        let count = |query: &str| -> Result<u64> {
            let n: i64 = db.query_row(query, [], |r| r.get(0)).map_err(|e| self.fail(e))?;
            Ok(u64::try_from(n).unwrap_or(0))
        };
        Ok(TraceStats {
            runs: count("SELECT count(*) FROM runs")?,
            running: count(&format!(
                "SELECT count(*) FROM runs WHERE {}",
                status_term(RunStatus::Running, &living)
            ))?,
            bytes: count("SELECT coalesce(sum(stored), 0) FROM run_contents")?,
            dropped: count("SELECT coalesce((SELECT n FROM trace_counts WHERE name = 'dropped'), 0)")?,
            oldest_ns: db
                .query_row("SELECT min(start_ns) FROM runs", [], |r| r.get(0))
                .map_err(|e| self.fail(e))?,
        })
    }
}

/// A run under way whose process has died never ends.
fn settle(run: &mut RunRow, living: &[i64]) {
    if run.status == RunStatus::Running && !living.contains(&run.writer) {
        run.status = RunStatus::Interrupted;
        run.error = Some(DIED.into());
    }
}

/// The condition of a status. What the index of runs that are not well needs is said in its words.
fn status_term(status: RunStatus, living: &[i64]) -> String {
    let living = living.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    match status {
        RunStatus::Success => "status = 'success'".into(),
        RunStatus::Running => {
            format!("status <> 'success' AND status = 'running' AND writer IN ({living})")
        }
        RunStatus::Interrupted => format!(
            "status <> 'success' AND (status = 'interrupted' OR (status = 'running' AND writer NOT IN ({living})))"
        ),
        other => format!("status <> 'success' AND status = '{}'", other.as_str()),
    }
}

impl Filter {
    fn terms(&self, living: &[i64], terms: &mut Vec<String>, with: &mut Vec<Sql>) -> Result<()> {
        let mut add = |term: &str, value: Sql| {
            terms.push(term.into());
            with.push(value);
        };
        if let Some(kind) = self.kind {
            add("kind = ?", Sql::Text(kind.as_str().into()));
        }
        if let Some(name) = &self.name {
            add("name = ?", Sql::Text(name.clone()));
        }
        if let Some(thread) = &self.thread {
            add("thread = ?", Sql::Text(thread.clone()));
        }
        if let Some(parent) = &self.parent {
            add("root = (SELECT root FROM runs WHERE id = ?)", Sql::Text(parent.clone()));
            add("parent = ?", Sql::Text(parent.clone()));
        }
        if let Some(since) = self.since {
            add("start_ns >= ?", Sql::Integer(super::nanos(since)));
        }
        if let Some(text) = &self.text {
            let fields = "name || ' ' || coalesce(error, '') || ' ' || coalesce(input_preview, '') || ' ' ||
                 coalesce(output_preview, '')";
            add(&format!("instr(lower({fields}), ?) > 0"), Sql::Text(text.to_ascii_lowercase()));
        }
        if let Some(before) = &self.before {
            let (start, seq) = cursor(before)?;
            add("start_ns <= ?", Sql::Integer(start));
            add("(start_ns, seq) < (?, ?)", Sql::Integer(start));
            with.push(Sql::Integer(seq));
        }
        if self.root_only {
            terms.push("parent IS NULL".into());
        }
        if let Some(status) = self.status {
            terms.push(status_term(status, living));
        }
        Ok(())
    }
}

fn cursor(text: &str) -> Result<(i64, i64)> {
    let parts = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parts.ok_or_else(|| {
        Error::new(ErrorKind::Invalid, format!("\"{text}\" is no place in a list of runs")).at_key("before")
    })
}

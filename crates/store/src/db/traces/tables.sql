-- Processes that write runs. A process holds a lock file of its token's name while it lives.
CREATE TABLE trace_writers (
    id         INTEGER PRIMARY KEY,
    token      TEXT NOT NULL UNIQUE,
    pid        INTEGER NOT NULL,
    started_ns INTEGER NOT NULL
) STRICT;

-- What was counted instead of kept.
CREATE TABLE trace_counts (
    name TEXT PRIMARY KEY,
    n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What lists show. Everything large lies in the two tables below.
CREATE TABLE runs (
    seq               INTEGER PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    parent            TEXT,
    root              TEXT NOT NULL,
    kind              TEXT NOT NULL,
    name              TEXT NOT NULL,
    status            TEXT NOT NULL,
    start_ns          INTEGER NOT NULL,
    end_ns            INTEGER,
    thread            TEXT,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    cost              REAL,
    first_token_ms    REAL,
    model             TEXT,
    adapter           TEXT,
    generation        TEXT,
    error             TEXT,
    input_preview     TEXT,
    output_preview    TEXT,
    metadata          TEXT NOT NULL,
    writer            INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_time ON runs (start_ns);
CREATE INDEX runs_roots ON runs (start_ns) WHERE parent IS NULL;
CREATE INDEX runs_not_well ON runs (start_ns) WHERE status <> 'success';
CREATE INDEX runs_by_kind ON runs (kind, start_ns);
CREATE INDEX runs_by_name ON runs (name, start_ns);
CREATE INDEX runs_by_thread ON runs (thread, start_ns) WHERE thread IS NOT NULL;
CREATE INDEX runs_of_root ON runs (root);
CREATE INDEX runs_by_tail ON runs (substr(id, 25));

-- `key` is twice the run's `seq`, plus one for outputs. `bytes` is the whole size, of which `body` may be the beginning.
CREATE TABLE run_contents (
    key    INTEGER PRIMARY KEY,
    bytes  INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    body   TEXT NOT NULL
) STRICT;

CREATE TABLE run_events (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    name    TEXT NOT NULL,
    data    TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_run ON run_events (run, id);

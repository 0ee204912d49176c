-- +goose Up

-- What tells a file of ours from another program's: 'spgw'.
PRAGMA application_id = 1936746359;

-- Tables that people read have the names and columns that they have in
-- PostgreSQL. JSON is text, and a time is text in UTC with microseconds, like
-- '2026-01-02 03:04:05.678901': SQLite's functions take it, it compares with
-- what they return, and it sorts.

-- One row. epoch changes whenever a name, a job or a shape that the gateway may
-- have learned stops to be true. seq changes with each commit, and is the last
-- number that a row of push_history got.
CREATE TABLE catalog (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    seq   INTEGER NOT NULL
) STRICT;
INSERT INTO catalog VALUES (1, 1, 0);

-- Which family owns an exposed name.
CREATE TABLE names (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    type  TEXT NOT NULL,
    mixed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The label-name set (shape) of a job's groups, until there are several.
CREATE TABLE jobs (
    job    TEXT PRIMARY KEY,
    shape  BLOB NOT NULL,
    shared INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- All shapes of each job that has several.
CREATE TABLE shapes (
    job   TEXT NOT NULL,
    shape BLOB NOT NULL,
    PRIMARY KEY (job, shape)
) STRICT, WITHOUT ROWID;

-- This and the history have rowids, since their rows are about as large as a
-- page: without, they would be cut in two.
CREATE TABLE push_group (
    -- The groups: what a scrape exposes.
    key            BLOB PRIMARY KEY,           -- SHA-256 of the grouping key
    labels         TEXT NOT NULL,              -- the grouping labels, job among them
    job            TEXT NOT NULL,              -- the label job
    families       TEXT NOT NULL,              -- the metric families, as docs/stored-json.md describes them
    family_times   TEXT NOT NULL DEFAULT '{}', -- when those families were pushed that are older than pushed_at
    pushed_at      TEXT,                       -- when the last push was accepted, or NULL
    push_failed_at TEXT                        -- when the last push was rejected, or NULL
) STRICT;
CREATE INDEX push_group_job ON push_group (job);

-- The answers to requests that a proxy may send again.
CREATE TABLE push_request (
    id      BLOB PRIMARY KEY,
    at      TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX push_request_at ON push_request (at);

CREATE TABLE push_history (
    -- A row for each push, delete and wipe, accepted or rejected.
    seq        INTEGER PRIMARY KEY, -- number of the row; changes of one group happened in this order
    at         TEXT NOT NULL,       -- when it happened
    key        BLOB,                -- SHA-256 of the grouping key; NULL for a wipe, as labels and job
    labels     TEXT,                -- the grouping labels, job among them
    job        TEXT,                -- the label job
    method     TEXT NOT NULL CHECK (method IN ('PUT', 'POST', 'DELETE', 'WIPE')),
    outcome    TEXT NOT NULL CHECK (outcome IN ('accepted', 'rejected')),
    reason     TEXT,                -- why it was rejected
    success    INTEGER,             -- what an accepted push says of its run: 0 if a sample named success or *_success is 0, else 1 if one is 1, else NULL
    affected   INTEGER NOT NULL,    -- how many groups it changed: 0 for a delete of nothing
    families   TEXT,                -- what was pushed, as docs/stored-json.md describes it; --history.payload says how much of it is kept
    series     INTEGER NOT NULL,    -- how many series were pushed
    bytes      INTEGER NOT NULL,    -- size of the body, decompressed
    client     TEXT,                -- address of the client
    username   TEXT,                -- name of the user, if one had to log in
    user_agent TEXT,                -- what the client calls itself
    replica    TEXT NOT NULL,       -- the gateway that took it
    commit_id  TEXT NOT NULL,       -- the commit that it was part of
    request_id TEXT                 -- the X-Request-Id that a trusted proxy gave it
) STRICT;
-- Each index costs every push.
CREATE INDEX push_history_at ON push_history (at);
CREATE INDEX push_history_job ON push_history (job, at);
CREATE INDEX push_history_rejected ON push_history (at) WHERE outcome = 'rejected';
CREATE INDEX push_history_failed ON push_history (at) WHERE success = 0;
CREATE INDEX push_history_removals ON push_history (at) WHERE method IN ('DELETE', 'WIPE');

-- +goose Down
DROP TABLE push_history;
DROP TABLE push_request;
DROP TABLE push_group;
DROP TABLE shapes;
DROP TABLE jobs;
DROP TABLE names;
DROP TABLE catalog;

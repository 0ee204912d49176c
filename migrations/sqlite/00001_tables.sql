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
    key            BLOB PRIMARY KEY,
    labels         TEXT NOT NULL,
    job            TEXT NOT NULL,
    families       TEXT NOT NULL,
    family_times   TEXT NOT NULL DEFAULT '{}',
    pushed_at      TEXT,
    push_failed_at TEXT
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
    seq        INTEGER PRIMARY KEY,
    at         TEXT NOT NULL,
    key        BLOB,
    labels     TEXT,
    job        TEXT,
    method     TEXT NOT NULL CHECK (method IN ('PUT', 'POST', 'DELETE', 'WIPE')),
    outcome    TEXT NOT NULL CHECK (outcome IN ('accepted', 'rejected')),
    reason     TEXT,
    affected   INTEGER NOT NULL,
    families   TEXT,
    series     INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    client     TEXT,
    username   TEXT,
    user_agent TEXT,
    replica    TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    request_id TEXT
) STRICT;
CREATE INDEX push_history_at ON push_history (at);

-- +goose Down
DROP TABLE push_history;
DROP TABLE push_request;
DROP TABLE push_group;
DROP TABLE shapes;
DROP TABLE jobs;
DROP TABLE names;
DROP TABLE catalog;

-- +goose Up

-- One row. epoch changes whenever a name, a job or a shape that a replica may
-- have learned stops to be true.
CREATE TABLE catalog (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch             bigint NOT NULL DEFAULT 1,
    trimmed_before    timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00'
);
INSERT INTO catalog DEFAULT VALUES;

-- The life that the database is in. Transaction ids and epochs mean something
-- within one life only: after a crash, a failover or a restore they can be
-- handed out a second time. The table is emptied by crash recovery and by
-- promotion; other ends of a life show in what current_life() returns.
CREATE UNLOGGED TABLE incarnation (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    id   uuid NOT NULL,
    life text NOT NULL
);

-- Which family owns an exposed name. Names can be longer than an index entry,
-- hence the digests (SHA-256) here and below.
CREATE TABLE names (
    digest bytea PRIMARY KEY,
    name   text NOT NULL,
    owner  text NOT NULL,
    type   text NOT NULL,
    mixed  boolean NOT NULL DEFAULT false
);

-- The label-name set (shape) of a job's groups, until there are several.
CREATE TABLE jobs (
    digest bytea PRIMARY KEY,
    job    text NOT NULL,
    shape  bytea NOT NULL,
    shared boolean NOT NULL DEFAULT false
);

-- All shapes of each job.
CREATE TABLE shapes (
    job    bytea NOT NULL,
    digest bytea NOT NULL,
    shape  bytea NOT NULL,
    PRIMARY KEY (job, digest)
);

-- families is text to PostgreSQL, since to take it apart costs more than all the
-- rest of storing it. family_set is a digest of the sorted names in it, or NULL:
-- where it is that of a POST, that replaces everything. Both are HOT updates.
CREATE TABLE push_group (
    key            bytea PRIMARY KEY,
    labels         jsonb NOT NULL,
    job            text NOT NULL,
    families       json NOT NULL,
    family_set     uuid,
    family_times   jsonb NOT NULL DEFAULT '{}',
    pushed_at      timestamptz,
    push_failed_at timestamptz
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX push_group_job ON push_group (hashtextextended(job, 0));

-- One row per commit, kept for an hour: what replicas have to read again.
CREATE TABLE feed (
    commit_id uuid PRIMARY KEY,
    xid       xid8 NOT NULL,
    at        timestamptz NOT NULL,
    wipe      boolean NOT NULL DEFAULT false,
    keys      bytea[] NOT NULL
);
CREATE INDEX feed_xid ON feed (xid);

-- The answers to requests that a proxy may send again.
CREATE TABLE push_request (
    id      bytea PRIMARY KEY,
    at      timestamptz NOT NULL,
    outcome text NOT NULL,
    reason  text
);

CREATE SEQUENCE push_history_seq;
CREATE TABLE push_history (
    seq        bigint NOT NULL,
    at         timestamptz NOT NULL,
    key        bytea,
    labels     jsonb,
    job        text,
    method     text NOT NULL CHECK (method IN ('PUT', 'POST', 'DELETE', 'WIPE')),
    outcome    text NOT NULL CHECK (outcome IN ('accepted', 'rejected')),
    reason     text,
    success    boolean,
    affected   integer NOT NULL,
    families   json,
    series     integer NOT NULL,
    bytes      integer NOT NULL,
    client     text,
    username   text,
    user_agent text,
    replica    text NOT NULL,
    commit_id  uuid NOT NULL,
    request_id text,
    PRIMARY KEY (seq, at)
) PARTITION BY RANGE (at);
CREATE TABLE push_history_default PARTITION OF push_history DEFAULT;
-- Each index costs every push. Jobs can be longer than an index entry.
CREATE INDEX push_history_at ON push_history (at, seq);
CREATE INDEX push_history_job ON push_history (hashtextextended(job, 0), at, seq);
CREATE INDEX push_history_rejected ON push_history (at) WHERE outcome = 'rejected';
CREATE INDEX push_history_failed ON push_history (at) WHERE success = false;
CREATE INDEX push_history_removals ON push_history (at) WHERE method IN ('DELETE', 'WIPE');

-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE push_group ALTER families SET COMPRESSION lz4;
    ALTER TABLE push_history ALTER families SET COMPRESSION lz4;
    ALTER TABLE push_history_default ALTER families SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    NULL; -- a server built without lz4 goes on with pglz
END $$;
-- +goose StatementEnd

COMMENT ON TABLE push_group IS 'The groups: what a scrape exposes.';
COMMENT ON COLUMN push_group.key IS 'SHA-256 of the grouping key.';
COMMENT ON COLUMN push_group.labels IS 'The grouping labels, job among them.';
COMMENT ON COLUMN push_group.job IS 'The label job.';
COMMENT ON COLUMN push_group.families IS 'The metric families, as docs/stored-json.md describes them.';
COMMENT ON COLUMN push_group.family_set IS 'Digest of the names of the families, or NULL.';
COMMENT ON COLUMN push_group.family_times IS 'When those families were pushed that are older than pushed_at.';
COMMENT ON COLUMN push_group.pushed_at IS 'When the last push was accepted, or NULL.';
COMMENT ON COLUMN push_group.push_failed_at IS 'When the last push was rejected, or NULL.';

COMMENT ON TABLE push_history IS 'A row for each push, delete and wipe, accepted or rejected. In a partition for each day, in UTC.';
COMMENT ON COLUMN push_history.seq IS 'Number of the row. Changes of one group happened in this order.';
COMMENT ON COLUMN push_history.at IS 'When it happened, by the clock of the database.';
COMMENT ON COLUMN push_history.key IS 'SHA-256 of the grouping key. NULL for a wipe.';
COMMENT ON COLUMN push_history.labels IS 'The grouping labels, job among them. NULL for a wipe.';
COMMENT ON COLUMN push_history.job IS 'The label job. NULL for a wipe. Its index is found by hashtextextended(job, 0).';
COMMENT ON COLUMN push_history.method IS 'PUT, POST, DELETE or WIPE.';
COMMENT ON COLUMN push_history.outcome IS 'accepted or rejected.';
COMMENT ON COLUMN push_history.reason IS 'Why it was rejected.';
COMMENT ON COLUMN push_history.success IS 'What an accepted push says of its run: false if a sample named success or *_success is 0, else true if one is 1, else NULL.';
COMMENT ON COLUMN push_history.affected IS 'How many groups it changed: 0 for a delete of nothing.';
COMMENT ON COLUMN push_history.families IS 'What was pushed, as docs/stored-json.md describes it. --history.payload says how much of it is kept.';
COMMENT ON COLUMN push_history.series IS 'How many series were pushed.';
COMMENT ON COLUMN push_history.bytes IS 'Size of the body, decompressed.';
COMMENT ON COLUMN push_history.client IS 'Address of the client.';
COMMENT ON COLUMN push_history.username IS 'Name of the user, if one had to log in.';
COMMENT ON COLUMN push_history.user_agent IS 'What the client calls itself.';
COMMENT ON COLUMN push_history.replica IS 'The gateway that took it.';
COMMENT ON COLUMN push_history.commit_id IS 'The commit that it was part of.';
COMMENT ON COLUMN push_history.request_id IS 'The X-Request-Id that a trusted proxy gave it.';

-- +goose Down
DROP TABLE push_history, push_request, feed, push_group, shapes, jobs, names, incarnation, catalog;
DROP SEQUENCE push_history_seq;

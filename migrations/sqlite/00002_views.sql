-- +goose Up
-- Views for people, with the names and columns that they have in PostgreSQL.

CREATE VIEW current_samples (
    -- A row for each sample that a scrape exposes, but for push_time_seconds and
    -- push_failure_time_seconds.
    job,      -- the label job
    labels,   -- all labels: those of the group, and the sample's own
    metric,   -- the name; histograms and summaries have samples with _bucket, _sum and _count at the end
    type,     -- the type of the family: counter, gauge, untyped, summary, histogram or gauge_histogram
    value,    -- the value; NULL for NaN, which SQLite does not have
    pushed_at -- when the family was pushed
) AS
SELECT g.job,
       json_patch(json_patch(g.labels, m.value -> '$.labels'),
                  CASE WHEN s.value ->> 0 IS NULL THEN '{}'
                       WHEN p.key = 'quantiles' THEN json_object('quantile', s.value ->> 0)
                       ELSE json_object('le', s.value ->> 0) END),
       f.key || CASE WHEN p.key = 'sum' THEN '_sum'
                     WHEN p.key = 'count' AND s.value ->> 0 IS NULL THEN '_count'
                     WHEN p.key IN ('count', 'buckets') THEN '_bucket'
                     ELSE '' END,
       f.value ->> '$.type',
       CASE s.value ->> 1 WHEN 'NaN' THEN NULL WHEN '+Inf' THEN 9e999 WHEN '-Inf' THEN -9e999
                          ELSE CAST(s.value ->> 1 AS REAL) END,
       coalesce((SELECT t.value FROM json_each(g.family_times) t WHERE t.key = f.key), g.pushed_at)
FROM push_group g, json_each(g.families) f, json_each(f.value, '$.metrics') m,
     json_each(m.value) p, -- its members, of which some have values, as
     json_each(CASE        -- pairs of the value of le or quantile, and the value
         WHEN p.key IN ('quantiles', 'buckets') THEN p.value
         WHEN p.key IN ('value', 'sum') THEN json_array(json_array(NULL, p.value))
         WHEN p.key <> 'count' THEN '[]'
         WHEN m.value -> '$.buckets' IS NULL
             OR EXISTS (SELECT 1 FROM json_each(m.value, '$.buckets') b WHERE b.value ->> 0 = '+Inf')
             THEN json_array(json_array(NULL, p.value))
         ELSE json_array(json_array('+Inf', p.value), json_array(NULL, p.value)) END) s;

CREATE VIEW job_runs (
    -- A row for each push that was accepted.
    seq,        -- number of the row; pushes to one group happened in this order
    at,         -- when it was pushed
    job,        -- the label job
    labels,     -- the grouping labels, job among them
    state,      -- succeeded or failed, by success; unknown if that is NULL, or if it is 0 and a push to the same group follows
                -- within an hour for which it is 1: then this was the start of that run
    method,     -- PUT or POST
    series,     -- how many series were pushed
    bytes,      -- size of the body, decompressed
    samples,    -- its gauges, counters and untyped metrics: by name{label="value",…}, numbers or "NaN", "+Inf", "-Inf"; NULL if
                -- the history has nothing of it
    client,     -- address of the client
    username,   -- name of the user, if one had to log in
    user_agent, -- what the client calls itself
    replica,    -- the gateway that took it
    request_id, -- the X-Request-Id that a trusted proxy gave it
    success     -- what the push says of its run: 0 if a sample named success or *_success is 0, else 1 if one is 1, else NULL
) AS
SELECT h.seq, h.at, h.job, h.labels,
       CASE WHEN h.success = 1 THEN 'succeeded'
            WHEN h.success IS NULL THEN 'unknown'
            WHEN EXISTS (SELECT 1 FROM push_history n
                         WHERE n.job = h.job AND n.key = h.key AND n.success = 1
                           AND n.at BETWEEN h.at AND datetime(substr(h.at, 1, 19), '+1 hour') || substr(h.at, 20)
                           AND n.seq > h.seq) THEN 'unknown'
            ELSE 'failed' END,
       h.method, h.series, h.bytes,
       CASE WHEN h.families IS NOT NULL THEN (
           SELECT json_group_object(
               f.key || coalesce('{' || (
                   SELECT group_concat(l.key || '="' || replace(replace(replace(l.value, '\', '\\'), '"', '\"'), char(10), '\n') || '"', ',')
                   FROM json_each(m.value, '$.labels') l) || '}', ''), -- they are stored in the order of their names
               json(CASE WHEN m.value ->> '$.value' IN ('NaN', '+Inf', '-Inf') THEN m.value -> '$.value' ELSE m.value ->> '$.value' END))
           FROM json_each(h.families) f, json_each(f.value, '$.metrics') m
           WHERE f.value ->> '$.type' IN ('counter', 'gauge', 'untyped')) END,
       h.client, h.username, h.user_agent, h.replica, h.request_id, h.success
FROM push_history h
WHERE h.outcome = 'accepted' AND h.method IN ('PUT', 'POST');

CREATE VIEW failed_runs AS
    -- The rows of job_runs whose state is failed.
SELECT * FROM job_runs WHERE success = 0 AND state = 'failed';

CREATE VIEW overdue_jobs (
    -- The groups that have been silent for more than three times the median gap
    -- between their last ten runs, if there were five or more.
    job,        -- the label job
    labels,     -- the grouping labels, job among them
    last_push,  -- when the last run was pushed
    median_gap, -- the median of the gaps between the last ten runs, in seconds
    silent_for, -- how many seconds ago the last run was pushed
    runs        -- how many runs were looked at: 5 to 10
) AS
WITH jobs AS (
    SELECT g.job, count(*) AS groups FROM push_group g GROUP BY g.job
), runs AS (
    -- A push that starts a run is not one, or half of the gaps would be the time
    -- that runs take. Where a job has few groups, an index leads to the last runs
    -- of each; where it has many, that would be to read the others' again and
    -- again, and all that the job ever did is read once.
    SELECT g.key, h.seq, h.at
    FROM jobs j CROSS JOIN push_group g ON g.job = j.job CROSS JOIN push_history h
    WHERE j.groups <= 30
      AND h.seq IN (SELECT r.seq FROM job_runs r
                    WHERE r.job = g.job AND r.labels = g.labels AND (r.success IS NOT 0 OR r.state = 'failed')
                    ORDER BY r.at DESC, r.seq DESC LIMIT 10)
    UNION ALL
    SELECT key, seq, at
    FROM (SELECT h.key, h.seq, h.at, row_number() OVER (PARTITION BY h.key ORDER BY h.at DESC, h.seq DESC) AS n
          FROM jobs j CROSS JOIN push_history h ON h.job = j.job
          WHERE j.groups > 30 AND h.outcome = 'accepted' AND h.method IN ('PUT', 'POST')
            AND (h.success IS NOT 0 OR (SELECT r.state FROM job_runs r WHERE r.seq = h.seq) = 'failed'))
    WHERE n <= 10
), gaps AS (
    SELECT key, at, round(86400 * (julianday(at) - julianday(lag(at) OVER (PARTITION BY key ORDER BY at, seq))), 3) AS gap
    FROM runs
), ranked AS (
    SELECT key, gap, max(at) OVER (PARTITION BY key) AS last_push, count(*) OVER (PARTITION BY key) AS runs,
           row_number() OVER (PARTITION BY key ORDER BY gap) - 1 AS rank -- from 1: the first has no gap, and is 0
    FROM gaps
), medians AS (
    SELECT key, last_push, avg(gap) AS median_gap, round(86400 * (julianday('now') - julianday(last_push)), 3) AS silent_for, runs
    FROM ranked
    WHERE runs >= 5 AND rank IN (runs / 2, (runs + 1) / 2)
    GROUP BY key
)
SELECT g.job, g.labels, m.last_push, m.median_gap, m.silent_for, m.runs
FROM medians m CROSS JOIN push_group g ON g.key = m.key
WHERE m.silent_for > 3 * m.median_gap;

CREATE VIEW rejected_pushes (
    -- A row for each push that was rejected.
    seq,        -- number of the row; pushes to one group happened in this order
    at,         -- when it was pushed
    job,        -- the label job
    labels,     -- the grouping labels, job among them
    method,     -- PUT or POST
    reason,     -- why it was rejected
    client,     -- address of the client
    username,   -- name of the user, if one had to log in
    user_agent, -- what the client calls itself
    bytes,      -- size of the body, decompressed
    replica,    -- the gateway that answered
    request_id  -- the X-Request-Id that a trusted proxy gave it
) AS
SELECT seq, at, job, labels, method, reason, client, username, user_agent, bytes, replica, request_id
FROM push_history
WHERE outcome = 'rejected';

-- +goose Down
DROP VIEW rejected_pushes;
DROP VIEW overdue_jobs;
DROP VIEW failed_runs;
DROP VIEW job_runs;
DROP VIEW current_samples;

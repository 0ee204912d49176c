-- +goose Up
-- Views for people, with the names and columns that they have in SQLite. They
-- are for PostgreSQL's planner to take apart: a query pays only for the columns
-- that it selects, and its conditions reach the indexes.

CREATE VIEW current_samples AS
SELECT g.job,
       g.labels || (m -> 'labels') || s.labels AS labels,
       f.name || s.suffix AS metric,
       f.family ->> 'type' AS type,
       s.value::float8 AS value,
       coalesce((g.family_times ->> f.name)::timestamptz, g.pushed_at) AS pushed_at
FROM push_group g
CROSS JOIN LATERAL jsonb_each(g.families::jsonb) f (name, family)
CROSS JOIN LATERAL jsonb_array_elements(f.family -> 'metrics') m
CROSS JOIN LATERAL (
    SELECT '', '{}'::jsonb, m ->> 'value' WHERE m ? 'value'
    UNION ALL
    SELECT '', jsonb_build_object('quantile', q -> 0), q ->> 1 FROM jsonb_array_elements(m -> 'quantiles') q
    UNION ALL
    SELECT '_bucket', jsonb_build_object('le', b -> 0), b ->> 1 FROM jsonb_array_elements(m -> 'buckets') b
    UNION ALL
    SELECT '_bucket', '{"le": "+Inf"}', m ->> 'count' WHERE m ? 'buckets' AND NOT m @? '$.buckets[*] ? (@[0] == "+Inf")'
    UNION ALL
    SELECT '_sum', '{}', m ->> 'sum' WHERE m ? 'sum'
    UNION ALL
    SELECT '_count', '{}', m ->> 'count' WHERE m ? 'count'
) s (suffix, labels, value);

COMMENT ON VIEW current_samples IS 'A row for each sample that a scrape exposes, but for push_time_seconds and push_failure_time_seconds.';
COMMENT ON COLUMN current_samples.job IS 'The label job.';
COMMENT ON COLUMN current_samples.labels IS 'All labels: those of the group, and the sample''s own.';
COMMENT ON COLUMN current_samples.metric IS 'The name. Histograms and summaries have samples with _bucket, _sum and _count at the end.';
COMMENT ON COLUMN current_samples.type IS 'The type of the family: counter, gauge, untyped, summary, histogram or gauge_histogram.';
COMMENT ON COLUMN current_samples.value IS 'The value, which can be NaN or infinite.';
COMMENT ON COLUMN current_samples.pushed_at IS 'When the family was pushed.';

-- A failure is one for good an hour later: before, the push of 1 that makes it a
-- start can still come.
CREATE VIEW job_runs AS
SELECT h.seq, h.at, h.job, h.labels,
       CASE WHEN h.success THEN 'succeeded'
            WHEN h.success IS NULL THEN 'unknown'
            WHEN EXISTS (SELECT FROM push_history n
                         WHERE hashtextextended(n.job, 0) = hashtextextended(h.job, 0) AND n.key = h.key AND n.success
                           AND n.at >= h.at AND n.at <= h.at + interval '1 hour' AND n.seq > h.seq) THEN 'unknown'
            ELSE 'failed' END AS state,
       h.method, h.series, h.bytes,
       CASE WHEN h.families IS NOT NULL THEN coalesce((
           SELECT jsonb_object_agg(
               f.name || coalesce('{' || (
                   SELECT string_agg(l.name || '="' || replace(replace(replace(l.value, '\', '\\'), '"', '\"'), E'\n', '\n') || '"', ','
                                     ORDER BY l.name COLLATE "C")
                   FROM json_each_text(m -> 'labels') l (name, value)) || '}', ''),
               CASE WHEN m ->> 'value' IN ('NaN', '+Inf', '-Inf') THEN to_jsonb(m ->> 'value') ELSE (m ->> 'value')::jsonb END)
           FROM json_each(h.families) f (name, family), json_array_elements(f.family -> 'metrics') m
           WHERE f.family ->> 'type' IN ('counter', 'gauge', 'untyped')), '{}') END AS samples,
       h.client, h.username, h.user_agent, h.replica, h.request_id, h.success
FROM push_history h
WHERE h.outcome = 'accepted' AND h.method IN ('PUT', 'POST');

COMMENT ON VIEW job_runs IS 'A row for each push that was accepted.';
COMMENT ON COLUMN job_runs.seq IS 'Number of the row. Pushes to one group happened in this order.';
COMMENT ON COLUMN job_runs.at IS 'When it was pushed, by the clock of the database.';
COMMENT ON COLUMN job_runs.job IS 'The label job. Its index is found by hashtextextended(job, 0).';
COMMENT ON COLUMN job_runs.labels IS 'The grouping labels, job among them.';
COMMENT ON COLUMN job_runs.state IS 'succeeded or failed, by success; unknown if that is NULL, or if it is false and a push to the same group follows within an hour for which it is true: then this was the start of that run.';
COMMENT ON COLUMN job_runs.method IS 'PUT or POST.';
COMMENT ON COLUMN job_runs.series IS 'How many series were pushed.';
COMMENT ON COLUMN job_runs.bytes IS 'Size of the body, decompressed.';
COMMENT ON COLUMN job_runs.samples IS 'Its gauges, counters and untyped metrics: by name{label="value",…}, numbers or "NaN", "+Inf", "-Inf". NULL if the history has nothing of it.';
COMMENT ON COLUMN job_runs.client IS 'Address of the client.';
COMMENT ON COLUMN job_runs.username IS 'Name of the user, if one had to log in.';
COMMENT ON COLUMN job_runs.user_agent IS 'What the client calls itself.';
COMMENT ON COLUMN job_runs.replica IS 'The gateway that took it.';
COMMENT ON COLUMN job_runs.request_id IS 'The X-Request-Id that a trusted proxy gave it.';
COMMENT ON COLUMN job_runs.success IS 'What the push says of its run: false if a sample named success or *_success is 0, else true if one is 1, else NULL.';

CREATE VIEW failed_runs AS
SELECT * FROM job_runs WHERE success = false AND state = 'failed';

COMMENT ON VIEW failed_runs IS 'The rows of job_runs whose state is failed.';
COMMENT ON COLUMN failed_runs.seq IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.at IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.job IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.labels IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.state IS 'failed.';
COMMENT ON COLUMN failed_runs.method IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.series IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.bytes IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.samples IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.client IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.username IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.user_agent IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.replica IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.request_id IS 'As in job_runs.';
COMMENT ON COLUMN failed_runs.success IS 'false.';

-- A push that starts a run is not one, or half of the gaps would be the time
-- that runs take. Where a job has few groups, an index leads to the last runs of
-- each; where it has many, that would be to read the others' again and again, and
-- all that the job ever did is read once.
CREATE VIEW overdue_jobs AS
SELECT j.job, g.labels, r.last_push, r.median_gap, now() - r.last_push AS silent_for, r.runs
FROM (SELECT job, count(*) FROM push_group GROUP BY job) j (job, groups)
CROSS JOIN LATERAL (
    WITH runs AS NOT MATERIALIZED (
        SELECT key, at, seq FROM push_history h
        WHERE hashtextextended(h.job, 0) = hashtextextended(j.job, 0) AND h.job = j.job
          AND h.outcome = 'accepted' AND h.method IN ('PUT', 'POST')
          AND (h.success IS NOT false OR NOT EXISTS (
              SELECT FROM push_history n
              WHERE hashtextextended(n.job, 0) = hashtextextended(h.job, 0) AND n.key = h.key AND n.success
                AND n.at >= h.at AND n.at <= h.at + interval '1 hour' AND n.seq > h.seq))
    ), last_runs AS (
        SELECT l.key, l.at, l.seq
        FROM push_group g CROSS JOIN LATERAL (SELECT * FROM runs WHERE key = g.key ORDER BY at DESC, seq DESC LIMIT 10) l
        WHERE j.groups <= 30 AND hashtextextended(g.job, 0) = hashtextextended(j.job, 0) AND g.job = j.job
        UNION ALL
        SELECT l.key, l.at, l.seq
        FROM (SELECT *, row_number() OVER (PARTITION BY key ORDER BY at DESC, seq DESC) AS n FROM runs) l
        WHERE j.groups > 30 AND l.n <= 10
    )
    SELECT key, max(at), percentile_cont(0.5) WITHIN GROUP (ORDER BY gap), count(*)
    FROM (SELECT key, at, at - lag(at) OVER (PARTITION BY key ORDER BY at, seq) FROM last_runs) gaps (key, at, gap)
    GROUP BY key
) r (key, last_push, median_gap, runs)
CROSS JOIN LATERAL (SELECT labels FROM push_group WHERE key = r.key LIMIT 1) g -- no join, for which all groups would be read
WHERE r.runs >= 5 AND now() - r.last_push > 3 * r.median_gap;

COMMENT ON VIEW overdue_jobs IS 'The groups that have been silent for more than three times the median gap between their last ten runs, if there were five or more.';
COMMENT ON COLUMN overdue_jobs.job IS 'The label job.';
COMMENT ON COLUMN overdue_jobs.labels IS 'The grouping labels, job among them.';
COMMENT ON COLUMN overdue_jobs.last_push IS 'When the last run was pushed.';
COMMENT ON COLUMN overdue_jobs.median_gap IS 'The median of the gaps between the last ten runs.';
COMMENT ON COLUMN overdue_jobs.silent_for IS 'How long ago the last run was pushed.';
COMMENT ON COLUMN overdue_jobs.runs IS 'How many runs were looked at: 5 to 10.';

CREATE VIEW rejected_pushes AS
SELECT seq, at, job, labels, method, reason, client, username, user_agent, bytes, replica, request_id
FROM push_history
WHERE outcome = 'rejected';

COMMENT ON VIEW rejected_pushes IS 'A row for each push that was rejected.';
COMMENT ON COLUMN rejected_pushes.seq IS 'Number of the row. Pushes to one group happened in this order.';
COMMENT ON COLUMN rejected_pushes.at IS 'When it was pushed, by the clock of the database.';
COMMENT ON COLUMN rejected_pushes.job IS 'The label job. Its index is found by hashtextextended(job, 0).';
COMMENT ON COLUMN rejected_pushes.labels IS 'The grouping labels, job among them.';
COMMENT ON COLUMN rejected_pushes.method IS 'PUT or POST.';
COMMENT ON COLUMN rejected_pushes.reason IS 'Why it was rejected.';
COMMENT ON COLUMN rejected_pushes.client IS 'Address of the client.';
COMMENT ON COLUMN rejected_pushes.username IS 'Name of the user, if one had to log in.';
COMMENT ON COLUMN rejected_pushes.user_agent IS 'What the client calls itself.';
COMMENT ON COLUMN rejected_pushes.bytes IS 'Size of the body, decompressed.';
COMMENT ON COLUMN rejected_pushes.replica IS 'The gateway that answered.';
COMMENT ON COLUMN rejected_pushes.request_id IS 'The X-Request-Id that a trusted proxy gave it.';

-- +goose Down
DROP VIEW rejected_pushes, overdue_jobs, failed_runs, job_runs, current_samples;

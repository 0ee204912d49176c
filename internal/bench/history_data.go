package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// historySize is how many rows a history has, and how many groups there are.
type historySize struct{ rows, groups int }

const (
	historyDays = 30
	historyJobs = 1000 // beside that of the traffic plain
)

// fillHistory makes the history of a database so long, over the last days up to
// now. What was pushed are the bodies that are in the history before. The gateway
// is not running. The groups that the rows are of are in the table bench_group.
func (o *ours) fillHistory(ctx context.Context, database string, rows int, groups []exposition.GroupingKey) error {
	now := time.Now().UTC()
	first := now.Truncate(24*time.Hour).AddDate(0, 0, 1-historyDays)
	err := o.query(ctx, database, func(conn *pgx.Conn) error { return prepareHistory(ctx, conn, groups, first, now) })
	if err != nil {
		return err
	}
	days := make(chan time.Time, historyDays)
	for day := first; day.Before(now); day = day.AddDate(0, 0, 1) {
		days <- day
	}
	close(days)
	gap := now.Sub(first) / time.Duration(rows)
	fill := func(conn *pgx.Conn) error {
		for day := range days {
			from, to := int(day.Sub(first)/gap), min(int(day.AddDate(0, 0, 1).Sub(first)/gap), rows)
			if err := fillDay(ctx, conn, day, historyRows, from+1, to, len(groups), first, gap.Microseconds()); err != nil {
				return err
			}
			progress("history: %s of %s rows", thousands(to), thousands(rows))
		}
		return nil
	}
	errs := make([]error, runtime.NumCPU())
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() { errs[i] = o.query(ctx, database, fill) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return o.query(ctx, database, func(conn *pgx.Conn) error {
		return execute(ctx, conn, fmt.Sprintf(`SELECT setval('push_history_seq', %d)`, rows), `ANALYZE push_history`, `CHECKPOINT`)
	})
}

func prepareHistory(ctx context.Context, conn *pgx.Conn, groups []exposition.GroupingKey, first, last time.Time) error {
	err := execute(ctx, conn,
		`CREATE TABLE bench_body AS SELECT row_number() OVER () - 1 AS number, families, series, bytes FROM push_history`,
		`CREATE TABLE bench_group (number bigint, key bytea, labels jsonb, job text)`,
		`TRUNCATE push_history`)
	if err != nil {
		return err
	}
	source := pgx.CopyFromSlice(len(groups), func(i int) ([]any, error) {
		digest := groups[i].Digest()
		return []any{i, digest[:], groups[i].Map(), groups[i].Job()}, nil
	})
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"bench_group"}, []string{"number", "key", "labels", "job"}, source); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `SELECT make_history_partitions($1::date, $2::date)`, first, last); err != nil {
		return err
	}
	return execute(ctx, conn, `VACUUM (ANALYZE) bench_body, bench_group, push_group`)
}

// fillDay executes historyRows for a day. Its partition is vacuumed at once, while
// the rows are in memory: else PostgreSQL does it by itself when pushes are measured.
func fillDay(ctx context.Context, conn *pgx.Conn, day time.Time, sql string, args ...any) error {
	if err := execute(ctx, conn, `SET synchronous_commit = off`, `SET work_mem = '64MB'`); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		return err
	}
	return execute(ctx, conn, `VACUUM (ANALYZE) push_history_`+day.Format("20060102"))
}

func execute(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// historyRows adds the rows with the numbers from $1 to $2. One in 21 is of a job
// that runs most often. One in 89 is a delete, one in 97 a push that was rejected,
// one in 50 a run that failed.
const historyRows = `
INSERT INTO push_history (seq, at, key, labels, job, method, outcome, reason, success, affected,
	families, series, bytes, client, username, user_agent, replica, commit_id, request_id)
SELECT n, $4::timestamptz + (n - 1) * $5::bigint * interval '1 microsecond', g.key, g.labels, g.job,
	CASE WHEN deleted THEN 'DELETE' WHEN n % 10 = 1 THEN 'POST' ELSE 'PUT' END,
	CASE WHEN rejected THEN 'rejected' ELSE 'accepted' END,
	CASE WHEN rejected THEN 'batch_duration_seconds is a gauge in other groups, and was pushed as a counter' END,
	CASE WHEN NOT deleted AND NOT rejected AND n % 3 > 0 THEN n % 50 <> 7 END,
	CASE WHEN rejected THEN 0 ELSE 1 END,
	CASE WHEN NOT deleted THEN b.families END, CASE WHEN deleted THEN 0 ELSE b.series END, CASE WHEN deleted THEN 0 ELSE b.bytes END,
	'10.1.' || n % 7 || '.' || n % 250, CASE WHEN n % 2 = 0 THEN 'ci' END, 'curl/8.5.0', 'replica-' || n % 3,
	md5((n / 8)::text)::uuid, md5(n::text)
FROM (SELECT n, n % 89 = 5 AS deleted, n % 97 = 3 AND n % 89 <> 5 AS rejected,
		CASE WHEN n % 21 = 0 THEN n / 21 * 1000 % $3::bigint ELSE n * 7919 % $3::bigint END AS number
	FROM generate_series($1::bigint, $2::bigint) n) r
JOIN bench_group g USING (number)
JOIN bench_body b ON b.number = n % (SELECT count(*) FROM bench_body)`

// historyGroups returns the keys of groups of many jobs.
func historyGroups(count int) ([]exposition.GroupingKey, error) {
	keys := make([]exposition.GroupingKey, count)
	for i := range keys {
		var err error
		keys[i], err = exposition.NewGroupingKey(map[string]string{
			"job": fmt.Sprintf("job-%04d", i%historyJobs), "instance": fmt.Sprintf("host-%04d", i/historyJobs),
		}, exposition.LegacyNames)
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// addGroups makes groups of what is in bench_group, with one family each. What was
// pushed since the history was made goes, or all first pages would have nothing else.
func addGroups(ctx context.Context, conn *pgx.Conn) error {
	return execute(ctx, conn,
		`DELETE FROM push_history WHERE at >= (SELECT max(at) FROM push_history WHERE job <> 'bench') AND job = 'bench'`,
		`INSERT INTO push_group (key, labels, job, families, pushed_at)
		SELECT key, labels, job, json_build_object('batch_duration_seconds', json_build_object('type', 'gauge', 'help', 'How long the job took.',
			'metrics', json_build_array(json_build_object('value', number::text)))), now() - number * interval '1 second'
		FROM bench_group`,
		`VACUUM (ANALYZE) push_group`,
		`VACUUM push_history`)
}

package postgres

import (
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// FindHistory implements repository.Store.
func (s *Store) FindHistory(ctx context.Context, q repository.HistoryQuery) (found []repository.HistoryRow, more bool, err error) {
	sql, args := searchSQL(q)
	settings := searchSettings
	if q.Only == repository.AllRows {
		settings += inOrder
	}
	err = s.search(ctx, settings, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return wrap(err)
		}
		var total int
		err = forEachRow(rows, func(r repository.HistoryRow) error {
			found = append(found, r)
			return nil
		}, &total)
		more = total == q.Limit || len(found) < total
		return err
	})
	return found, more, err
}

// What a search sets for its statement. Compiling it would take longer than all that
// it does, which is little in each of many partitions. Where an index has what is
// wanted in its order, the planner must take that: it likes to read all that a job
// ever did, and to sort it.
const (
	searchSettings = `SET LOCAL jit = off`
	inOrder        = `; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off`
	plannedOnce    = `; SET LOCAL plan_cache_mode = force_generic_plan` // planning takes longer than a few jobs
)

// search calls f with a transaction with these settings, which is rolled back.
func (s *Store) search(ctx context.Context, settings string, f func(pgx.Tx) error) error {
	conn, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: `BEGIN READ ONLY; ` + settings}) // one round trip
	if err != nil {
		return wrap(err)
	}
	defer tx.Rollback(ctx)
	return f(tx)
}

// maxFoundBytes bounds what the bodies of the rows of an answer had together,
// but for the last one.
const maxFoundBytes = 4 << 20

// searchSQL returns the statement for a query, and its arguments. All conditions
// in it are those of one index; times alone choose the partitions. What comes after
// rows that are large is left out before it is decompressed.
func searchSQL(q repository.HistoryQuery) (string, []any) {
	since, until, after := q.Bounds()
	order, beyond := `at DESC, seq DESC`, `<`
	if q.OldestFirst {
		order, beyond = `at, seq`, `>`
	}
	families, bytes := `NULL::json AS families`, int64(math.MaxInt64)
	if q.Families {
		families, bytes = `families`, maxFoundBytes
	}
	args := []any{since, until, after.At, after.Seq, q.Limit, bytes}
	kind := ``
	switch {
	case q.Only == repository.RejectedRows:
		kind = ` AND outcome = 'rejected'`
	case q.Only == repository.RemovalRows:
		kind = ` AND method IN ('DELETE', 'WIPE')`
	case q.Job != "":
		kind = ` AND hashtextextended(job, 0) = hashtextextended($7::text, 0) AND job = $7::text`
		args = append(args, q.Job)
	}
	return `SELECT ` + historyColumns + `, total FROM (
		SELECT *, count(*) OVER () AS total, sum(bytes::bigint) OVER (ORDER BY ` + order + `) - bytes AS before FROM (
			SELECT seq, at, labels, method, outcome, reason, success, affected, ` + families + `, series, bytes,
				client, username, user_agent, replica, commit_id, request_id
			FROM push_history
			WHERE at >= $1::timestamptz AND at < $2::timestamptz AND (at, seq) ` + beyond + ` ($3::timestamptz, $4::bigint)` + kind + `
			ORDER BY ` + order + ` LIMIT $5::int) found) measured
		WHERE before < $6::bigint ORDER BY ` + order, args
}

// HistoryRow implements repository.Store.
func (s *Store) HistoryRow(ctx context.Context, seq int64) (row repository.HistoryRow, ok bool, err error) {
	conn, err := s.reader(ctx)
	if err != nil {
		return row, false, err
	}
	defer conn.Release()
	found, err := conn.Query(ctx, `SELECT `+historyColumns+` FROM push_history WHERE seq = $1::bigint`, seq)
	if err != nil {
		return row, false, wrap(err)
	}
	err = forEachRow(found, func(r repository.HistoryRow) error {
		row, ok = r, true
		return nil
	})
	return row, ok, err
}

// lastRunsSQL finds the last rows of jobs, as many of each as it says, between two
// times in days ago. PostgreSQL begins to read all partitions between them for each job.
const lastRunsSQL = `SELECT j.number - 1, r.outcome = 'accepted' AND r.method IN ('PUT', 'POST'), r.seq, r.at, r.key, r.success
	FROM unnest($1::text[], $2::int[]) WITH ORDINALITY j (job, rows, number)
	CROSS JOIN LATERAL (
		SELECT outcome, method, seq, at, key, success FROM push_history h
		WHERE hashtextextended(h.job, 0) = hashtextextended(j.job, 0) AND h.job = j.job
			AND h.at >= now() - make_interval(days => $3::int) AND h.at < now() - make_interval(days => $4::int)
		ORDER BY at DESC, seq DESC LIMIT j.rows) r`

// In most jobs the last rows are of the last days, and only of others older ones are
// looked for: those of the last thousand years.
var lastRunsDays = [...]struct{ since, until int }{{2, -1}, {365_000, 2}}

// LastRuns implements repository.Store.
func (s *Store) LastRuns(ctx context.Context, jobs []string, n int) ([][]repository.Run, error) {
	of, missing := make([][]repository.Run, len(jobs)), slices.Repeat([]int{n}, len(jobs))
	err := s.search(ctx, searchSettings+inOrder+plannedOnce, func(tx pgx.Tx) error {
		for _, days := range lastRunsDays {
			if !slices.ContainsFunc(missing, func(n int) bool { return n > 0 }) {
				return nil
			}
			rows, err := tx.Query(ctx, lastRunsSQL, jobs, missing, days.since, days.until)
			if err != nil {
				return wrap(err)
			}
			var job int
			var isRun bool
			var run repository.Run
			var key []byte
			if _, err := pgx.ForEachRow(rows, []any{&job, &isRun, &run.Seq, &run.At, &key, &run.Success}, func() error {
				missing[job]--
				if run.Group = exposition.Digest(key); isRun {
					of[job] = append(of[job], run)
				}
				return nil
			}); err != nil {
				return wrap(err)
			}
		}
		return nil
	})
	return of, err
}

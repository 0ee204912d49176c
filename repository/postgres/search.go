package postgres

import (
	"context"
	"math"
	"slices"
	"time"

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

// recentDays are those that most jobs have their last rows in. To look further,
// PostgreSQL begins to read all other partitions for each job.
const recentDays = 3

// LastRuns implements repository.Store.
func (s *Store) LastRuns(ctx context.Context, jobs []string, n int, within time.Duration) ([][]repository.Run, error) {
	day := time.Now().UTC().AddDate(0, 0, 1-recentDays)
	last := lastRuns{jobs, slices.Repeat([]int{n}, len(jobs)), make([][]repository.Run, len(jobs))}
	err := s.search(ctx, searchSettings+inOrder+plannedOnce, func(tx pgx.Tx) error {
		// A quarter of the time is left for jobs that have too few rows there.
		if err := last.find(ctx, tx, `>=`, day, within*3/4); err != nil || !last.incomplete() {
			return err
		}
		return last.find(ctx, tx, `<`, day, within)
	})
	return last.of, err
}

// lastRuns are those of jobs that were found, and how many rows of each are missing.
type lastRuns struct {
	jobs    []string
	missing []int
	of      [][]repository.Run
}

func (l *lastRuns) incomplete() bool {
	return slices.ContainsFunc(l.missing, func(n int) bool { return n > 0 })
}

// find looks in the partitions before or since a day, and leaves the jobs out that
// it does not come to in time.
func (l *lastRuns) find(ctx context.Context, tx pgx.Tx, from string, day time.Time, within time.Duration) error {
	rows, err := tx.Query(ctx, lastRunsSQL(from, day), l.jobs, l.missing, within)
	if err != nil {
		return wrap(err)
	}
	var job int
	var late bool
	var isRun, success *bool
	var seq *int64
	var at *time.Time
	var key []byte
	inTime := len(l.jobs)
	_, err = pgx.ForEachRow(rows, []any{&job, &late, &isRun, &seq, &at, &key, &success}, func() error {
		if late {
			inTime = min(inTime, job)
		}
		if seq == nil { // none was found
			return nil
		}
		l.missing[job]--
		if *isRun {
			l.of[job] = append(l.of[job], repository.Run{Seq: *seq, At: *at, Group: exposition.Digest(key), Success: success})
		}
		return nil
	})
	l.jobs, l.missing, l.of = l.jobs[:inTime], l.missing[:inTime], l.of[:inTime]
	return wrap(err)
}

// lastRunsSQL returns a statement for the last rows of jobs, as many of each as are
// missing. The day is a part of it, so that its plan is for those partitions alone.
// It asks for the time before each job: that of one depends on what is in memory.
func lastRunsSQL(from string, day time.Time) string {
	return `SELECT j.number - 1, j.late, r.outcome = 'accepted' AND r.method IN ('PUT', 'POST'), r.seq, r.at, r.key, r.success
		FROM (
			SELECT job, missing, number, number > 1 AND missing > 0 AND clock_timestamp() > now() + $3::interval AS late
			FROM unnest($1::text[], $2::int[]) WITH ORDINALITY u (job, missing, number)) j
		LEFT JOIN LATERAL (
			SELECT outcome, method, seq, at, key, success FROM push_history h
			WHERE NOT j.late AND hashtextextended(h.job, 0) = hashtextextended(j.job, 0) AND h.job = j.job
				AND h.at ` + from + ` '` + day.Format(time.DateOnly) + `T00:00:00Z'
			ORDER BY at DESC, seq DESC LIMIT j.missing) r ON true`
}

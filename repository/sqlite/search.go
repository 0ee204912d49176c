package sqlite

import (
	"context"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// FindHistory implements repository.Store.
func (s *Store) FindHistory(ctx context.Context, q repository.HistoryQuery) ([]repository.HistoryRow, bool, error) {
	sql, args := searchSQL(q)
	return s.historyPage(ctx, q.Limit, sql, args...)
}

// searchSQL returns the statement for a query, and its arguments. All conditions
// in it are those of one index.
func searchSQL(q repository.HistoryQuery) (string, []any) {
	since, until, after := q.Bounds()
	order, beyond := `at DESC, seq DESC`, `<`
	if q.OldestFirst {
		order, beyond = `at, seq`, `>`
	}
	families := `NULL`
	if q.Families {
		families = `families`
	}
	args := []any{formatTime(since), formatTime(until), formatTime(after.At), after.Seq}
	index, kind := `push_history_at`, ``
	switch {
	case q.Only == repository.RejectedRows:
		index, kind = `push_history_rejected`, ` AND outcome = 'rejected'`
	case q.Only == repository.RemovalRows:
		index, kind = `push_history_removals`, ` AND method IN ('DELETE', 'WIPE')`
	case q.Job != "":
		index, kind = `push_history_job`, ` AND job = ?`
		args = append(args, q.Job)
	}
	return `SELECT ` + historyColumns(families) + ` FROM push_history INDEXED BY ` + index + `
		WHERE at >= ? AND at < ? AND (at, seq) ` + beyond + ` (?, ?)` + kind + ` ORDER BY ` + order + ` LIMIT ?`, append(args, q.Limit)
}

// HistoryRow implements repository.Store.
func (s *Store) HistoryRow(ctx context.Context, seq int64) (repository.HistoryRow, bool, error) {
	found, _, err := s.historyPage(ctx, 1, `SELECT `+historyColumns(`families`)+` FROM push_history WHERE seq = ?`, seq)
	if err != nil || len(found) == 0 {
		return repository.HistoryRow{}, false, err
	}
	return found[0], true, nil
}

// LastRuns implements repository.Store.
func (s *Store) LastRuns(ctx context.Context, jobs []string, n int, within time.Duration) (of [][]repository.Run, err error) {
	begun := time.Now()
	err = s.read(ctx, func(q querier, _ position) error {
		for _, job := range jobs {
			if len(of) > 0 && time.Since(begun) > within {
				return nil
			}
			if err := ended(ctx); err != nil {
				return err
			}
			runs, err := lastRuns(q, job, n)
			if err != nil {
				return err
			}
			of = append(of, runs)
		}
		return nil
	})
	return of, err
}

func lastRuns(q querier, job string, n int) (runs []repository.Run, err error) {
	cells, err := q.query(`SELECT seq, at, key, success FROM (
			SELECT seq, at, key, success, method, outcome FROM push_history WHERE job = ? ORDER BY at DESC, seq DESC LIMIT ?)
		WHERE outcome = 'accepted' AND method IN ('PUT', 'POST')`, job, n)
	if err != nil {
		return nil, err
	}
	var run repository.Run
	var at string
	var key []byte
	err = forEach(cells, []any{&run.Seq, &at, &key, &run.Success}, func() (err error) {
		run.Group = exposition.Digest(key)
		run.At, err = parseTime(at)
		runs = append(runs, run)
		return err
	})
	return runs, err
}

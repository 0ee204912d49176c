package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// historyColumns are those of historyRow. The families may be left out.
func historyColumns(families string) string {
	return `seq, at, labels, method, outcome = 'accepted', coalesce(reason, ''),
	success, affected, ` + families + `, series, bytes, coalesce(client, ''), coalesce(username, ''), coalesce(user_agent, ''),
	replica, commit_id, coalesce(request_id, '')`
}

// historyRow is a row of push_history while it is read.
type historyRow struct {
	repository.HistoryRow
	at, commit string
	labels     []byte
}

func (r *historyRow) targets() []any {
	return []any{&r.Seq, &r.at, &r.labels, (*string)(&r.Method), &r.Accepted, &r.Reason,
		&r.Success, &r.Affected, &r.Families, &r.Series, &r.Bytes, &r.Client, &r.Username, &r.UserAgent,
		&r.Replica, &r.commit, &r.ID}
}

// size is how many bytes of what a row may have many are in it.
func (r *historyRow) size() int { return len(r.labels) + len(r.Families) + len(r.Reason) }

// row returns the row with what has no column type of its own.
func (r *historyRow) row() (repository.HistoryRow, error) {
	var err error
	if r.At, err = parseTime(r.at); err != nil {
		return r.HistoryRow, fmt.Errorf("read at: %w", err)
	}
	if r.Commit, err = uuid.Parse(r.commit); err != nil {
		return r.HistoryRow, fmt.Errorf("read commit_id: %w", err)
	}
	r.Key = exposition.GroupingKey{}
	if r.labels != nil {
		r.Key, err = rows.Key(r.labels)
	}
	return r.HistoryRow, err
}

// readHistory reads rows until they have enough bytes, which is an errPageFull.
func readHistory(ctx context.Context, q querier, query string, args ...any) (found []repository.HistoryRow, err error) {
	cells, err := q.query(query, args...)
	if err != nil {
		return nil, err
	}
	var r historyRow
	bytes := 0
	err = forEach(cells, r.targets(), func() error {
		if err := ended(ctx); err != nil {
			return err
		}
		row, err := r.row()
		if err != nil {
			return err
		}
		found = append(found, row)
		if bytes += r.size(); bytes >= pageBytes {
			return errPageFull
		}
		return nil
	})
	return found, err
}

// History implements repository.Store. It reads page by page, like Groups.
func (s *Store) History(ctx context.Context, after int64, yield func(repository.HistoryRow) error) error {
	for more := true; more; {
		var found []repository.HistoryRow
		var err error
		if found, more, err = s.historyAfter(ctx, after); err != nil {
			return err
		}
		for _, row := range found {
			if err := yield(row); err != nil {
				return err
			}
			after = row.Seq
		}
	}
	return nil
}

// historyAfter returns the rows of a page, and whether there may be more.
func (s *Store) historyAfter(ctx context.Context, after int64) ([]repository.HistoryRow, bool, error) {
	return s.historyPage(ctx, page, `SELECT `+historyColumns(`families`)+` FROM push_history WHERE seq > ? ORDER BY seq LIMIT ?`, after, page)
}

// historyPage returns what a query finds, and whether there may be more than the
// limit that it has.
func (s *Store) historyPage(ctx context.Context, limit int, query string, args ...any) (found []repository.HistoryRow, more bool, err error) {
	err = s.read(ctx, func(q querier, _ position) error {
		found, err = readHistory(ctx, q, query, args...)
		return err
	})
	if err == errPageFull {
		return found, true, nil
	}
	return found, len(found) == limit, err
}

// HistorySize implements repository.Store.
func (s *Store) HistorySize(ctx context.Context) (n, last int64, err error) {
	err = s.read(ctx, func(q querier, _ position) error {
		found, err := q.query(`SELECT count(*), coalesce(max(seq), 0) FROM push_history`)
		if err != nil {
			return err
		}
		return forEach(found, []any{&n, &last}, func() error { return nil })
	})
	return n, last, err
}

// AddHistory implements repository.Store.
func (s *Store) AddHistory(ctx context.Context, added []repository.HistoryRow) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	t, err := s.begin(ctx, deadline)
	if err != nil {
		return err
	}
	defer t.Rollback()
	for i := range added {
		if err := t.copyRow(&added[i]); err != nil {
			return err
		}
	}
	return t.finish(ctx, nil, false)
}

// copyRow adds a row as it is, unless it is there.
func (t *tx) copyRow(r *repository.HistoryRow) error {
	var at, commit string
	exists, err := t.get([]any{&at, &commit}, `SELECT at, commit_id FROM push_history WHERE seq = ?`, r.Seq)
	switch {
	case err != nil:
		return err
	case exists && at == formatTime(r.At) && commit == r.Commit.String():
		return nil
	case exists:
		return fmt.Errorf("%w: row %d of push_history is another one", repository.ErrData, r.Seq)
	}
	t.at.seq = max(t.at.seq, r.Seq)
	var key []byte
	var labels, job string
	if r.Method != repository.Wipe {
		digest := r.Key.Digest()
		key, labels, job = digest[:], rows.Labels(r.Key), r.Key.Job()
	}
	return t.insertRow(r.Seq, formatTime(r.At), r.Commit.String(), r.Replica, key, labels, job, r, r.Affected)
}

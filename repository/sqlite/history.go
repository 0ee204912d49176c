package sqlite

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

const historySQL = `SELECT seq, at, labels, method, outcome = 'accepted', coalesce(reason, ''),
	affected, families, series, bytes, coalesce(client, ''), coalesce(username, ''), coalesce(user_agent, ''),
	replica, commit_id, coalesce(request_id, '') FROM push_history WHERE seq > ? ORDER BY seq LIMIT ?`

// History implements repository.Store. It reads page by page, like Groups.
func (s *Store) History(ctx context.Context, yield func(repository.HistoryRow) error) error {
	last, more := int64(0), true
	for more {
		found, err := s.historyAfter(ctx, last)
		if err != nil {
			return err
		}
		for _, row := range found {
			if err := yield(row); err != nil {
				return err
			}
			last = row.Seq
		}
		more = len(found) == page
	}
	return nil
}

// historyAfter returns the rows of a page.
func (s *Store) historyAfter(ctx context.Context, last int64) ([]repository.HistoryRow, error) {
	var found []repository.HistoryRow
	err := s.read(ctx, func(q querier, _ position) error {
		cells, err := q.query(historySQL, last, page)
		if err != nil {
			return err
		}
		var r repository.HistoryRow
		var at, commit string
		var labels []byte
		targets := []any{&r.Seq, &at, &labels, (*string)(&r.Method), &r.Accepted, &r.Reason,
			&r.Affected, &r.Families, &r.Series, &r.Bytes, &r.Client, &r.Username, &r.UserAgent,
			&r.Replica, &commit, &r.ID}
		return forEach(cells, targets, func() error {
			if err := ended(ctx); err != nil {
				return err
			}
			if err := complete(&r, at, labels, commit); err != nil {
				return err
			}
			found = append(found, r)
			return nil
		})
	})
	return found, err
}

// complete fills in what has no column type of its own.
func complete(r *repository.HistoryRow, at string, labels []byte, commit string) error {
	var err error
	if r.At, err = parseTime(at); err != nil {
		return fmt.Errorf("read at: %w", err)
	}
	if r.Commit, err = uuid.Parse(commit); err != nil {
		return fmt.Errorf("read commit_id: %w", err)
	}
	r.Key = exposition.GroupingKey{}
	if labels != nil {
		r.Key, err = rows.Key(labels)
	}
	return err
}

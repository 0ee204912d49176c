package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// History implements repository.Store.
func (s *Store) History(ctx context.Context, yield func(repository.HistoryRow) error) error {
	conn, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	found, err := conn.Query(ctx, `SELECT seq, at, labels::text, method, outcome = 'accepted', coalesce(reason, ''),
		affected, families::text, series, bytes, coalesce(client, ''), coalesce(username, ''), coalesce(user_agent, ''),
		replica, commit_id::text, coalesce(request_id, '') FROM push_history ORDER BY seq`)
	if err != nil {
		return wrap(err)
	}
	var r repository.HistoryRow
	var labels []byte
	var commit string
	var yieldErr error
	targets := []any{&r.Seq, &r.At, &labels, (*string)(&r.Method), &r.Accepted, &r.Reason,
		&r.Affected, &r.Families, &r.Series, &r.Bytes, &r.Client, &r.Username, &r.UserAgent,
		&r.Replica, &commit, &r.ID}
	_, err = pgx.ForEachRow(found, targets, func() error {
		yieldErr = completeRow(&r, labels, commit)
		if yieldErr == nil {
			yieldErr = yield(r)
		}
		return yieldErr
	})
	if yieldErr != nil {
		return yieldErr
	}
	return wrap(err)
}

// completeRow fills in what has no column type of its own.
func completeRow(r *repository.HistoryRow, labels []byte, commit string) error {
	var err error
	if r.Commit, err = uuid.Parse(commit); err != nil {
		return fmt.Errorf("read commit_id: %w", err)
	}
	r.Key = exposition.GroupingKey{}
	if labels == nil {
		return nil
	}
	r.Key, err = rows.Key(labels)
	return err
}

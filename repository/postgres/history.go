package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// History implements repository.Store.
func (s *Store) History(ctx context.Context, after int64, yield func(repository.HistoryRow) error) error {
	conn, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	found, err := conn.Query(ctx, `SELECT `+historyColumns+` FROM push_history WHERE seq > $1::bigint ORDER BY seq`, after)
	if err != nil {
		return wrap(err)
	}
	return forEachRow(found, yield)
}

// historyColumns are those of historyRow.
const historyColumns = `seq, at, labels::text, method, outcome = 'accepted', coalesce(reason, ''),
	success, affected, families::text, series, bytes, coalesce(client, ''), coalesce(username, ''), coalesce(user_agent, ''),
	replica, commit_id::text, coalesce(request_id, '')`

// historyRow is a row of push_history while it is read.
type historyRow struct {
	repository.HistoryRow
	labels []byte
	commit string
}

func (r *historyRow) targets() []any {
	return []any{&r.Seq, &r.At, &r.labels, (*string)(&r.Method), &r.Accepted, &r.Reason,
		&r.Success, &r.Affected, &r.Families, &r.Series, &r.Bytes, &r.Client, &r.Username, &r.UserAgent,
		&r.Replica, &r.commit, &r.ID}
}

// row returns the row with what has no column type of its own.
func (r *historyRow) row() (repository.HistoryRow, error) {
	var err error
	r.Families = bytes.TrimRight(r.Families, " ")
	if r.Commit, err = uuid.Parse(r.commit); err != nil {
		return r.HistoryRow, fmt.Errorf("read commit_id: %w", err)
	}
	r.Key = exposition.GroupingKey{}
	if r.labels != nil {
		r.Key, err = rows.Key(r.labels)
	}
	return r.HistoryRow, err
}

// forEachRow passes rows with historyColumns, and those of further targets, to
// yield until that returns an error.
func forEachRow(found pgx.Rows, yield func(repository.HistoryRow) error, further ...any) error {
	var r historyRow
	var yieldErr error
	_, err := pgx.ForEachRow(found, append(r.targets(), further...), func() error {
		row, err := r.row()
		if err == nil {
			err = yield(row)
		}
		yieldErr = err
		return err
	})
	if yieldErr != nil {
		return yieldErr
	}
	return wrap(err)
}

// HistorySize implements repository.Store.
func (s *Store) HistorySize(ctx context.Context) (n, last int64, err error) {
	conn, err := s.reader(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Release()
	err = conn.QueryRow(ctx, `SELECT count(*), coalesce(max(seq), 0) FROM push_history`).Scan(&n, &last)
	return n, last, wrap(err)
}

// AddHistory implements repository.Store. Days that are over get partitions,
// too, so that they can be dropped one by one.
func (s *Store) AddHistory(ctx context.Context, added []repository.HistoryRow) error {
	if len(added) == 0 {
		return nil
	}
	first, last := added[0].Seq, added[0].Seq
	for _, r := range added {
		first, last = min(first, r.Seq), max(last, r.Seq)
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE added_history (LIKE push_history) ON COMMIT DROP`); err != nil {
		return wrap(err)
	}
	source := pgx.CopyFromSlice(len(added), func(i int) ([]any, error) { return copiedRow(&added[i]), nil })
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"added_history"}, copiedColumns, source); err != nil {
		return wrap(err)
	}
	for _, statement := range []string{
		`SELECT make_history_partitions(day, day) FROM (SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM added_history) d (day)`,
		`INSERT INTO push_history SELECT * FROM added_history ON CONFLICT DO NOTHING`,
		`SELECT setval('push_history_seq', greatest((SELECT max(seq) FROM added_history), (SELECT last_value FROM push_history_seq)))`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return wrap(err)
		}
	}
	// No join: nothing is known of a table that has just been filled, and a plan
	// that compares each row with each would be made.
	var other int64
	err = tx.QueryRow(ctx, `SELECT seq FROM (
			SELECT seq, at, commit_id FROM push_history WHERE seq BETWEEN $1::bigint AND $2::bigint
			UNION SELECT seq, at, commit_id FROM added_history) r
		GROUP BY seq HAVING count(*) > 1 ORDER BY seq LIMIT 1`, first, last).Scan(&other)
	switch {
	case err == nil:
		return fmt.Errorf("%w: row %d of push_history is another one", repository.ErrData, other)
	case !errors.Is(err, pgx.ErrNoRows):
		return wrap(err)
	}
	return wrap(tx.Commit(ctx))
}

var copiedColumns = []string{"seq", "at", "key", "labels", "job", "method", "outcome", "reason", "success", "affected",
	"families", "series", "bytes", "client", "username", "user_agent", "replica", "commit_id", "request_id"}

func copiedRow(r *repository.HistoryRow) []any {
	var key []byte
	var labels, job *string
	if r.Method != repository.Wipe {
		digest := r.Key.Digest()
		key, labels, job = digest[:], optional(rows.Labels(r.Key)), optional(r.Key.Job())
	}
	return []any{r.Seq, r.At, key, labels, job, string(r.Method), rows.Outcome(r.Accepted), optional(r.Reason), r.Success, r.Affected,
		optional(string(padded(slices.Clone(r.Families), len(r.Families)))), r.Series, r.Bytes, optional(r.Client), optional(r.Username), optional(r.UserAgent),
		r.Replica, r.Commit.String(), optional(r.ID)}
}

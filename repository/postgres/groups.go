package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// A page is what is read at once for those who take it at the pace of a client.
const (
	page        = 200
	pageBytes   = 8 << 20
	pageTimeout = 10 * time.Second
)

// errPageFull ends a page before its last row.
var errPageFull = errors.New("the page is full")

// Groups implements repository.Store. It reads page by page: a slow client would
// keep a connection from others for as long as it likes.
func (s *Store) Groups(ctx context.Context, yield func(exposition.Group) error) error {
	last := []byte{}
	for last != nil {
		var groups []exposition.Group
		var err error
		if groups, last, err = s.groupsAfter(ctx, last); err != nil {
			return err
		}
		for _, g := range groups {
			if err := yield(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupsAfter returns the groups of a page, and the key that it ends with: nil if
// there are no more. What is beyond a page by its size on disk, which is compressed,
// is not read at all.
func (s *Store) groupsAfter(ctx context.Context, after []byte) (groups []exposition.Group, last []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	conn, err := s.reader(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Release()
	found, err := conn.Query(ctx, `SELECT `+groupColumns+` FROM (
			SELECT *, sum(pg_column_size(families)) OVER (ORDER BY key) - pg_column_size(families) AS before
			FROM (SELECT * FROM push_group WHERE key > $1::bytea ORDER BY key LIMIT $2::int) next) g
		WHERE before < $3::int ORDER BY g.key`, after, page, pageBytes)
	if err != nil {
		return nil, nil, wrap(err)
	}
	bytes := 0
	var row groupRow
	_, err = pgx.ForEachRow(found, row.targets(), func() error {
		last = slices.Clone(row.key)
		if g, err := row.group(new(rows.Decoder)); err != nil {
			s.reportUnreadable(row.key, err)
		} else {
			groups = append(groups, g)
		}
		if bytes += row.size(); bytes >= pageBytes {
			return errPageFull
		}
		return nil
	})
	if errors.Is(err, errPageFull) {
		return groups, last, nil
	}
	return groups, last, wrap(err)
}

// reader returns a connection for those who read at a client's pace, but only
// while they read. When many do, it does not wait for long.
func (s *Store) reader(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := s.readers.Acquire(ctx)
	return conn, wrap(err)
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// querier is a snapshot.
type querier interface {
	query(query string, args ...any) (*sql.Rows, error)
}

// reader is the snapshot of a reader's transaction. Its queries are not
// interrupted: those who step through the rows look at their context.
type reader struct{ *sql.Conn }

func (r reader) query(query string, args ...any) (*sql.Rows, error) {
	found, err := r.QueryContext(context.Background(), query, args...)
	return found, wrap(err)
}

// read calls f with a snapshot and which commit that shows last. f must not
// wait for anybody: as long as it runs the log grows, or in memory nothing can
// be written.
func (s *Store) read(ctx context.Context, f func(querier, position) error) error {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return wrap(err)
	}
	defer conn.Close()
	s.reading.RLock()
	defer s.reading.RUnlock()
	for {
		at, err := s.beginRead(conn)
		if err == nil {
			err = f(reader{conn}, at)
			endRead(conn)
			return err
		}
		endRead(conn)
		if !isBusy(err) || ctx.Err() != nil {
			return wrap(err)
		}
		time.Sleep(lockPause)
	}
}

// beginRead begins a transaction. Its snapshot is taken by the first query.
func (s *Store) beginRead(conn *sql.Conn) (position, error) {
	if _, err := conn.ExecContext(context.Background(), `BEGIN`); err != nil {
		return position{}, err
	}
	var p position
	err := conn.QueryRowContext(context.Background(), positionSQL).Scan(&p.epoch, &p.seq)
	return p, err
}

func endRead(conn *sql.Conn) { _, _ = conn.ExecContext(context.Background(), `ROLLBACK`) }

// forEach scans row by row and calls f after each, until that returns an
// error. What it scans into byte slices is f's.
func forEach(found *sql.Rows, targets []any, f func() error) error {
	defer found.Close()
	for found.Next() {
		if err := found.Scan(targets...); err != nil {
			return wrap(err)
		}
		if err := f(); err != nil {
			return err
		}
	}
	return wrap(found.Err())
}

// cursor is what has been seen: all commits of one life of one Store up to seq.
type cursor struct {
	store *Store
	seq   int64
}

// CatchUp implements repository.Store.
func (s *Store) CatchUp(ctx context.Context, c repository.Cursor, apply func(exposition.Change)) (repository.Position, error) {
	var reached repository.Position
	err := s.read(ctx, func(q querier, at position) error {
		var err error
		reached, err = s.catchUp(ctx, q, at, c, apply)
		return err
	})
	return reached, err
}

// partSize is how many groups of a catch-up are in memory at once.
const partSize = 1000

func (s *Store) catchUp(ctx context.Context, q querier, at position, c repository.Cursor, apply func(exposition.Change)) (repository.Position, error) {
	since, _ := c.(*cursor)
	reached := repository.Position{Cursor: &cursor{s, at.seq}, Epoch: at.epoch}
	if since == nil {
		return reached, s.readAll(ctx, q, apply)
	}
	keys, wiped, ok := s.feed.since(since.seq, at.seq)
	if since.store != s || !ok {
		return repository.Position{}, repository.ErrVoid
	}
	for first := true; first && wiped || len(keys) > 0; first = false {
		n := min(len(keys), partSize)
		change, err := s.changed(ctx, q, keys[:n])
		if err != nil {
			return repository.Position{}, err
		}
		change.Reset = first && wiped
		apply(change)
		keys = keys[n:]
	}
	return reached, nil
}

// changed returns what became of the groups.
func (s *Store) changed(ctx context.Context, q querier, keys []exposition.Digest) (exposition.Change, error) {
	change := exposition.Change{Deleted: keys} // unless they are in Groups
	err := s.groupsOf(ctx, q, keys, func(g exposition.Group) { change.Groups = append(change.Groups, g) })
	return change, err
}

// readAll passes all groups on.
func (s *Store) readAll(ctx context.Context, q querier, apply func(exposition.Change)) error {
	found, err := q.query(`SELECT ` + groupColumns + ` FROM push_group`)
	if err != nil {
		return err
	}
	part := exposition.Change{Reset: true}
	err = s.forEachGroup(ctx, found, func(_ []byte, g exposition.Group, readable bool) {
		if readable {
			part.Groups = append(part.Groups, g)
		}
		if len(part.Groups) == partSize {
			apply(part)
			part = exposition.Change{}
		}
	})
	if err == nil && (part.Reset || len(part.Groups) > 0) {
		apply(part)
	}
	return err
}

const (
	groupColumns = `key, labels, families, family_times, pushed_at, push_failed_at`
	keysAtOnce   = 100
)

var groupsOfSQL = `SELECT ` + groupColumns + ` FROM push_group WHERE key IN (?` + strings.Repeat(`, ?`, keysAtOnce-1) + `)`

// groupsOf passes those of the groups that exist to yield.
func (s *Store) groupsOf(ctx context.Context, q querier, keys []exposition.Digest, yield func(exposition.Group)) error {
	for len(keys) > 0 {
		args := make([]any, keysAtOnce) // NULL is no key
		n := min(len(keys), keysAtOnce)
		for i := range keys[:n] {
			args[i] = keys[i][:]
		}
		keys = keys[n:]
		found, err := q.query(groupsOfSQL, args...)
		if err != nil {
			return err
		}
		err = s.forEachGroup(ctx, found, func(_ []byte, g exposition.Group, readable bool) {
			if readable {
				yield(g)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forEachGroup calls f with each row. What cannot be read is reported.
func (s *Store) forEachGroup(ctx context.Context, found *sql.Rows, f func(key []byte, g exposition.Group, readable bool)) error {
	var row groupRow
	return forEach(found, row.targets(), func() error {
		if err := ended(ctx); err != nil {
			return err
		}
		g, err := row.group()
		if err != nil {
			s.logger.Error("a row of push_group cannot be read and is left out: mend or delete it", "key", fmt.Sprintf("%x", row.key), "err", err)
		}
		f(row.key, g, err == nil)
		return nil
	})
}

// groupRow is a row of push_group, as of groupColumns.
type groupRow struct {
	key, labels, families, times []byte
	pushedAt, failedAt           *string
}

func (r *groupRow) targets() []any {
	return []any{&r.key, &r.labels, &r.families, &r.times, &r.pushedAt, &r.failedAt}
}

// group decodes the row.
func (r *groupRow) group() (exposition.Group, error) {
	g, err := rows.Group(r.key, r.labels, r.families)
	if err != nil {
		return g, err
	}
	if string(r.times) != "{}" {
		if g.FamilyTimes, err = familyTimes(r.times); err != nil {
			return g, fmt.Errorf("read family_times: %w", err)
		}
	}
	for _, t := range []struct {
		text *string
		time *time.Time
	}{{r.pushedAt, &g.PushTime}, {r.failedAt, &g.PushFailureTime}} {
		if t.text == nil {
			continue
		}
		if *t.time, err = parseTime(*t.text); err != nil {
			return g, fmt.Errorf("read pushed_at or push_failed_at: %w", err)
		}
	}
	return g, nil
}

func familyTimes(text []byte) (map[string]time.Time, error) {
	var texts map[string]string
	if err := json.Unmarshal(text, &texts); err != nil {
		return nil, err
	}
	times := make(map[string]time.Time, len(texts))
	for name, text := range texts {
		t, err := parseTime(text)
		if err != nil {
			return nil, err
		}
		times[name] = t
	}
	return times, nil
}

// page is how many rows are read at once for those who take them at the pace
// of a client.
const page = 200

// Groups implements repository.Store. It reads page by page, since a snapshot
// that a slow client kept would make the log grow without bounds.
func (s *Store) Groups(ctx context.Context, yield func(exposition.Group) error) error {
	last, more := []byte{}, true
	for more {
		var groups []exposition.Group
		n := 0
		err := s.read(ctx, func(q querier, _ position) error {
			found, err := q.query(`SELECT `+groupColumns+` FROM push_group WHERE key > ? ORDER BY key LIMIT ?`, last, page)
			if err != nil {
				return err
			}
			return s.forEachGroup(ctx, found, func(key []byte, g exposition.Group, readable bool) {
				n++
				last = key
				if readable {
					groups = append(groups, g)
				}
			})
		})
		if err != nil {
			return err
		}
		for _, g := range groups {
			if err := yield(g); err != nil {
				return err
			}
		}
		more = n == page
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
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
func (s *Store) CatchUp(ctx context.Context, c repository.Cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	var reached repository.Position
	err := s.read(ctx, func(q querier, at position) error {
		var err error
		reached, err = s.catchUp(ctx, q, at, c, known, apply)
		return err
	})
	return reached, err
}

func (s *Store) catchUp(ctx context.Context, q querier, at position, c repository.Cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	since, _ := c.(*cursor)
	reached := repository.Position{Cursor: &cursor{s, at.seq}, Epoch: at.epoch}
	p := rows.NewParts(&s.layouts, known, apply)
	if since == nil {
		p.Reset()
		return reached, s.readAll(ctx, q, &p)
	}
	keys, wiped, ok := s.feed.since(since.seq, at.seq)
	if since.store != s || !ok {
		return repository.Position{}, repository.ErrVoid
	}
	if wiped {
		p.Reset()
	}
	if err := s.readChanged(ctx, q, keys, &p); err != nil {
		return repository.Position{}, err
	}
	return reached, nil
}

// readChanged passes on what became of the groups.
func (s *Store) readChanged(ctx context.Context, q querier, keys []exposition.Digest, p *rows.Parts) error {
	for len(keys) > 0 {
		n := min(len(keys), keysAtOnce)
		exist := make(map[exposition.Digest]bool, n)
		err := s.groupsOf(ctx, q, &p.Decoder, keys[:n], func(key exposition.Digest, g exposition.Group, size int) {
			exist[key] = true
			p.Add(g, size)
		})
		if err != nil {
			return err
		}
		for _, key := range keys[:n] {
			if !exist[key] {
				p.Remove(key)
			}
		}
		keys = keys[n:]
	}
	p.Pass()
	return nil
}

// readAll passes all groups on.
func (s *Store) readAll(ctx context.Context, q querier, p *rows.Parts) error {
	found, err := q.query(`SELECT ` + groupColumns + ` FROM push_group`)
	if err != nil {
		return err
	}
	err = s.forEachGroup(ctx, found, &p.Decoder, func(row *groupRow, g exposition.Group, readable bool) error {
		if readable {
			p.Add(g, row.size())
		}
		return nil
	})
	if err == nil {
		p.Pass()
	}
	return err
}

const (
	groupColumns = `key, labels, families, family_times, pushed_at, push_failed_at`
	keysAtOnce   = 100
)

var groupsOfSQL = `SELECT ` + groupColumns + ` FROM push_group WHERE key IN (?` + strings.Repeat(`, ?`, keysAtOnce-1) + `)`

// groupsOf passes those of the groups that exist to yield, with the size that
// they have as stored.
func (s *Store) groupsOf(ctx context.Context, q querier, d *rows.Decoder, keys []exposition.Digest, yield func(key exposition.Digest, g exposition.Group, size int)) error {
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
		err = s.forEachGroup(ctx, found, d, func(row *groupRow, g exposition.Group, readable bool) error {
			if readable {
				yield(exposition.Digest(row.key), g, row.size())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forEachGroup calls f with each row, until that returns an error. What cannot
// be read is reported.
func (s *Store) forEachGroup(ctx context.Context, found *sql.Rows, d *rows.Decoder, f func(row *groupRow, g exposition.Group, readable bool) error) error {
	var row groupRow
	return forEach(found, row.targets(), func() error {
		if err := ended(ctx); err != nil {
			return err
		}
		g, err := row.group(d)
		if err != nil {
			s.logger.Error("a row of push_group cannot be read and is left out: mend or delete it", "key", fmt.Sprintf("%x", row.key), "err", err)
		}
		return f(&row, g, err == nil)
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

// size is how many bytes of what a row may have many are in it.
func (r *groupRow) size() int { return len(r.labels) + len(r.families) + len(r.times) }

// group decodes the row.
func (r *groupRow) group(d *rows.Decoder) (exposition.Group, error) {
	g, err := d.Group(r.key, r.labels, r.families)
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

// A page is what is read at once for those who take it at the pace of a
// client: at most so many rows, and no more once they have so many bytes.
const (
	page      = 200
	pageBytes = 8 << 20
)

// errPageFull ends a page before its last row.
var errPageFull = errors.New("the page is full")

// Groups implements repository.Store. It reads page by page, since a snapshot
// that a slow client kept would make the log grow without bounds.
func (s *Store) Groups(ctx context.Context, yield func(exposition.Group) error) error {
	last, more := []byte{}, true
	for more {
		var groups []exposition.Group
		var err error
		if groups, last, more, err = s.groupsAfter(ctx, last); err != nil {
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

// groupsAfter returns the groups of a page, the key that it ends with, and
// whether there may be more.
func (s *Store) groupsAfter(ctx context.Context, after []byte) (groups []exposition.Group, last []byte, more bool, err error) {
	count, bytes := 0, 0
	err = s.read(ctx, func(q querier, _ position) error {
		found, err := q.query(`SELECT `+groupColumns+` FROM push_group WHERE key > ? ORDER BY key LIMIT ?`, after, page)
		if err != nil {
			return err
		}
		return s.forEachGroup(ctx, found, new(rows.Decoder), func(row *groupRow, g exposition.Group, readable bool) error {
			last = row.key
			if readable {
				groups = append(groups, g)
			}
			count++
			if bytes += row.size(); bytes >= pageBytes {
				return errPageFull
			}
			return nil
		})
	})
	if err == errPageFull {
		return groups, last, true, nil
	}
	return groups, last, count == page, err
}

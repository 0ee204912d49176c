package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// cursor is what a replica has seen: everything that is visible in snapshot,
// in one incarnation of one server.
type cursor struct {
	snapshot string
	server   identity
	at       time.Time // by the database's clock
}

// identity tells the lives of a database apart. Transaction ids mean something
// only within one: after a crash, a failover or a restore they can be handed
// out again.
type identity struct {
	incarnation string
	life        string
	system      string
	timeline    string
}

// What every catch-up reads together with the changes, in one statement and so
// in one snapshot. A standby raises an error, which is wanted: its snapshots do
// not list all transactions in progress.
const identityColumns = `pg_current_snapshot()::text, clock_timestamp(),
	(SELECT id::text FROM incarnation WHERE life = current_life()), current_life(),
	(SELECT system_identifier::text FROM pg_control_system()),
	left(pg_walfile_name(pg_current_wal_lsn()), 8),
	(SELECT epoch FROM catalog), (SELECT trimmed_before FROM catalog)`

const groupColumns = `g.key, g.labels::text, g.families::text, g.family_times::text, g.pushed_at, g.push_failed_at`

// The first row has those columns, the others are groups: in all of them they
// would be a tenth of what is read. A materialized CTE keeps the planner from
// reading both parts at once, in parallel.
const noHeader = `NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`

// noGroup is in place of a group's columns and the key before them.
const noGroup = `NULL, NULL, NULL, NULL, NULL, NULL, NULL`

// What is new since snapshot $1 is, exactly: a transaction that began after it
// was taken, or one that was in progress then. Both are index conditions. The
// lateral join keeps the planner from reading all groups.
const deltaSQL = `
WITH unseen AS (
	SELECT wipe, keys FROM feed WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
	UNION ALL
	SELECT wipe, keys FROM feed WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
), header AS MATERIALIZED (
	SELECT ` + identityColumns + `, (SELECT coalesce(bool_or(wipe), false) FROM unseen)
)
SELECT header.*, ` + noGroup + ` FROM header
UNION ALL
SELECT ` + noHeader + `, c.key, ` + groupColumns + `
FROM (SELECT DISTINCT unnest(keys) AS key FROM unseen) c
LEFT JOIN LATERAL (SELECT p.* FROM push_group p WHERE p.key = c.key OFFSET 0) g ON true`

// A catch-up asks this first: it mostly says that there is nothing to read, and
// takes a fraction of the time in which deltaSQL is planned, which has to be done
// each time.
const headerSQL = `SELECT ` + identityColumns

const fullSQL = `
WITH header AS MATERIALIZED (SELECT ` + identityColumns + `, false)
SELECT header.*, ` + noGroup + ` FROM header
UNION ALL
SELECT ` + noHeader + `, g.key, ` + groupColumns + ` FROM push_group g`

// trimMargin is longer than any transaction of ours: what was written before a
// cursor was taken may have been committed after it.
const trimMargin = 5 * time.Minute

// CatchUp implements repository.Store.
func (s *Store) CatchUp(ctx context.Context, c repository.Cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	if since, _ := c.(*cursor); since != nil {
		if p, ok, err := s.unchanged(ctx, since); ok || err != nil {
			return p, err
		}
	}
	return s.catchUp(ctx, s.pool, c, known, apply)
}

func (s *Store) catchUp(ctx context.Context, q querier, c repository.Cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	sql, args := fullSQL, []any(nil)
	since, _ := c.(*cursor)
	if since != nil {
		sql, args = deltaSQL, []any{since.snapshot}
	} else if err := s.beginLife(ctx); err != nil {
		return repository.Position{}, err
	}
	found, err := q.Query(ctx, sql, args...)
	if err != nil {
		return repository.Position{}, wrap(err)
	}
	defer found.Close()
	return s.read(found, since, known, apply)
}

// unchanged reports whether nothing can have changed since: on the whole server no
// transaction that writes has begun or ended. Then it returns the position.
func (s *Store) unchanged(ctx context.Context, since *cursor) (repository.Position, bool, error) {
	var h header
	err := askFirst(ctx, func(ctx context.Context) error { return s.pool.QueryRow(ctx, headerSQL).Scan(h.targets()...) })
	if err != nil {
		return repository.Position{}, false, wrap(err)
	}
	s.clock.set(h.now)
	if !h.continues(since) {
		return repository.Position{}, false, repository.ErrVoid
	}
	return h.position(), h.snapshot == since.snapshot, nil
}

// read passes the rows of a catch-up on. The first one is the header, which tells
// whether the cursor is good.
func (s *Store) read(found pgx.Rows, since *cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	var h header
	var g groupRow
	var wipe bool
	var changed raw
	parts := rows.NewParts(&s.layouts, known, apply)
	targets := append(append(h.targets(), &wipe, &changed), g.targets()...)
	for first := true; found.Next(); first = false {
		if err := found.Scan(targets...); err != nil {
			return repository.Position{}, wrap(err)
		}
		if first {
			s.clock.set(h.now)
			if !h.continues(since) {
				return repository.Position{}, repository.ErrVoid
			}
			if since == nil || wipe {
				parts.Reset()
			}
			clear(targets[:len(h.targets())+1]) // which makes Scan leave them out
			continue
		}
		s.addGroup(&parts, changed, &g)
	}
	if err := found.Err(); err != nil {
		return repository.Position{}, wrap(err)
	}
	parts.Pass()
	return h.position(), nil
}

// addGroup adds a group that has changed, or that is gone.
func (s *Store) addGroup(parts *rows.Parts, key []byte, row *groupRow) {
	if row.key != nil {
		g, err := row.group(&parts.Decoder)
		if err == nil {
			parts.Add(g, row.size())
			return
		}
		s.reportUnreadable(row.key, err)
	}
	parts.Remove(exposition.Digest(key))
}

// raw is a value of a row as the driver has it, until the next row is read.
type raw []byte

// ScanBytes implements pgtype.BytesScanner.
func (r *raw) ScanBytes(v []byte) error {
	*r = v
	return nil
}

// moment is a time that may be NULL, which is the zero value. The driver makes
// garbage of pointers to times.
type moment struct{ time.Time }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (m *moment) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.InfinityModifier != pgtype.Finite {
		return fmt.Errorf("a time is %s", v.InfinityModifier)
	}
	m.Time = v.Time
	return nil
}

func (s *Store) reportUnreadable(key []byte, err error) {
	s.logger.Error("a row of push_group cannot be read and is left out: mend or delete it", "key", fmt.Sprintf("%x", key), "err", err)
}

// header is the first row of a catch-up.
type header struct {
	snapshot      string
	now           time.Time
	incarnation   *string
	server        identity
	epoch         int64
	trimmedBefore time.Time
}

func (h *header) targets() []any {
	return []any{&h.snapshot, &h.now, &h.incarnation, &h.server.life, &h.server.system, &h.server.timeline,
		&h.epoch, &h.trimmedBefore}
}

// continues reports whether the database is in a life that has begun, and a
// cursor, if there is one, is of that life and not older than what was trimmed.
func (h *header) continues(since *cursor) bool {
	if h.incarnation == nil {
		return false
	}
	return since == nil || since.server == h.cursor().server && !since.at.Before(h.trimmedBefore.Add(trimMargin))
}

func (h *header) position() repository.Position {
	return repository.Position{Cursor: h.cursor(), Epoch: h.epoch}
}

func (h *header) cursor() *cursor {
	c := &cursor{snapshot: h.snapshot, server: h.server, at: h.now}
	c.server.incarnation = *h.incarnation
	return c
}

// beginLife begins a new life of the database if the last one has ended.
func (s *Store) beginLife(ctx context.Context) error {
	var alive bool
	err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM incarnation WHERE life = current_life())`).Scan(&alive)
	if err != nil || alive {
		return wrap(err)
	}
	t, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer t.Rollback(ctx)
	if _, err := t.Exec(ctx, `SELECT begin_life(clock_timestamp() + interval '5 s')`); err != nil {
		return wrap(err)
	}
	return wrapCommit(t.Commit(ctx))
}

// groupRow is a row of push_group, as of groupColumns.
type groupRow struct {
	key, labels, families, familyTimes raw
	pushedAt, pushFailedAt             moment
}

func (r *groupRow) targets() []any {
	return []any{&r.key, &r.labels, &r.families, &r.familyTimes, &r.pushedAt, &r.pushFailedAt}
}

// size is how many bytes of what a row may have many are in it.
func (r *groupRow) size() int { return len(r.labels) + len(r.families) + len(r.familyTimes) }

// group decodes the row.
func (r *groupRow) group(d *rows.Decoder) (exposition.Group, error) {
	g, err := d.Group(r.key, r.labels, bytes.TrimRight(r.families, " "))
	if err != nil {
		return g, err
	}
	if string(r.familyTimes) != "{}" {
		if err := json.Unmarshal(r.familyTimes, &g.FamilyTimes); err != nil {
			return g, fmt.Errorf("read family_times: %w", err)
		}
	}
	g.PushTime, g.PushFailureTime = r.pushedAt.Time, r.pushFailedAt.Time
	return g, nil
}

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// replica is a Store with the cursor, the epoch and the groups of a replica.
type replica struct {
	*postgres.Store
	t      testing.TB
	cursor repository.Cursor
	epoch  int64
	groups map[exposition.Digest]exposition.Group
}

func newReplica(t testing.TB, url string) *replica {
	t.Helper()
	r := &replica{Store: open(t, url), t: t}
	r.catchUp()
	return r
}

// catchUp applies what has changed, and reports whether it read everything.
func (r *replica) catchUp() bool {
	r.t.Helper()
	everything := r.cursor == nil
	eventually(r.t, func() error {
		position, err := r.CatchUp(r.t.Context(), r.cursor, nil, r.apply)
		if errors.Is(err, repository.ErrVoid) {
			r.cursor, everything = nil, true
			return err // and once more, from nothing
		}
		if err == nil {
			r.cursor, r.epoch = position.Cursor, position.Epoch
		}
		return err
	})
	return everything
}

func (r *replica) apply(c exposition.Change) {
	if c.Reset {
		r.groups = map[exposition.Digest]exposition.Group{}
	}
	for _, d := range c.Deleted {
		delete(r.groups, d)
	}
	for _, g := range c.Groups {
		g.Unpack()
		r.groups[g.Key.Digest()] = g
	}
}

// commit returns a commit of one request to each path.
func (r *replica) commit(method repository.Method, body string, paths ...string) *repository.Commit {
	r.t.Helper()
	return storetest.NewCommit(r.t, r.epoch, time.Now().Add(5*time.Second), method, body, paths...)
}

func (r *replica) put(body string, paths ...string) {
	r.t.Helper()
	eventually(r.t, func() error {
		err := r.Commit(r.t.Context(), r.commit(repository.Put, body, paths...))
		if errors.Is(err, repository.ErrVoid) {
			r.catchUp() // a new life has to begin first
		}
		return err
	})
}

func (r *replica) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// value returns the value of the only metric of the only family of a group, or
// "" if there is no such group.
func (r *replica) value(path string) string {
	g, ok := r.groups[key(r.t, path).Digest()]
	if !ok || len(g.Families) == 0 {
		return ""
	}
	return fmt.Sprint(g.Families[0].Metrics[0].Value)
}

func (r *replica) history() []repository.HistoryRow {
	r.t.Helper()
	var rows []repository.HistoryRow
	r.must(r.History(r.t.Context(), 0, func(row repository.HistoryRow) error {
		rows = append(rows, row)
		return nil
	}))
	return rows
}

func key(t testing.TB, path string) exposition.GroupingKey {
	t.Helper()
	k, err := exposition.ParseGroupingKey(path, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	var c *pgx.Conn
	eventually(t, func() (err error) {
		c, err = pgx.Connect(t.Context(), url)
		return err
	})
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func run(t testing.TB, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query[T any](t testing.TB, c *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually tries until f succeeds: servers need their time to start.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

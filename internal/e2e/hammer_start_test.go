package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// TestEightReplicasOnAnEmptyDatabase protects a first start: whoever of eight
// replicas creates the schema, all come up and work together.
func TestEightReplicasOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	const n = 8
	database := pgtest.NewEmpty(t)
	// What any of them would create first is about to exist, so all of them
	// wait, and go on at the same time.
	gate := openGate(t, database)
	replicas := make([]*replica, n)
	for i := range replicas {
		replicas[i] = launch(t, database)
	}
	gate.awaitWaiting(n)
	gate.open()
	for _, r := range replicas {
		r.awaitReady()
	}
	for i, r := range replicas {
		if code, body := do(t, http.MethodPut, fmt.Sprintf("%s/metrics/job/j%d", r.url, i), "m 1\n"); code != http.StatusOK {
			t.Errorf("push to replica %d: %d %s", i, code, body)
		}
	}
	want := replicas[0].scrape()
	if got := strings.Count(want, "\nm{"); got != n {
		t.Errorf("%d groups are exposed, want %d", got, n)
	}
	for i, r := range replicas {
		if got := r.scrape(); got != want {
			t.Errorf("replica %d differs:\n%s", i, diff(want, got, nil))
		}
	}
}

// gate is a transaction that others wait for.
type gate struct {
	t           *testing.T
	conn, admin *pgx.Conn
}

// openGate returns a gate that keeps others from creating the tables of the
// migrations' own.
func openGate(t *testing.T, database string) *gate {
	t.Helper()
	g := &gate{t: t, conn: dial(t, database), admin: dial(t, database)}
	for _, statement := range []string{"BEGIN", "CREATE TABLE goose_lock ()", "CREATE TABLE goose_db_version ()"} {
		g.exec(statement)
	}
	return g
}

// exec executes a statement of the transaction.
func (g *gate) exec(statement string, arguments ...any) {
	g.t.Helper()
	if _, err := g.conn.Exec(g.t.Context(), statement, arguments...); err != nil {
		g.t.Fatal(err)
	}
}

func dial(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// awaitWaiting returns when n connections wait at the gate.
func (g *gate) awaitWaiting(n int) {
	g.t.Helper()
	eventually(g.t, func() error {
		var waiting int
		err := g.admin.QueryRow(g.t.Context(), `SELECT count(DISTINCT pid) FROM pg_locks
			WHERE NOT granted AND pg_blocking_pids(pid) <> '{}'`).Scan(&waiting)
		if err == nil && waiting < n {
			err = fmt.Errorf("%d connections wait at the gate, want %d", waiting, n)
		}
		return err
	})
}

// awaitBlocked returns when a connection waits for the gate itself, not for
// another one.
func (g *gate) awaitBlocked() {
	g.t.Helper()
	eventually(g.t, func() error {
		var blocked bool
		err := g.admin.QueryRow(g.t.Context(), `SELECT EXISTS (SELECT FROM pg_locks
			WHERE NOT granted AND $1::int = ANY (pg_blocking_pids(pid)))`, g.conn.PgConn().PID()).Scan(&blocked)
		if err == nil && !blocked {
			err = errors.New("nobody waits at the gate")
		}
		return err
	})
}

func (g *gate) open() {
	g.t.Helper()
	g.exec("ROLLBACK")
}

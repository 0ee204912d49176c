// Package pgtest gives tests real PostgreSQL: databases that are thrown away,
// whole servers that can be killed, and PgBouncer in front.
//
// The tests of one process share a server that starts when the first of them
// asks for a database. It is one of their own, in a temporary folder and with
// fsync off, or the one that TEST_DATABASE_URL names, whose user must be allowed
// to create databases. PGBIN says where PostgreSQL's programs are if they are
// not found.
//
// Where there is no PostgreSQL tests fail and say what to do: they are never
// skipped.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// leakTimeout is how long a closed connection may take to disappear from the
// server: its process has to end.
const leakTimeout = 10 * time.Second

// Migrate brings the database at the URL to the current schema.
type Migrate = func(ctx context.Context, url string) error

// New returns the URL of an empty, migrated database that belongs to this
// test. All calls in one process must pass the same migrate: it runs once, and
// the databases are copies of the result. The test fails if connections to its
// database are still open at its end.
func New(t testing.TB, migrate Migrate) string {
	t.Helper()
	return shared.give(t, migrate)
}

// NewEmpty is like [New] for a database without any schema.
func NewEmpty(t testing.TB) string {
	t.Helper()
	return shared.give(t, nil)
}

// Main is for TestMain: it runs the tests, stops the server that they shared,
// looks for goroutines that they left behind, and returns the exit code.
func Main(m *testing.M, options ...goleak.Option) int {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, "goleak: errors on successful test run:", err)
			code = 1
		}
	}
	return code
}

// checkConnections waits until nobody is connected to the database, or returns
// an error that shows the last statements of those who are.
func checkConnections(ctx context.Context, admin *pgx.Conn, database string) error {
	return waitFor(leakTimeout, func() error {
		open, err := connections(ctx, admin, database)
		if err == nil && len(open) > 0 {
			err = fmt.Errorf("%d connections to %s were not closed: %q", len(open), database, open)
		}
		return err
	})
}

// connections describes the connections that are open to the database.
func connections(ctx context.Context, admin *pgx.Conn, database string) ([]string, error) {
	rows, err := admin.Query(ctx, `
		SELECT format('%s: %s', state, left(query, 200)) FROM pg_stat_activity
		WHERE datname = $1 AND backend_type = 'client backend'`, database)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

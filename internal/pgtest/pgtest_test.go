package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// migrate is a stand-in for the real migrations.
func migrate(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `CREATE TABLE item (name text PRIMARY KEY)`)
	return err
}

// connect returns a connection that is closed before the test's database is
// taken back.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query[T any](t *testing.T, conn *pgx.Conn, statement string) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for i := range 2 * dropAfter {
		t.Run(fmt.Sprint("test ", i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, New(t, migrate))
			run(t, conn, `INSERT INTO item VALUES ('same for all')`)
			if n := query[int](t, conn, `SELECT count(*) FROM item`); n != 1 {
				t.Errorf("got %d rows, want 1", n)
			}
		})
	}
}

func TestAnEmptyDatabaseHasNoTables(t *testing.T) {
	t.Parallel()
	conn := connect(t, NewEmpty(t))
	if n := query[int](t, conn, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); n != 0 {
		t.Errorf("got %d tables, want none", n)
	}
	if encoding := query[string](t, conn, `SHOW server_encoding`); encoding != "UTF8" {
		t.Errorf("got encoding %s, want UTF8", encoding)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{
		{Durable: true},
		{Durable: true, TCP: true, Settings: map[string]string{"work_mem": "7MB"}},
	} {
		t.Run(fmt.Sprintf("%+v", opts), func(t *testing.T) {
			t.Parallel()
			c := StartCluster(t, opts)
			conn := connect(t, c.URL("postgres"))
			run(t, conn, `CREATE TABLE kept (n int)`)
			run(t, conn, `CREATE UNLOGGED TABLE lost (n int)`)
			run(t, conn, `INSERT INTO kept VALUES (1)`)
			run(t, conn, `INSERT INTO lost VALUES (1)`)
			if fsync := query[string](t, conn, `SHOW fsync`); fsync != "on" {
				t.Errorf("got fsync %s, want on", fsync)
			}
			if want := opts.Settings["work_mem"]; want != "" && query[string](t, conn, `SHOW work_mem`) != want {
				t.Errorf("the setting work_mem was not applied")
			}

			c.Restart()
			conn = connect(t, c.URL("postgres"))
			if n := query[int](t, conn, `SELECT count(*) FROM lost`); n != 1 {
				t.Errorf("got %d unlogged rows after a clean restart, want 1", n)
			}

			c.Kill()
			if err := ping(c.URL("postgres")); err == nil {
				t.Error("the server answers though it was killed")
			}
			c.Restart()
			conn = connect(t, c.URL("postgres"))
			if n := query[int](t, conn, `SELECT count(*) FROM lost`); n != 0 {
				t.Errorf("got %d unlogged rows after a crash, want 0", n)
			}

			run(t, conn, `INSERT INTO lost VALUES (1)`)
			c.KillBackend(conn.PgConn().PID())
			conn = afterRecovery(t, c)
			if n := query[int](t, conn, `SELECT count(*) FROM kept`); n != 1 {
				t.Errorf("got %d committed rows, want 1", n)
			}
		})
	}
}

// afterRecovery waits until the server has recovered from the end of a backend,
// which empties unlogged tables, and returns a new connection.
func afterRecovery(t *testing.T, c *Cluster) *pgx.Conn {
	t.Helper()
	err := waitFor(startTimeout, func() error {
		conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
		if err != nil {
			return err
		}
		defer conn.Close(t.Context())
		var emptied bool
		err = conn.QueryRow(t.Context(), `SELECT NOT EXISTS (SELECT FROM lost)`).Scan(&emptied)
		if err == nil && !emptied {
			err = errors.New("there was no recovery")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, c.URL("postgres"))
}

func TestPgBouncerPoolsByTransaction(t *testing.T) {
	t.Parallel()
	url := PgBouncer(t, New(t, migrate))
	first, second := connect(t, url), connect(t, url)
	run(t, first, `SET application_name = 'first'`)
	if got, want := query[int](t, second, `SELECT pg_backend_pid()`), query[int](t, first, `SELECT pg_backend_pid()`); got != want {
		t.Errorf("idle clients use the server processes %d and %d, want the same", got, want)
	}
	run(t, second, `INSERT INTO item VALUES ('through the pool')`)
}

func TestAConnectionThatIsOpenIsFound(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, Options{})
	admin, conn := connect(t, c.URL("postgres")), connect(t, c.URL("template1"))
	run(t, conn, `SELECT 'the culprit'`)
	open, err := connections(t.Context(), admin, "template1")
	if err != nil {
		t.Fatal(err)
	}
	if len(open) != 1 || !strings.Contains(open[0], "the culprit") {
		t.Errorf("got %q, want one connection with its last statement", open)
	}
}

func TestTheNewestVersionIsFound(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"9", "14", "15"} {
		dir := filepath.Join(root, version, "bin")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, program := range []string{"initdb", "postgres"} {
			if version == "15" && program == "postgres" {
				continue // only the client programs are installed
			}
			if err := os.WriteFile(filepath.Join(dir, program), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := newestDebian(root), filepath.Join(root, "14", "bin"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

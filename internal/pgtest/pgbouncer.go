package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

const pgbouncerPort = 6432

const pgbouncerConfig = `[databases]
%[1]s = %[2]s
[pgbouncer]
listen_addr =
unix_socket_dir = %[3]s
listen_port = %[4]d
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
`

// PgBouncer starts PgBouncer in transaction mode in front of the database at
// the URL and returns the URL of the same database through it. At most four
// connections are open behind it.
func PgBouncer(t testing.TB, databaseURL string) string {
	t.Helper()
	program, err := findPgBouncer()
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	target, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	dir, err := newTempDir()
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	t.Cleanup(func() { dir.remove() })
	config := filepath.Join(dir.path, "pgbouncer.ini")
	text := fmt.Sprintf(pgbouncerConfig, target.Database, connectString(target), dir.path, pgbouncerPort)
	if err := writeForServer(config, text); err != nil {
		t.Fatal("pgtest:", err)
	}
	proc, err := startProcess(dir.path, program, config)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	t.Cleanup(func() { proc.stop(syscall.SIGTERM) })
	pooled := socketURL(dir.path, pgbouncerPort, target.Database) + "&default_query_exec_mode=exec"
	if err := waitFor(startTimeout, func() error { return ping(pooled) }); err != nil {
		t.Fatalf("pgtest: pgbouncer: %v\n%s", err, proc.output())
	}
	return pooled
}

func findPgBouncer() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no pgbouncer found: run `make deps` as root on Debian, or install the package pgbouncer")
}

func connectString(target *pgx.ConnConfig) string {
	var b strings.Builder
	fmt.Fprintf(&b, "host=%s port=%d dbname=%s user=%s", target.Host, target.Port, target.Database, target.User)
	if target.Password != "" {
		fmt.Fprintf(&b, " password='%s'", strings.ReplaceAll(target.Password, "'", "''"))
	}
	return b.String()
}

// writeForServer writes a file that a server started by [command] can read and
// others cannot.
func writeForServer(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil || os.Geteuid() != 0 {
		return err
	}
	uid, gid, err := nobody()
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

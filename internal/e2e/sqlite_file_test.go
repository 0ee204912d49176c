package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// defaultFile is the path of the file of a gateway that runs in the folder.
func defaultFile(dir string) string { return filepath.Join(dir, "data", "sqlpushgateway.db") }

// TestFileByDefault protects who starts the program in an empty folder: it
// works, and nobody else may read what it keeps.
func TestFileByDefault(t *testing.T) {
	t.Parallel()
	r := startReplica(t, byDefault)
	put("/metrics/job/j", sample).run(t, &fleet{urls: []string{r.url}})
	file := defaultFile(r.cmd.Dir)
	for path, want := range map[string]fs.FileMode{filepath.Dir(file): 0o700, file: 0o600, file + "-wal": 0o600, file + "-shm": 0o600, file + ".lock": 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has the mode %o, want %o", path, got, want)
		}
	}
	if got, _ := os.ReadDir(r.cmd.Dir); len(got) != 1 {
		t.Errorf("the folder has %v, want data only", got)
	}
}

// TestFileInUse protects the file from a second gateway, which is refused at
// once, on one line, and may go on with it when the first one is gone, however
// that ended.
func TestFileInUse(t *testing.T) {
	t.Parallel()
	first := startReplica(t, byDefault)
	put("/metrics/job/j", sample).run(t, &fleet{urls: []string{first.url}})
	file := "sqlite:" + defaultFile(first.cmd.Dir)
	for _, database := range []string{byDefault, "sqlite:data/../data/sqlpushgateway.db", file} {
		code, stdout, stderr := runGateway(t, first.cmd.Dir, "DATABASE_URL="+database)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "another gateway is working on it") {
			t.Errorf("a second gateway on %q ends with %d and writes %q and %q", database, code, stdout, stderr)
		}
	}
	if got := samplesOf(first.scrape()); got != "m{instance=\"\",job=\"j\"} 1"+jobJ {
		t.Errorf("beside refused gateways are exposed\n%s", got)
	}
	first.kill()
	if got := samplesOf(startReplica(t, file).scrape()); got != "m{instance=\"\",job=\"j\"} 1"+jobJ {
		t.Errorf("after kill -9 are exposed\n%s", got)
	}
}

// runGateway runs a gateway that is going to end, and logs only errors, in the
// folder.
func runGateway(t *testing.T, dir string, environment ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, log strings.Builder
	cmd := exec.CommandContext(ctx, program, "--web.listen-address=127.0.0.1:0", "--log.level=error")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = &out, &log
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), log.String()
}

// TestMemory protects the database for a try: it works, and leaves nothing.
func TestMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		cmd := exec.Command(program, "--web.listen-address=127.0.0.1:0", "--log.format=json", "--database.url=sqlite::memory:")
		cmd.Dir = dir
		r := launchCommand(t, byDefault, cmd)
		r.awaitReady()
		if got := samplesOf(r.scrape()); got != "" {
			t.Errorf("a new one exposes\n%s", got)
		}
		put("/metrics/job/j", sample).run(t, &fleet{urls: []string{r.url}})
		if got := samplesOf(r.scrape()); got != "m{instance=\"\",job=\"j\"} 1"+jobJ {
			t.Errorf("exposed are\n%s", got)
		}
		r.terminate()
	}
	if got, _ := os.ReadDir(dir); len(got) > 0 {
		t.Errorf("the folder has %v", got)
	}
}

// TestReadBySqlite3 protects those who look into the file while the gateway
// works: the queries of the documentation show what was pushed, and a reader
// that takes its time holds up nobody.
func TestReadBySqlite3(t *testing.T) {
	t.Parallel()
	r := startReplica(t, byDefault)
	f := &fleet{urls: []string{r.url}}
	file := defaultFile(r.cmd.Dir)
	put("/metrics/job/backup/instance/db1", "# TYPE backup_rows gauge\nbackup_rows{table=\"o'\\\"r\"} 42.5\nbackup_rows{table=\"users\"} 1e+06\n").run(t, f)
	put("/metrics/job/backup/instance/db2", "# TYPE backup_seconds histogram\nbackup_seconds_bucket{le=\"1\"} 2\nbackup_seconds_bucket{le=\"+Inf\"} 3\nbackup_seconds_sum 4\nbackup_seconds_count 3\n").run(t, f)
	put("/metrics/job/other", "# TYPE backup_rows counter\nbackup_rows 1\n").refused(inconsistent).run(t, f)

	reader := startSqlite3(t, file)
	if got := reader.ask("BEGIN; SELECT count(*) FROM push_group;"); got != "3" {
		t.Errorf("it counts %s groups, want 3", got)
	}
	put("/metrics/job/later", sample).run(t, f)
	if got := reader.ask("SELECT count(*) FROM push_group;"); got != "3" {
		t.Errorf("within a transaction it counts %s groups, want 3", got)
	}
	if got := reader.ask("COMMIT; SELECT count(*) FROM push_group;"); got != "4" {
		t.Errorf("after it, it counts %s groups, want 4", got)
	}
	for i, want := range []string{
		`^{"instance":"db1","job":"backup","table":"o'\\"r"}\|42.5 {"instance":"db1","job":"backup","table":"users"}\|1000000.0$`,
		`^backup\|{"instance":"db1","job":"backup"}\|gauge\|\d+$`,
		`^{"instance":"db2","job":"backup"}\|{}\|1\|2.0 {"instance":"db2","job":"backup"}\|{}\|\+Inf\|3.0$`,
		`^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\|{"job":"other"}\|127.0.0.1\|.*backup_rows.*$`,
	} {
		query := documentedQueries(t)[i]
		if got := reader.ask(query); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s\nshows\n%s\nwant\n%s", query, got, want)
		}
	}
}

// documentedQueries returns those for SQLite.
func documentedQueries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/stored-json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Queries in SQLite\n")
	var queries []string
	for _, m := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(section, -1) {
		queries = append(queries, m[1])
	}
	if len(queries) != 4 {
		t.Fatalf("the documentation has %d queries for SQLite, want 4", len(queries))
	}
	return queries
}

// sqlite3 is a shell that somebody has opened.
type sqlite3 struct {
	t      *testing.T
	stdin  *os.File
	stdout *os.File
}

func startSqlite3(t *testing.T, file string) *sqlite3 {
	t.Helper()
	in, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sqlite3", "-batch", file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("install Debian's package sqlite3, or run `make deps`: %v", err)
	}
	in.Close()
	out.Close()
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
		stdout.Close()
	})
	return &sqlite3{t, stdin, stdout}
}

// ask returns what the statements show, their rows on one line.
func (s *sqlite3) ask(statements string) string {
	s.t.Helper()
	const end = "(end)\n"
	s.stdout.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(s.stdin, "%s\nSELECT '(end)';\n", statements); err != nil {
		s.t.Fatal(err)
	}
	var shown strings.Builder
	for buffer := make([]byte, 4096); !strings.HasSuffix(shown.String(), end); {
		n, err := s.stdout.Read(buffer)
		if err != nil {
			s.t.Fatalf("sqlite3 shows %q, then %v", shown.String(), err)
		}
		shown.Write(buffer[:n])
	}
	rows := strings.TrimSpace(strings.TrimSuffix(shown.String(), end))
	return strings.ReplaceAll(rows, "\n", " ")
}

package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// TestOddPaths protects files whose names mean something in a URL.
func TestOddPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"plain.db", "a b.db", "what?mode=memory", "50%41.db", "%00", "a#b", "a&b=c;d", "ünï 🎈", "'quotes\"", `back\slash`, "line\nbreak", "file:x", ":memory:x", "-x",
		"in/new/folders/x.db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			s := open(t, path)
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Size() == 0 {
				t.Errorf("the file is %v, %v", info, err)
			}
		})
	}
}

// TestRelativePath is not parallel, since it changes the working folder.
func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "./data/x.db")
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat("data"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
}

// TestModes protects what was pushed from other users.
func TestModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "x.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for suffix, want := range map[string]fs.FileMode{"": 0o600, "-wal": 0o600, "-shm": 0o600, ".lock": 0o600, "/..": 0o700} {
		info, err := os.Stat(filepath.Dir(path) + "/x.db" + suffix)
		if suffix == "/.." {
			info, err = os.Stat(filepath.Dir(path))
		}
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("x.db%s is %v, %v, want %v", suffix, info, err, want)
		}
	}
}

// TestWrongFiles protects files that are not ours, and those who named them.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		prepare func(*testing.T, string)
		want    string
	}{
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a folder"},
		"a socket": {func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, "is no file"},
		"a text":                {write("Dear diary, today nothing happened at all."), "not an SQLite database"},
		"a short text":          {write("x"), "not an SQLite database"},
		"the head of one":       {write("SQLite format 3\x00" + strings.Repeat("\xff", 5000)), "is damaged"},
		"another program's":     {func(t *testing.T, path string) { sqlRun(t, path, "CREATE TABLE t (x)") }, "is another program's"},
		"marked by another one": {func(t *testing.T, path string) { sqlRun(t, path, "PRAGMA application_id = 7") }, "is another program's"},
		"a newer schema": {func(t *testing.T, path string) {
			s := open(t, path)
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Close()
			sqlRun(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
		}, "newer version of this program (schema 999)"},
		"in a file": {func(t *testing.T, path string) {
			write("")(t, filepath.Dir(path)+"/file")
		}, "cannot be"},
		"in use": {func(t *testing.T, path string) { open(t, path) }, "another gateway is working on it"},
		"in use by another name": {func(t *testing.T, path string) {
			open(t, path+".real")
			if err := os.Symlink(path+".real", path); err != nil {
				t.Fatal(err)
			}
		}, "another gateway is working on it"},
		"with two names": {func(t *testing.T, path string) {
			write("")(t, path)
			if err := os.Link(path, path+".2"); err != nil {
				t.Fatal(err)
			}
		}, "has 2 names"},
		"a link to itself": {func(t *testing.T, path string) {
			if err := os.Symlink(path, path); err != nil {
				t.Fatal(err)
			}
		}, "cannot be used: more than 40 links"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			test.prepare(t, path)
			before, _ := os.ReadFile(path)
			files := filesIn(t, filepath.Dir(path))
			if name == "in a file" {
				path = filepath.Dir(path) + "/file/x.db"
			}
			_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Logger: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, test.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) && name != "in a file" {
				t.Error("the file was changed")
			}
			if got := filesIn(t, filepath.Dir(files[0])); !slices.Equal(got, files) {
				t.Errorf("of %v it has made %v", files, got)
			}
		})
	}
}

func filesIn(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestLinksToNothing protects a file from a second gateway when the first one
// has created it through links.
func TestLinksToNothing(t *testing.T) {
	t.Parallel()
	for name, links := range map[string][][2]string{ // each with what it leads to
		"absolute":                {{"x.db", "/real/y.db"}},
		"relative":                {{"x.db", "real/y.db"}},
		"of links":                {{"x.db", "a/z.db"}, {"a/z.db", "../real/y.db"}},
		"up from a linked folder": {{"b", "a/c"}, {"x.db", "b/../../real/y.db"}},
		"through a linked folder": {{"b", "real"}, {"x.db", "b/y.db"}},
		"to folders to be made":   {{"x.db", "real/new/y.db"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, folder := range []string{"real", "a/c"} {
				if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, l := range links {
				target := l[1]
				if filepath.IsAbs(target) {
					target = dir + target
				}
				if err := os.Symlink(target, filepath.Join(dir, l[0])); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "x.db")
			s := open(t, path)
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil || !strings.HasPrefix(real, filepath.Join(dir, "real")+"/") {
				t.Fatalf("the file is %s, %v", real, err)
			}
			for _, suffix := range []string{"-wal", ".lock"} {
				if _, err := os.Stat(real + suffix); err != nil {
					t.Error(err)
				}
			}
			for _, again := range []string{real, path} {
				_, err := sqlite.Open(t.Context(), sqlite.Options{Path: again, Logger: slog.New(slog.DiscardHandler)})
				if err == nil || !strings.Contains(err.Error(), "another gateway is working on it") {
					t.Errorf("a second gateway on %s: %v", again, err)
				}
			}
		})
	}
}

// TestKilledAtTheFirstStart protects those whose first gateway was killed before
// it had made its tables.
func TestKilledAtTheFirstStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	sqlRun(t, path, `CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`)
	sqlRun(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "job/a", "m 1\n")
}

// TestReopened protects what was pushed, and those who read it with other
// programs while the gateway runs.
func TestReopened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	for i := range 3 {
		s := open(t, path)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := sqlGet[int](t, path, "SELECT count(*) FROM push_history")
		if n != i {
			t.Errorf("another program sees %d rows, want %d", n, i)
		}
		put(t, s, "job/a", fmt.Sprintf("m %d\n", i))
		if got := sqlGet[string](t, path, `SELECT m.value ->> 'value' FROM push_group, json_each(families -> 'm' -> 'metrics') m`); got != fmt.Sprint(i) {
			t.Errorf("another program sees the value %q, want %d", got, i)
		}
		age := sqlGet[float64](t, path, `SELECT (julianday('now') - julianday(pushed_at)) * 86400 FROM push_group WHERE pushed_at > datetime('now', '-1 hour')`)
		if age < -1 || age > 60 {
			t.Errorf("by SQLite's functions the push was %v seconds ago", age)
		}
		s.Close()
	}
	if got := sqlGet[string](t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("the file is not sound: %s", got)
	}
}

// TestForeignWriter protects pushes from a program that has locked the file:
// they wait for it within their deadlines.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := connect(t, path)
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), commitOf(t, "job/a", "m 1\n", short)); !errors.Is(err, repository.ErrDeadline) {
		t.Errorf("a commit to a locked file: %v", err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("reading a file that is locked for writing: %v", err)
	}
	result := make(chan error, 1)
	go func() { result <- s.Commit(t.Context(), commitOf(t, "job/a", "m 1\n", long)) }()
	if _, err := db.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("a commit that waited: %v", err)
	}
}

// connect opens the file as another program does.
func connect(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file://"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func sqlRun(t testing.TB, path, query string, args ...any) {
	t.Helper()
	db := connect(t, path)
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func sqlGet[T any](t testing.TB, path, query string, args ...any) T {
	t.Helper()
	db := connect(t, path)
	defer db.Close()
	var v T
	if err := db.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

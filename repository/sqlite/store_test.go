package sqlite_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// How long commits may take.
const (
	short = 50 * time.Millisecond
	long  = 30 * time.Second
)

// commitOf returns a commit of one PUT, at the first epoch.
func commitOf(t testing.TB, path, body string, timeout time.Duration) *repository.Commit {
	t.Helper()
	key, err := exposition.ParseGroupingKey(path, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	families, err := exposition.ParseText(strings.NewReader(body), exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	stored := exposition.AppendFamilies(nil, families)
	return &repository.Commit{
		ID: uuid.New(), Epoch: 1, Deadline: time.Now().Add(timeout),
		Groups: []repository.GroupChange{{Key: key, Replace: true, Pushed: true, Families: stored}},
		History: []repository.HistoryRow{{Request: repository.Request{Method: repository.Put, ID: uuid.NewString()}, Key: key,
			Accepted: true, Affected: 1, Families: stored}},
	}
}

func put(t testing.TB, s repository.Store, path, body string) {
	t.Helper()
	if err := s.Commit(t.Context(), commitOf(t, path, body, long)); err != nil {
		t.Fatal(err)
	}
}

// TestRetention protects the disk from a history that grows for ever, and from
// requests that never come again.
func TestRetention(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "job/a", "m 1\n")
	put(t, s, "job/a", "m 2\n")
	sqlRun(t, path, `UPDATE push_history SET at = strftime('%Y-%m-%d %H:%M:%f000', at, '-29 days') WHERE seq = (SELECT min(seq) FROM push_history)`)
	sqlRun(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2345)
		INSERT INTO push_history (seq, at, method, outcome, affected, series, bytes, replica, commit_id)
		SELECT 1000 + i, datetime('now', '-31 days'), 'WIPE', 'accepted', 0, 0, 0, 'r', 'c' FROM n`)
	sqlRun(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234)
		INSERT INTO push_request (id, at, outcome) SELECT randomblob(32), datetime('now', '-61 minutes'), 'accepted' FROM n`)
	if err := s.Maintain(t.Context(), 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"push_history": 2, "push_request": 2, "push_group": 1} {
		if n := sqlGet[int](t, path, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	// Numbers are not given out again when the last row is gone.
	last := sqlGet[int](t, path, "SELECT seq FROM catalog")
	if err := s.Maintain(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	put(t, s, "job/a", "m 3\n")
	if seq := sqlGet[int](t, path, "SELECT max(seq) FROM push_history"); seq <= last {
		t.Errorf("the number after %d is %d", last, seq)
	}
}

// TestPlans protects the cost of a push from what is stored, and those who ask
// the views from reading a whole history.
func TestPlans(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`SELECT families FROM push_group WHERE key = x'00'`,
		`SELECT key FROM push_group WHERE job = 'a' ORDER BY key`,
		`SELECT key FROM push_group WHERE key > x'00' ORDER BY key LIMIT 10`,
		`DELETE FROM push_history WHERE seq IN (SELECT seq FROM push_history WHERE at < '2026' ORDER BY at LIMIT 500)`,
		`DELETE FROM push_request WHERE id IN (SELECT id FROM push_request WHERE at < '2026' ORDER BY at LIMIT 500)`,
		`SELECT seq FROM push_history WHERE seq > 7 ORDER BY seq LIMIT 10`,
		`SELECT * FROM failed_runs WHERE at > datetime('now', '-7 days')`,
		`SELECT * FROM failed_runs WHERE at > datetime('now', '-7 days') ORDER BY at DESC LIMIT 10`,
		`SELECT * FROM overdue_jobs`,
		`SELECT * FROM overdue_jobs WHERE job = 'a'`,
		`SELECT * FROM job_runs WHERE job = 'a' ORDER BY at DESC, seq DESC LIMIT 1`,
		`SELECT * FROM rejected_pushes WHERE at > datetime('now', '-7 days')`,
	} {
		rows, err := connect(t, path).Query("EXPLAIN QUERY PLAN " + query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if scansTable.MatchString(detail) {
				t.Errorf("%s reads a whole table: %s", query, detail)
			}
		}
		rows.Close()
	}
}

// scansTable matches a step that reads a table from its beginning to its end;
// views do so with push_group, as g.
var scansTable = regexp.MustCompile(`^SCAN (push_|[hnr]\b)`)

// TestLargeRows protects the memory of a gateway whose groups are large: few of
// them are in it at once.
func TestLargeRows(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "x.db"))
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty, err := s.CatchUp(t.Context(), nil, nil, func(exposition.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	body := "# HELP m " + strings.Repeat("x", 3<<20) + "\n# TYPE m gauge\nm 1\n"
	for _, job := range []string{"a", "b", "c", "d", "e"} {
		put(t, s, "job/"+job, body)
	}
	gone := commitOf(t, "job/gone", "m 1\n", long)
	gone.Groups[0].Delete = true
	if err := s.Commit(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	for name, cursor := range map[string]repository.Cursor{"all": nil, "what has changed": empty.Cursor} {
		var sizes []int
		deleted := 0
		if _, err := s.CatchUp(t.Context(), cursor, nil, func(c exposition.Change) {
			sizes = append(sizes, len(c.Groups))
			deleted += len(c.Deleted)
		}); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 1}[cursor == nil]; !slices.Equal(sizes, []int{3, 2}) || deleted != want {
			t.Errorf("%s comes in parts of %v and %d deleted ones, want 3 and 2, and %d", name, sizes, deleted, want)
		}
	}
	// What is deleted while the first page is read out is not on the second one.
	groups, rows := 0, 0
	if err := s.Groups(t.Context(), func(exposition.Group) error {
		groups++
		return s.DeleteGroups(t.Context(), uuid.New(), time.Now().Add(long), repository.Deletion{Request: repository.Request{Method: repository.Wipe}})
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.History(t.Context(), 0, func(repository.HistoryRow) error {
		rows++
		return s.Maintain(t.Context(), -time.Hour)
	}); err != nil {
		t.Fatal(err)
	}
	if groups != 3 || rows != 3 {
		t.Errorf("a page has %d groups, and %d rows of the history, want 3", groups, rows)
	}
}

// TestUnreadableRow protects all other groups from a row that somebody has
// changed by hand.
func TestUnreadableRow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"a", "b", "c", "d", "e"} {
		put(t, s, "job/"+job, "m 1\n")
	}
	for _, spoil := range []string{"families = 'oops' WHERE job = 'a'", "labels = '{}' WHERE job = 'b'",
		"pushed_at = 'yesterday' WHERE job = 'c'", "key = x'07' WHERE job = 'd'"} {
		sqlRun(t, path, "UPDATE push_group SET "+spoil)
	}
	var jobs []string
	if _, err := s.CatchUp(t.Context(), nil, nil, func(c exposition.Change) {
		for _, g := range c.Groups {
			jobs = append(jobs, g.Key.Job())
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(jobs, " "); got != "e" {
		t.Errorf("readable are %s, want e", got)
	}
	put(t, s, "job/a", "m 2\n")
	post := commitOf(t, "job/e", "n 1\n", long)
	post.Groups[0].Replace = false
	if err := s.Commit(t.Context(), post); err != nil {
		t.Fatal(err)
	}
	if got := sqlGet[string](t, path, `SELECT group_concat(key, ' ') FROM (SELECT key FROM json_each((SELECT families FROM push_group WHERE job = 'e')))`); got != "m n" {
		t.Errorf("families are %s, want m n", got)
	}
}

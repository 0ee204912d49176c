package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// TestThirtyDays protects the disk from a history that grows for ever: in 30
// days of 600 pushes, more than are deleted at once, a gateway keeps what is of the
// last seven. Days that pass are as well ones that have passed, with a longer
// retention. More pushes would take the race detector minutes.
func TestThirtyDays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const days, perDay, kept = 30, 600, 7
	for ago := days; ago >= 0; ago-- {
		sqlRun(t, path, `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2 - 1)
			INSERT INTO push_history (seq, at, method, outcome, affected, series, bytes, replica, commit_id)
			SELECT ($3 - $1) * $2 + i, datetime('now', 'start of day', '-' || $1 || ' days', (86400 * i / $2) || ' seconds') || '.000000',
			       'PUT', 'accepted', 1, 20, 1000, 'r', 'c' FROM n`, ago, perDay, days)
		failed := make(chan error, 2)
		for range cap(failed) {
			go func() { failed <- s.Maintain(t.Context(), time.Duration(ago+kept)*24*time.Hour) }()
		}
		if err := errors.Join(<-failed, <-failed); err != nil {
			t.Fatalf("%d days ago: %v", ago, err)
		}
		if rows := sqlGet[int](t, path, `SELECT count(*) FROM push_history`); rows > (kept+2)*perDay {
			t.Fatalf("%d days ago there were %d rows", ago, rows)
		}
	}
	if rows := sqlGet[int](t, path, `SELECT count(*) FROM push_history WHERE at > datetime('now', '-7 days')`); rows < kept*perDay {
		t.Errorf("%d rows of the last %d days are left, want all %d", rows, kept, kept*perDay)
	}
}

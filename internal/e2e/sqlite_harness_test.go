package e2e

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"
)

func onSQLite(database string) bool { return strings.HasPrefix(database, "sqlite:") }

// openFile opens the SQLite file as another program does, while a gateway may
// be working on it.
func openFile(t testing.TB, database string) *sql.DB {
	t.Helper()
	path := strings.TrimPrefix(database, "sqlite:")
	db, err := sql.Open("sqlite", "file://"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// checkSound checks that the file is not damaged.
func checkSound(t testing.TB, db *sql.DB) {
	t.Helper()
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Fatalf("the file is not sound: %s %v", result, err)
	}
}

package model

import (
	"context"
	"database/sql"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// History returns the audit log of the database at url, as of now: gateways may
// be working on it.
func History(t testing.TB, url string) []repository.HistoryRow {
	t.Helper()
	store, err := open(t, url)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var rows []repository.HistoryRow
	err = store.History(context.Background(), 0, func(r repository.HistoryRow) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// open opens a database, or a copy of an SQLite file, since a gateway may have
// that for itself.
func open(t testing.TB, database string) (repository.Store, error) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	path, ok := strings.CutPrefix(database, "sqlite:")
	if !ok {
		return postgres.Open(context.Background(), postgres.Options{URL: database, Logger: logger})
	}
	db, err := sql.Open("sqlite", "file://"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if _, err := db.Exec("VACUUM INTO ?", copied); err != nil {
		return nil, err
	}
	return sqlite.Open(context.Background(), sqlite.Options{Path: copied, Logger: logger})
}

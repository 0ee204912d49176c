package model

import (
	"context"
	"log/slog"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// History returns the audit log of the database at url.
func History(t testing.TB, url string) []repository.HistoryRow {
	t.Helper()
	store, err := postgres.Open(context.Background(), postgres.Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
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

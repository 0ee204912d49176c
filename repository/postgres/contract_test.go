package postgres_test

import (
	"log/slog"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) repository.Store {
		store, err := postgres.Open(t.Context(), postgres.Options{
			URL: pgtest.New(t, postgres.Migrate), Replica: "test", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		return store
	})
}

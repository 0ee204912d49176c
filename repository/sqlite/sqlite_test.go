package sqlite_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
	"github.com/sqlpushgateway/sqlpushgateway/repository/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a Store on the file, or in memory, that is closed at the end of the test.
func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Replica: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("on a file", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t testing.TB) repository.Store { return open(t, filepath.Join(t.TempDir(), "test.db")) })
	})
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t testing.TB) repository.Store { return open(t, sqlite.Memory) })
	})
}

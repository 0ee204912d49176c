package e2e

import "testing"

// TestHammeredOnSQLite protects the promises to clients, as of
// TestHammeredReplicas, on a file.
func TestHammeredOnSQLite(t *testing.T) {
	t.Parallel()
	database := newFile(t)
	h := newHammer(t, database, startReplicas(t, 1, database, patient...))
	h.wipes = 4
	h.start(12, 40)
	h.wait()
	h.verify(nil)
}

// TestHammeredInMemory protects the same in a database that nobody else sees:
// there the scrapes during the traffic have to do.
func TestHammeredInMemory(t *testing.T) {
	t.Parallel()
	h := newHammer(t, "sqlite::memory:", startReplicas(t, 1, "sqlite::memory:", patient...))
	h.wipes = 4
	h.start(6, 25)
	h.wait()
}

package e2e

import (
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// patient are the flags of replicas whose pushes must not time out, however
// busy the machine is.
var patient = []string{"--push.timeout=40s", "--scrape.timeout=40s", "--web.enable-admin-api"}

// TestHammeredReplicas protects the promises to clients, under all kinds of
// requests that meet on three replicas: what is acknowledged is in every later
// scrape of every replica, answers are what the history says, and all replicas
// expose what the history replays to.
func TestHammeredReplicas(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	h := newHammer(t, database, startReplicas(t, 3, database, patient...))
	h.wipes = 4
	h.start(12, 40)
	h.wait()
	h.verify(nil)
}

// TestHammeredReplicasBehindPgBouncer protects the same promises where
// statements and transactions go over any connection of a small pool.
func TestHammeredReplicasBehindPgBouncer(t *testing.T) {
	t.Parallel()
	database := pgtest.PgBouncer(t, newDatabase(t))
	h := newHammer(t, database, startReplicas(t, 2, database, patient...))
	h.wipes = 4
	h.start(6, 25)
	h.wait()
	h.verify(nil)
}

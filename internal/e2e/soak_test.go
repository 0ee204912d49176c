package e2e

import (
	"os"
	"testing"
	"time"
)

// TestSoak hammers three replicas for as long as SOAK says (30m, or 5s when it
// says nothing), kills and restarts one after the other meanwhile, and goes
// through an outage of the database now and then.
func TestSoak(t *testing.T) {
	t.Parallel()
	duration := 5 * time.Second
	if s := os.Getenv("SOAK"); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatalf("SOAK: %v: set it to a duration like 30m", err)
		}
	}
	cluster, database := newCluster(t)
	h := newHammer(t, database, startReplicas(t, 3, database, patient...))
	h.lossy = true
	h.start(12, 0)
	for i := 0; time.Since(h.began) < duration && h.ctx.Err() == nil; i++ {
		h.crash(i%3, 100)
		switch i % 9 {
		case 2:
			cluster.KillBackend(busyBackend(t, database))
		case 5:
			cluster.Kill()
			cluster.Restart()
		case 8:
			cluster.Stop()
			cluster.Restart()
		}
	}
	h.finish()
	h.verify(nil)
}

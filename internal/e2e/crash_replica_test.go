package e2e

import "testing"

// TestReplicasAreKilled protects what was acknowledged from the end of a
// replica, as by kill -9, in the middle of commits: nothing is lost, the others
// go on, and one that starts again is equal to them.
func TestReplicasAreKilled(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	h := newHammer(t, database, startReplicas(t, 3, database, patient...))
	h.lossy = true
	h.start(12, 0)
	for i := range 4 {
		h.crash(i%3, 60)
	}
	h.finish()
	h.verify(nil)
}

// crash kills the i-th replica after so many requests, lets the others answer
// as many, and starts it again.
func (h *hammer) crash(i int, requests int64) {
	h.t.Helper()
	h.progress(requests)
	h.replica(i).kill()
	h.replace(i, h.replica(i+1))
	h.progress(requests)
	h.replace(i, startReplica(h.t, h.database, patient...))
}

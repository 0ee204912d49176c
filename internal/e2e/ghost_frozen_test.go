package e2e

import (
	"syscall"
	"testing"
)

// TestReplicaFreezes protects newer pushes from those of a replica that was
// suspended in the middle of commits and wakes up later, and the others from
// waiting for its locks.
func TestReplicaFreezes(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	h := newHammer(t, database, startReplicas(t, 3, database, "--push.timeout=2s", "--scrape.timeout=40s"))
	h.lossy = true
	h.start(18, 0)
	for i := range 3 {
		h.progress(60)
		frozen := h.replica(i)
		h.signal(frozen, syscall.SIGSTOP)
		h.replace(i, h.replica(i+1))
		h.progress(120)
		h.signal(frozen, syscall.SIGCONT)
		h.replace(i, frozen)
	}
	h.finish()
	h.verify(nil)
}

func (h *hammer) signal(r *replica, s syscall.Signal) {
	h.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
}

package e2e

import (
	"path/filepath"
	"testing"
)

// TestSqlite3BacksUp protects the documented way to save and restore the file:
// a backup that was made while the gateway ran is what there is afterwards, also
// in place of a file whose gateway was killed.
func TestSqlite3BacksUp(t *testing.T) {
	t.Parallel()
	r := startReplica(t, byDefault)
	file, backup := defaultFile(r.cmd.Dir), filepath.Join(t.TempDir(), "backup.db")
	f := &fleet{urls: []string{r.url}}
	put("/metrics/job/j", "m 1\n").run(t, f)
	runClient(t, "sqlite3", file, ".backup "+backup)
	for i := range 50 {
		put("/metrics/job/j", "m 2\n").run(t, f)
		put("/metrics/job/later/i/"+string(rune('a'+i%26)), sample).run(t, f)
	}
	r.kill()
	runClient(t, "sqlite3", file, ".restore "+backup)

	again := startReplica(t, "sqlite:"+file)
	(&fleet{urls: []string{again.url}}).exposes(t, "m{instance=\"\",job=\"j\"} 1"+jobJ)
	checkSound(t, openFile(t, "sqlite:"+file))
}

package e2e

import (
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
)

// TestResendContract protects from a trusted proxy that sends a request to a
// second replica because it did not see the first one's answer: in between,
// others may have pushed.
func TestResendContract(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	f := &fleet{}
	for _, r := range startReplicas(t, 3, database, "--web.trusted-proxies=127.0.0.1/32") {
		f.urls = append(f.urls, r.url)
	}
	rows := 0
	// send sends a request that must leave the number of rows in the history.
	send := func(s step, written int) {
		t.Helper()
		s.run(t, f)
		rows += written
		if got := len(model.History(t, database)); got != rows {
			t.Fatalf("after %s %s with %q the history has %d rows, want %d", s.method, s.path, s.body, got, rows)
		}
	}
	id := func(s step, id string) step { return s.with("X-Request-Id", id) }

	send(id(put("/metrics/job/j", "m 1\n"), "a"), 1)
	send(id(put("/metrics/job/j", "m 2\n"), "b"), 1)
	send(id(put("/metrics/job/j", "m 1\n"), "a"), 0)
	f.exposes(t, "m{instance=\"\",job=\"j\"} 2"+jobJ)

	// Another method, key or body is another request.
	send(id(post("/metrics/job/j", "m 1\n"), "a"), 1)
	send(id(put("/metrics/job/j", "m 3\n"), "a"), 1)
	send(id(put("/metrics/job/k", "m 1\n"), "a"), 1)
	f.exposes(t, `
		m{instance="",job="j"} 3
		m{instance="",job="k"} 1
		group{instance="",job="j"} pushed
		group{instance="",job="k"} pushed`)

	// A deletion that comes again spares what was pushed since.
	send(id(del("/metrics/job/k"), "c"), 1)
	send(put("/metrics/job/k", "m 4\n"), 1)
	send(id(del("/metrics/job/k"), "c"), 0)

	// A refusal stays one, even if the reason is gone.
	clash := id(put("/metrics/job/l", "# TYPE m gauge\nm 5\n").refused(inconsistent+"metric"), "d")
	send(clash, 1)
	send(del("/metrics/job/j"), 1)
	send(del("/metrics/job/k"), 1)
	send(clash, 0)
	stamped := id(put("/metrics/job/l", "m 1 1\n").refused("timestamp"), "e")
	send(stamped, 1)
	send(stamped, 0)
	send(id(put("/metrics/job/l", "# TYPE m gauge\nm 5\n"), "f"), 1)
	f.exposes(t, `
		m{instance="",job="l"} 5
		group{instance="",job="l"} pushed failed`)

	// Without an id, requests are what they are.
	send(put("/metrics/job/l", "m 6\n"), 1)
	send(put("/metrics/job/l", "m 6\n"), 1)
}

// TestUntrustedResendContract protects pushers that use one id for everything.
func TestUntrustedResendContract(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	f := &fleet{}
	for _, r := range startReplicas(t, 3, database) {
		f.urls = append(f.urls, r.url)
	}
	for range 3 {
		put("/metrics/job/j", sample).with("X-Request-Id", "a").run(t, f)
	}
	if rows := model.History(t, database); len(rows) != 3 || rows[0].ID != "" {
		t.Errorf("the history is %+v", rows)
	}
}

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// probeTimeout is far more than an answer may take while the database is away.
const probeTimeout = 15 * time.Second

// newCluster returns a server of the test's own, whose commits survive a
// crash, and the URL of a migrated database on it.
func newCluster(t *testing.T) (*pgtest.Cluster, string) {
	t.Helper()
	cluster := pgtest.StartCluster(t, pgtest.Options{Durable: true})
	database := cluster.URL("postgres")
	if err := postgres.Migrate(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	return cluster, database
}

// TestPostgresGoesAway protects what was acknowledged from outages and crashes
// of the database under load, tells clients and monitoring the truth meanwhile,
// and goes on by itself afterwards.
func TestPostgresGoesAway(t *testing.T) {
	t.Parallel()
	cluster, database := newCluster(t)
	h := newHammer(t, database, startReplicas(t, 3, database, "--push.timeout=2s"))
	h.lossy = true
	h.start(12, 0)

	h.progress(60)
	cluster.Stop()
	expectAway(h.replicas...)
	cluster.Restart()
	h.goesOn()

	cluster.Kill()
	expectAway(h.replicas...)
	cluster.Restart()
	h.goesOn()

	for range 2 {
		cluster.KillBackend(busyBackend(t, database))
		h.goesOn()
	}
	h.finish()
	h.verify(nil)
}

// goesOn waits until all replicas are ready and requests are acknowledged.
func (h *hammer) goesOn() {
	h.t.Helper()
	for i := range h.replicas {
		h.replica(i).awaitReady()
	}
	h.progress(60)
}

// busyBackend returns the process id of a connection of a replica, of one in a
// transaction if there is any.
func busyBackend(t *testing.T, database string) uint32 {
	t.Helper()
	var pid uint32
	eventually(t, func() error {
		conn, err := pgx.Connect(t.Context(), database)
		if err != nil {
			return err
		}
		defer conn.Close(t.Context())
		return conn.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity
			WHERE application_name = 'sqlpushgateway' ORDER BY backend_xid IS NULL LIMIT 1`).Scan(&pid)
	})
	return pid
}

// expectAway checks what replicas say while the database is away.
func expectAway(replicas ...*replica) {
	const away = http.StatusServiceUnavailable
	var probes sync.WaitGroup
	for _, r := range replicas {
		for _, request := range []struct {
			method, path string
			code         int
		}{
			{http.MethodPut, "/metrics/job/probe", away},
			{http.MethodDelete, "/metrics/job/probe", away},
			{http.MethodDelete, "/metrics/job/probe?recursive=true", away},
			{http.MethodGet, "/metrics", away},
			{http.MethodGet, "/api/v1/metrics", away},
			{http.MethodGet, "/-/ready", away},
			{http.MethodGet, "/-/healthy", http.StatusOK},
			{http.MethodGet, "/-/metrics", http.StatusOK},
		} {
			probes.Go(func() {
				code, retryAfter, err := r.probe(request.method, request.path)
				if err != nil || code != request.code || (retryAfter != "") != (code == away) {
					r.t.Errorf("%s %s while the database is away: %d, Retry-After %q, %v; want %d",
						request.method, request.path, code, retryAfter, err, request.code)
				}
			})
		}
	}
	probes.Wait()
}

// probe sends a request that must be answered in time.
func (r *replica) probe(method, path string) (code int, retryAfter string, err error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After"), nil
}

// TestStaleScrapes protects --scrape.max-staleness: while the database is away
// a replica shows its last snapshot for that long and no longer.
func TestStaleScrapes(t *testing.T) {
	t.Parallel()
	cluster, database := newCluster(t)
	long := startReplica(t, database, "--push.timeout=1s", "--scrape.max-staleness=1h")
	short := startReplica(t, database, "--push.timeout=1s", "--scrape.max-staleness=2s")
	if code, body := do(t, http.MethodPut, long.url+"/metrics/job/a", "m 1\n"); code != http.StatusOK {
		t.Fatalf("push: %d %s", code, body)
	}
	want := long.scrape()
	short.scrape()
	cluster.Kill()
	if got := long.scrape(); got != want {
		t.Errorf("while the database is away, the exposition differs:\n%s", diff(want, got, nil))
	}
	for _, r := range []*replica{long, short} {
		if code, _, err := r.probe(http.MethodGet, "/-/ready"); err != nil || code != http.StatusServiceUnavailable {
			t.Errorf("/-/ready: %d, %v", code, err)
		}
		if code, _, err := r.probe(http.MethodPut, "/metrics/job/b"); err != nil || code != http.StatusServiceUnavailable {
			t.Errorf("push: %d, %v", code, err)
		}
	}
	eventually(t, func() error {
		code, _, err := short.probe(http.MethodGet, "/metrics")
		if err == nil && code != http.StatusServiceUnavailable {
			err = fmt.Errorf("a scrape that is too stale: %d", code)
		}
		return err
	})
	cluster.Restart()
	for _, r := range []*replica{long, short} {
		r.awaitReady()
		if got := r.scrape(); got != want {
			t.Errorf("after the outage, the exposition differs:\n%s", diff(want, got, nil))
		}
	}
}

// TestGatewayWaitsForPostgres protects a start in any order: a gateway whose
// database is away says so, and comes up when it is there.
func TestGatewayWaitsForPostgres(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartCluster(t, pgtest.Options{})
	cluster.Stop()
	r := launch(t, cluster.URL("postgres"), "--push.timeout=1s")
	expectAway(r)
	cluster.Restart()
	r.awaitReady()
	if code, body := do(t, http.MethodPut, r.url+"/metrics/job/a", "m 1\n"); code != http.StatusOK {
		t.Errorf("push: %d %s", code, body)
	}
	r.scrape()
}

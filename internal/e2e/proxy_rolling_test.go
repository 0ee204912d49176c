package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestRollingRestart protects every push and every scrape while the replicas
// behind nginx are restarted one after the other, as for an upgrade: none
// fails, and nothing that was acknowledged is lost.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	replicas := startRestartable(t, 3, database, behindNginx...)
	h := newProxyHammer(t, database, startProxy(t, replicas...))
	h.start(12, 0)
	for i, r := range replicas {
		h.progress(60)
		check(t, r.cmd.Process.Signal(syscall.SIGTERM))
		<-r.done
		if code := r.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("a replica that was told to stop ended with code %d:\n%s", code, r.logged())
		}
		replicas[i] = launchAt(t, strings.TrimPrefix(r.url, "http://"), database, behindNginx...)
		replicas[i].awaitReady()
	}
	h.progress(60)
	h.finish()
	h.replicas = replicas
	h.verify(nil)
}

// startRestartable starts n gateways on addresses that nobody else gets while
// they restart.
func startRestartable(t *testing.T, n int, database string, flags ...string) []*replica {
	t.Helper()
	replicas := make([]*replica, n)
	for i := range replicas {
		replicas[i] = launchAt(t, freeAddress(t), database, flags...)
	}
	for _, r := range replicas {
		r.awaitReady()
	}
	return replicas
}

// newProxyHammer returns a hammer whose traffic goes through the proxy: half of
// it on new connections.
func newProxyHammer(t *testing.T, database string, p *proxy) *hammer {
	t.Helper()
	entry := &replica{t: t, url: p.url}
	h := newHammer(t, database, []*replica{entry, entry, entry})
	h.client.Transport = &halfFresh{
		kept:  h.client.Transport,
		fresh: &http.Transport{DisableKeepAlives: true},
	}
	return h
}

// halfFresh sends every other request on a new connection.
type halfFresh struct {
	kept, fresh http.RoundTripper
	sent        atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (f *halfFresh) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.sent.Add(1)%2 == 0 {
		return f.fresh.RoundTrip(r)
	}
	return f.kept.RoundTrip(r)
}

// TestFirstRequests protects what a proxy sends to a replica that has just
// begun to listen: it is answered when the database has been reached.
func TestFirstRequests(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/metrics", 200}, {http.MethodGet, "/api/v1/metrics", 200}, {http.MethodGet, "/", 200},
		{http.MethodPut, "/metrics/job/j", 200}, {http.MethodPost, "/metrics/job/j", 200},
		{http.MethodDelete, "/metrics/job/j", 202}, {http.MethodDelete, "/metrics/job/j?recursive=true", 202},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			r := launch(t, database, "--push.timeout=12s", "--scrape.timeout=12s")
			if code, body := do(t, tt.method, r.url+tt.path, ""); code != tt.code {
				t.Errorf("%d %s", code, body)
			}
		})
	}
}

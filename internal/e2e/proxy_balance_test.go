package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
)

// TestProxyPassesOver protects pushes and scrapes from a replica that is gone:
// a refused connection goes to the next one.
func TestProxyPassesOver(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	replicas := startReplicas(t, 3, database, behindNginx...)
	p := startProxy(t, replicas...)
	all := []step{
		post("/metrics/job/j", sample), put("/metrics/job/j", sample), del("/metrics/job/j"),
		{method: http.MethodGet, path: "/metrics", code: http.StatusOK},
	}
	// send sends many of each, so that each of nginx' processes knows each
	// replica that is left.
	send := func() {
		t.Helper()
		var clients sync.WaitGroup
		for _, s := range all {
			clients.Go(func() {
				for range 20 {
					code, body, err := request(t.Context(), s.method, p.url+s.path, s.body)
					if err != nil || code != s.code {
						t.Errorf("%s: %d %s %v", s.method, code, body, err)
					}
				}
			})
		}
		clients.Wait()
	}
	send()
	for _, r := range replicas[:2] {
		r.kill()
		send()
	}
}

// TestProxyOutlivesReplicas protects what can be sent twice from a replica that
// is killed in the middle of it.
func TestProxyOutlivesReplicas(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	replicas := startReplicas(t, 3, database, behindNginx...)
	p := startProxy(t, replicas...)
	load := newLoad(t, p, http.MethodPut, http.MethodDelete, http.MethodGet)
	for _, r := range replicas[:2] {
		load.progress(100)
		r.kill()
	}
	load.progress(100)
	load.finish()
}

// TestProxyReload protects everybody from an nginx that reads its addresses
// again, and sees to it that all of them are used afterwards. Clients that push
// do so on new connections: one that is kept may be closed by nginx just when a
// client begins to send on it, as it may at any time.
func TestProxyReload(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	replicas := startReplicas(t, 5, database, behindNginx...)
	p := startProxy(t, replicas[:3]...)
	load := newLoad(t, p, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodGet)
	for _, n := range []int{5, 3, 5} {
		load.progress(50)
		p.balance(urlsOf(replicas[:n])...)
		p.reload()
	}
	before := len(model.History(t, database))
	eventually(t, func() error {
		used := map[string]bool{}
		for _, row := range model.History(t, database)[before:] {
			used[row.Replica] = true
		}
		if len(used) < 5 && load.ctx.Err() == nil {
			return fmt.Errorf("%d replicas get pushes, want 5", len(used))
		}
		return nil
	})
	load.finish()
}

// TestProxyKeepsConnections protects the replicas from a new connection for
// each request.
func TestProxyKeepsConnections(t *testing.T) {
	t.Parallel()
	const requests = 120
	replicas := startReplicas(t, 3, newDatabase(t), behindNginx...)
	p, relays := startRelays(t, replicas, func(*replica) treatment {
		return func(w http.ResponseWriter, _ *http.Request, pass func() answer) { respond(w, pass()) }
	})
	for range requests / 4 {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			if a := ask(t, method, p.url+"/metrics/job/j", sample); a.code >= 300 {
				t.Errorf("%s: %d %s", method, a.code, a.body)
			}
		}
		ask(t, http.MethodGet, p.url+"/metrics", "")
	}
	var opened int64
	for _, l := range relays {
		opened += l.connections.Load()
	}
	if opened > requests/4 {
		t.Errorf("nginx has opened %d connections for %d requests", opened, requests)
	}
}

// TestProxyTellsOfOutages protects clients, while the database is away, from
// another answer than the gateways' own.
func TestProxyTellsOfOutages(t *testing.T) {
	t.Parallel()
	cluster, database := newCluster(t)
	replicas := startReplicas(t, 3, database, trustNginx, "--push.timeout=1s", "--scrape.timeout=1s")
	p := startProxy(t, replicas...)
	cluster.Stop()
	var clients sync.WaitGroup
	for _, s := range []step{
		post("/metrics/job/j", sample), put("/metrics/job/j", sample), del("/metrics/job/j"),
		{method: http.MethodGet, path: "/metrics"}, {method: http.MethodGet, path: "/-/ready"}, {method: http.MethodGet, path: "/-/healthy"},
	} {
		clients.Go(func() {
			want := outcome(t, s, replicas[0].url)
			for range 2 * len(replicas) {
				if got := outcome(t, s, p.url); got != want {
					t.Errorf("%s %s: through nginx %s, directly %s", s.method, s.path, got, want)
				}
			}
		})
	}
	clients.Wait()
	cluster.Restart()
	eventually(t, func() error {
		if code, body := do(t, http.MethodPost, p.url+"/metrics/job/j", sample); code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

// outcome describes the answer to a step.
func outcome(t *testing.T, s step, url string) string {
	req, err := http.NewRequestWithContext(t.Context(), s.method, url+s.path, strings.NewReader(s.body))
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d, %q, Retry-After %q, %v", resp.StatusCode, body, resp.Header.Get("Retry-After"), err)
}

// load is traffic of which no request may fail. Scrapes are sent on kept
// connections, all else on new ones.
type load struct {
	t        *testing.T
	answered atomic.Int64
	ctx      context.Context
	stop     context.CancelFunc
	clients  sync.WaitGroup
}

// newLoad starts two clients for each method.
func newLoad(t *testing.T, p *proxy, methods ...string) *load {
	t.Helper()
	l := &load{t: t}
	l.ctx, l.stop = context.WithCancel(t.Context())
	for i := range 2 * len(methods) {
		method, url, client := methods[i/2], fmt.Sprintf("%s/metrics/job/load%d", p.url, i), plainClient
		if method == http.MethodGet {
			url, client = p.url+"/metrics", http.DefaultClient
		}
		l.clients.Go(func() {
			for l.ctx.Err() == nil {
				l.send(client, method, url)
			}
		})
	}
	return l
}

func (l *load) send(client *http.Client, method, url string) {
	req, err := http.NewRequestWithContext(l.t.Context(), method, url, strings.NewReader(sample))
	if err != nil {
		l.fail("%v", err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		l.fail("%s: %v", method, err)
		return
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode >= 300 {
		l.fail("%s: %d %s %v", method, resp.StatusCode, body, err)
	}
	l.answered.Add(1)
}

// fail ends the traffic with an error.
func (l *load) fail(format string, args ...any) {
	l.stop()
	l.t.Errorf(format, args...)
}

// progress waits until so many more requests have been answered.
func (l *load) progress(n int64) {
	l.t.Helper()
	target := l.answered.Load() + n
	eventually(l.t, func() error {
		if now := l.answered.Load(); now < target && l.ctx.Err() == nil {
			return fmt.Errorf("%d requests are answered and no more, want %d", now, target)
		}
		return nil
	})
}

// finish ends the traffic.
func (l *load) finish() {
	l.stop()
	l.clients.Wait()
}

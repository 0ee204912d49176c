package e2e

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
)

// TestProxySendsPostsOnce protects from pushes that are made twice: a POST that
// a replica may have got is not sent to another one, whatever happens to the
// connection.
func TestProxySendsPostsOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		posts  int
		code   int
		happen func(t *testing.T, pass func() answer)
	}{
		{"the connection breaks before the push is made", 10, 502, func(*testing.T, func() answer) { hangUp() }},
		{"the connection breaks before the answer", 10, 502, func(_ *testing.T, pass func() answer) { pass(); hangUp() }},
		{"there is no answer in time", 1, 504, func(t *testing.T, _ func() answer) { <-t.Context().Done() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			seen := map[string]int{} // by id
			p, _ := startRelays(t, startReplicas(t, 3, newDatabase(t), behindNginx...), func(*replica) treatment {
				return func(w http.ResponseWriter, r *http.Request, pass func() answer) {
					if r.Method != http.MethodPost {
						respond(w, pass())
						return
					}
					mu.Lock()
					seen[r.Header.Get("X-Request-Id")]++
					mu.Unlock()
					tt.happen(t, pass)
				}
			})
			for range tt.posts {
				a := ask(t, http.MethodPost, p.url+"/metrics/job/j", sample)
				if a.code != tt.code {
					t.Errorf("%d %s, want %d", a.code, a.body, tt.code)
				}
				checkErrorLine(t, "a POST without an answer", a)
			}
			mu.Lock()
			defer mu.Unlock()
			for id, times := range seen {
				if times != 1 {
					t.Errorf("the POST %s was seen %d times", id, times)
				}
			}
			if len(seen) == 0 {
				t.Error("no replica has seen a POST")
			}
		})
	}
}

// lateness is what happens to a request at the first replica that gets it. It
// calls newer to push over it, and resent ends when the client has an answer,
// which is that of the second replica.
type lateness func(first *replica, pass func() answer, newer func(), resent context.Context)

// TestProxyResends protects newer pushes from older requests that nginx sends a
// second time, and clients from the failure of the first: they get an answer,
// and what they ask for is done once.
func TestProxyResends(t *testing.T) {
	t.Parallel()
	for _, late := range []step{put("/metrics/job/j", "m 1\n"), del("/metrics/job/j")} {
		for name, happen := range map[string]lateness{
			"the answer is lost": func(_ *replica, pass func() answer, newer func(), _ context.Context) {
				pass()
				newer()
			},
			"the request arrives late": func(_ *replica, pass func() answer, newer func(), resent context.Context) {
				<-resent.Done()
				newer()
				pass()
			},
			"the replica freezes": func(first *replica, pass func() answer, newer func(), resent context.Context) {
				_ = first.cmd.Process.Signal(syscall.SIGSTOP)
				context.AfterFunc(resent, func() {
					newer()
					_ = first.cmd.Process.Signal(syscall.SIGCONT)
				})
				pass()
			},
		} {
			t.Run(late.method+": "+name, func(t *testing.T) {
				t.Parallel()
				resend(t, late, happen)
			})
		}
	}
}

func resend(t *testing.T, late step, happen lateness) {
	database := newDatabase(t)
	replicas := startReplicas(t, 3, database, behindNginx...)
	put(late.path, "old 1\n").run(t, &fleet{urls: []string{replicas[0].url}})

	var taken atomic.Bool
	resent, answered := context.WithCancel(t.Context())
	over := make(chan struct{})
	p, _ := startRelays(t, replicas, func(to *replica) treatment {
		return func(w http.ResponseWriter, r *http.Request, pass func() answer) {
			if r.URL.Path != late.path || taken.Swap(true) {
				respond(w, pass())
				return
			}
			defer close(over)
			happen(to, pass, func() {
				other := replicas[(slices.Index(replicas, to)+1)%len(replicas)]
				if code, body, err := request(context.Background(), http.MethodPut, other.url+late.path, "m 2\n"); code != http.StatusOK {
					t.Errorf("the newer push: %d %s %v", code, body, err)
				}
			}, resent)
			hangUp()
		}
	})
	late.run(t, &fleet{urls: []string{p.url}})
	answered()
	<-over

	(&fleet{urls: urlsOf(replicas)}).exposes(t, "m{instance=\"\",job=\"j\"} 2"+jobJ)
	if rows := model.History(t, database); len(rows) != 3 {
		t.Errorf("the history has %s, want the first push, the request once and the newer push", describe(rows))
	}
}

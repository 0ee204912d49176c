package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// relay passes connections on to a server. While it is frozen it keeps what
// clients send, even after they are gone, and delivers it when it thaws: what
// a network that heals does.
type relay struct {
	listener net.Listener
	target   string
	mu       sync.RWMutex // held by writers towards the server; frozen holds it
	held     chan struct{}
	open     sync.WaitGroup
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: target, held: make(chan struct{}, 100)}
	r.open.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.open.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil {
			client.Close()
			continue
		}
		r.open.Go(func() {
			r.send(server, client)
			server.(*net.TCPConn).CloseWrite()
		})
		r.open.Go(func() {
			io.Copy(client, server)
			client.Close()
			server.Close()
		})
	}
}

func (r *relay) send(server io.Writer, client io.Reader) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		r.held <- struct{}{}
		r.mu.RLock()
		_, err = server.Write(buffer[:n])
		r.mu.RUnlock()
		<-r.held
		if err != nil {
			return
		}
	}
}

// TestGhost protects newer pushes from an older copy that a frozen connection
// delivers late, after its push was given up.
func TestGhost(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"a late copy meets its fence":    true,
		"a late copy meets its deadline": false,
	}
	for name, fenced := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := pgtest.StartCluster(t, pgtest.Options{TCP: true})
			direct := cluster.URL("postgres")
			if err := postgres.Migrate(t.Context(), direct); err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(direct)
			if err != nil {
				t.Fatal(err)
			}
			frozen := newRelay(t, u.Host)
			u.Host = frozen.listener.Addr().String()
			a, b := newReplica(t, u.String()), newReplica(t, direct)
			a.put("m 1\n", "job/a")

			frozen.mu.Lock()
			ghost := a.commit(repository.Put, "m 2\n", "job/a")
			ghost.Deadline = time.Now().Add(200 * time.Millisecond)
			if fenced {
				ghost.Deadline = time.Now().Add(time.Minute)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := a.Commit(ctx, ghost); !errors.Is(err, repository.ErrUnknown) {
				t.Fatalf("commit over a frozen connection: %v", err)
			}
			if fenced {
				if committed, err := b.Fence(t.Context(), ghost.ID); err != nil || committed {
					t.Fatalf("fence: %t, %v", committed, err)
				}
			}
			b.put("m 3\n", "job/a")
			frozen.mu.Unlock()
			for len(frozen.held) > 0 {
				time.Sleep(time.Millisecond)
			}
			c := connect(t, direct)
			eventually(t, func() error {
				if query[int](t, c, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%commit_pushes%' AND state = 'active' AND pid <> pg_backend_pid()") > 0 {
					return errors.New("the ghost still runs")
				}
				return nil
			})
			b.catchUp()
			if got := b.value("job/a"); got != "3" {
				t.Errorf("value is %s after the late copy arrived, want 3", got)
			}
		})
	}
}

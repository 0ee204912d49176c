package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

// TestFrozenReplicaForgetsRequests protects newer pushes from requests that
// came while a replica was suspended, and whose clients have given up since.
func TestFrozenReplicaForgetsRequests(t *testing.T) {
	t.Parallel()
	const each = 10
	replicas := startReplicas(t, 2, newDatabase(t), "--web.enable-admin-api")
	frozen, other := replicas[0], replicas[1]
	frozen.freeze()
	for range each {
		for _, request := range []string{
			"POST /metrics/job/j HTTP/1.1\r\nHost: gateway\r\nContent-Length: 4\r\n\r\nm 1\n",
			"PUT /metrics/job/j HTTP/1.1\r\nHost: gateway\r\nContent-Length: 4\r\n\r\nm 1\n",
			"DELETE /metrics/job/j HTTP/1.1\r\nHost: gateway\r\n\r\n",
			"PUT /api/v1/admin/wipe HTTP/1.1\r\nHost: gateway\r\n\r\n",
		} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(frozen.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, request)
			conn.Close()
		}
	}
	time.Sleep(2 * time.Second) // no client gives up sooner
	put("/metrics/job/j", "m 2\n").run(t, &fleet{urls: []string{other.url}})
	_ = frozen.cmd.Process.Signal(syscall.SIGCONT)
	eventually(t, func() error {
		_, own := do(t, http.MethodGet, frozen.url+"/-/metrics", "")
		handled := 0
		for _, m := range regexp.MustCompile(`(?m)^pushgateway_http_requests_total\{.*method="(?:delete|post|put)".*\} (\d+)$`).FindAllStringSubmatch(own, -1) {
			n, _ := strconv.Atoi(m[1])
			handled += n
		}
		if handled < 4*each {
			return fmt.Errorf("it has handled %d of %d requests", handled, 4*each)
		}
		return nil
	})
	(&fleet{urls: urlsOf(replicas)}).exposes(t, "m{instance=\"\",job=\"j\"} 2"+jobJ)
}

// TestClientsMayCloseTheirSide protects clients that say that they have sent
// everything, like nc -N, and then wait for the answer.
func TestClientsMayCloseTheirSide(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t))
	for i := range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		check(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "PUT /metrics/job/j/i/%d HTTP/1.1\r\nHost: gateway\r\nContent-Length: 4\r\n\r\nm 1\n", i)
		check(t, err)
		check(t, conn.(*net.TCPConn).CloseWrite())
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		check(t, err)
		if resp.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(resp.Body)
			t.Errorf("%d %s, want 200", resp.StatusCode, body)
		}
	}
}

// freeze suspends the process, and waits until all of it is.
func (r *replica) freeze() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, func() error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", r.cmd.Process.Pid))
		if err != nil {
			return err
		}
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if err == nil && !strings.Contains(string(stat), ") T ") {
				return fmt.Errorf("a thread of the process runs on: %s", stat)
			}
		}
		return nil
	})
}

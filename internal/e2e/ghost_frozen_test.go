package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
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

// TestFrozenReplicaForgetsRequests protects newer pushes from requests that
// came while a replica was suspended, and whose clients have given up since.
func TestFrozenReplicaForgetsRequests(t *testing.T) {
	t.Parallel()
	const each = 10
	replicas := startReplicas(t, 2, newDatabase(t), "--web.enable-admin-api")
	frozen, other := replicas[0], replicas[1]
	_ = frozen.cmd.Process.Signal(syscall.SIGSTOP)
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

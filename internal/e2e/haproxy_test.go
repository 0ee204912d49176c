package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
)

// haproxyServer matches the servers of the configuration that is shipped.
var haproxyServer = regexp.MustCompile(`10\.0\.0\.1([123]):9091`)

// startHAProxy starts HAProxy with the configuration that is shipped in front
// of three replicas, and ends it at the end of the test. Only addresses are
// changed.
func startHAProxy(t *testing.T, replicas []*replica) *proxy {
	t.Helper()
	shipped, err := os.ReadFile("../../deploy/haproxy/haproxy.cfg")
	check(t, err)
	p := &proxy{t: t, dir: t.TempDir(), log: &syncBuffer{}}
	address := freeAddress(t)
	p.url = "http://" + address
	text := p.replace(string(shipped), "bind :9091", "bind "+address)
	if n := len(haproxyServer.FindAllString(text, -1)); n != 6 {
		t.Fatalf("the configuration that is shipped has %d servers", n)
	}
	text = haproxyServer.ReplaceAllStringFunc(text, func(server string) string {
		i := haproxyServer.FindStringSubmatch(server)[1][0] - '1'
		return strings.TrimPrefix(replicas[i].url, "http://")
	})
	p.write("haproxy.cfg", text)
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy" // where Debian has it, which is not in everybody's path
	}
	p.cmd = exec.Command(program, "-f", filepath.Join(p.dir, "haproxy.cfg"))
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%v: install HAProxy (Debian: apt-get install haproxy)", err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("log of HAProxy:\n%s", p.log.String())
		}
	})
	eventually(t, func() error {
		code, body, err := request(t.Context(), http.MethodGet, p.url+"/-/ready", "")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	return p
}

// TestHAProxyPassesRequests protects grouping keys and the history behind
// HAProxy: paths arrive as they were sent, with the client's address and an id
// that no client can choose.
func TestHAProxyPassesRequests(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	replicas := startReplicas(t, 3, database, trustNginx, "--web.enable-admin-api")
	p := startHAProxy(t, replicas)
	for name, path := range map[string]string{
		"base64":                 "/metrics/job@base64/L3Zhci90bXA/b@base64/4pyT==",
		"an encoded at sign":     "/metrics/job%40base64/YQ",
		"an encoded slash":       "/metrics/job/a%2Fb%2F%2Fc",
		"two slashes":            "/metrics//job/a",
		"a slash at the end":     "/metrics/job/a/b/",
		"dots":                   "/metrics/job/./x/../a",
		"encoded dots":           "/metrics/job/a/b/%2E%2E",
		"encoded percent signs":  "/metrics/job/%2520/b/%25",
		"a plus":                 "/metrics/job/a+b/c/%2B",
		"escaped UTF-8":          "/metrics/job/%c3%bcber/b/%E2%9C%93",
		"invalid UTF-8":          "/metrics/job/%ff",
		"a question mark":        "/metrics/job/a?b/c%zz?d",
		"an odd number of parts": "/metrics/job/a/b",
		"as long as keys may be": "/metrics/job/" + strings.Repeat("%C3%BC", 16000),
	} {
		t.Run(name, func(t *testing.T) {
			push := func(url string) string {
				if code, body := do(t, http.MethodPut, replicas[0].url+"/api/v1/admin/wipe", ""); code != http.StatusAccepted {
					t.Fatalf("wipe: %d %s", code, body)
				}
				a := sendRaw(t, url, "127.0.0.2", "PUT "+path+" HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\nX-Request-Id: yours\r\nContent-Length: 4\r\nConnection: close\r\n\r\nm 1\n")
				return fmt.Sprintf("%d to %q\n%s", a.code, a.header.Get("Location"), samplesOf(replicas[0].scrape()))
			}
			if direct, proxied := push(replicas[0].url), push(p.url); proxied != direct {
				t.Errorf("through HAProxy: %.500s\ndirectly: %.500s", proxied, direct)
			}
		})
	}
	ids := map[string]bool{}
	for _, row := range model.History(t, database) {
		if row.ID == "" {
			continue // sent directly
		}
		if row.Client != "127.0.0.2" || len(row.ID) != 36 || ids[row.ID] {
			t.Errorf("the history has the client %s and the id %q", row.Client, row.ID)
		}
		ids[row.ID] = true
	}
	if len(ids) == 0 {
		t.Error("no request has an id")
	}
}

// TestHAProxyRollingRestart is TestRollingRestart behind HAProxy, and then
// kills a replica: who is sent to it is sent on, so that no push fails.
func TestHAProxyRollingRestart(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	replicas := startRestartable(t, 3, database, behindNginx...)
	p := startHAProxy(t, replicas)
	h := newProxyHammer(t, database, p)
	h.start(12, 0)
	for i, r := range replicas {
		h.progress(60)
		r.terminate()
		replicas[i] = launchAt(t, strings.TrimPrefix(r.url, "http://"), database, behindNginx...)
		replicas[i].awaitReady()
	}
	h.progress(60)
	h.finish()
	h.replicas = replicas
	h.verify(nil)

	replicas[1].kill()
	for i := range 60 {
		if a := ask(t, http.MethodPost, fmt.Sprintf("%s/metrics/job/after%d", p.url, i), "after_its_end 1\n"); a.code != http.StatusOK {
			t.Errorf("a push after the end of a replica: %d %s", a.code, a.body)
		}
	}
}

// TestHAProxyWithoutDatabase protects what clients are told while the database
// is away, and no replica is ready: the gateway's own answer, and not that of
// HAProxy, which has no Retry-After.
func TestHAProxyWithoutDatabase(t *testing.T) {
	t.Parallel()
	cluster, database := newCluster(t)
	p := startHAProxy(t, startReplicas(t, 3, database, trustNginx, "--push.timeout=500ms", "--scrape.timeout=500ms"))
	cluster.Stop()
	eventually(t, func() error {
		if n := strings.Count(p.log.String(), " is DOWN"); n < 3 {
			return fmt.Errorf("HAProxy takes only %d replicas for not ready", n)
		}
		return nil
	})
	for _, a := range []answer{
		ask(t, http.MethodPost, p.url+"/metrics/job/j", sample),
		ask(t, http.MethodGet, p.url+"/metrics", ""),
	} {
		if a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %s with %v", a.code, a.body, a.header)
		}
	}
}

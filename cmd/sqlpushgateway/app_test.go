package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/promslog"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// newDatabase returns the URL of an empty database: the gateway migrates it.
func newDatabase(t *testing.T) string {
	t.Helper()
	return pgtest.NewEmpty(t)
}

func TestAPushIsScraped(t *testing.T) {
	t.Parallel()
	a := startApp(t, newDatabase(t))
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	if got := mustAsk(t, http.MethodPut, a.url+"/metrics/job/backup", "size_bytes 42\n"); got.code != http.StatusOK {
		t.Fatalf("got %+v for the push, want 200", got)
	}
	got := mustAsk(t, http.MethodGet, a.url+"/metrics", "")
	if want := `size_bytes{instance="",job="backup"} 42`; !strings.Contains(got.body, want) {
		t.Errorf("got %+v, want %s in it", got, want)
	}
	own := mustAsk(t, http.MethodGet, a.url+"/-/metrics", "")
	for _, name := range []string{"pushgateway_build_info", "sqlpushgateway_database_connections_max 10", "go_goroutines", "process_start_time_seconds"} {
		if !strings.Contains(own.body, name) {
			t.Errorf("the gateway's own metrics lack %s", name)
		}
	}
}

func TestWhileTheDatabaseIsAwayTheGatewayWaitsForIt(t *testing.T) {
	t.Parallel()
	c := pgtest.StartCluster(t, pgtest.Options{Durable: true})
	c.Stop()
	a := startApp(t, c.URL("postgres"), "--push.timeout=300ms", "--scrape.timeout=300ms")
	waitUntil(t, a.url+"/-/healthy", http.StatusOK)
	waitUntil(t, a.url+"/-/ready", http.StatusServiceUnavailable)
	if got := mustAsk(t, http.MethodPut, a.url+"/metrics/job/early", "m 1\n"); got.code != http.StatusServiceUnavailable {
		t.Errorf("got %+v for a push, want 503", got)
	}
	if got := mustAsk(t, http.MethodGet, a.url+"/metrics", ""); got.code != http.StatusServiceUnavailable {
		t.Errorf("got %+v for a scrape, want 503", got)
	}
	c.Restart()
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	if err := a.stop(); err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
}

func TestADrainingGatewaySendsClientsAway(t *testing.T) {
	t.Parallel()
	p := startProcess(t, newDatabase(t), "--shutdown.delay=1h")
	waitUntil(t, p.url+"/-/ready", http.StatusOK)
	p.signal(t, os.Interrupt)
	waitUntil(t, p.url+"/-/ready", http.StatusServiceUnavailable)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.url+"/metrics/job/late", strings.NewReader("m 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{}} // keeps connections
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("got %d and close=%v for a push, want 200 and Connection: close", resp.StatusCode, resp.Close)
	}
}

// slowPush is a push whose body is not complete yet.
type slowPush struct {
	body   *io.PipeWriter
	answer chan answer
	err    chan error
}

// startSlowPush returns when the gateway has begun to read the push.
func startSlowPush(t *testing.T, url string) *slowPush {
	t.Helper()
	r, w := io.Pipe()
	p := &slowPush{body: w, answer: make(chan answer, 1), err: make(chan error, 1)}
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got100Continue: func() { close(reading) }, // sent when the handler reads
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	go func() {
		got, err := send(req)
		p.answer <- got
		p.err <- err
	}()
	<-reading
	return p
}

func TestAPushInFlightIsFinished(t *testing.T) {
	t.Parallel()
	a := startApp(t, newDatabase(t))
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	push := startSlowPush(t, a.url+"/metrics/job/slow")
	stopped := make(chan error, 1)
	go func() { stopped <- a.stop() }()
	waitUntilRefused(t, a.addr())
	io.WriteString(push.body, "m 1\n")
	push.body.Close()
	if got, err := <-push.answer, <-push.err; err != nil || got.code != http.StatusOK {
		t.Errorf("got %+v and %v for the push, want 200", got, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
}

func TestAPushThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	a := startApp(t, newDatabase(t), "--shutdown.timeout=10ms")
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	push := startSlowPush(t, a.url+"/metrics/job/slow")
	if err := a.stop(); err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
	push.body.Close() // the client waits for it, although its connection is gone
	if got := <-push.answer; got.code == http.StatusOK {
		t.Error("got 200 for a push without an end")
	}
	if !strings.Contains(a.logs.String(), "--shutdown.timeout") {
		t.Errorf("the log does not say that a request was cut:\n%s", a.logs)
	}
}

// waitUntilRefused waits until nobody listens on the address.
func waitUntilRefused(t *testing.T, address string) {
	t.Helper()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestQuitEndsTheGateway(t *testing.T) {
	t.Parallel()
	p := startProcess(t, newDatabase(t), "--web.enable-lifecycle")
	waitUntil(t, p.url+"/-/ready", http.StatusOK)
	if got := mustAsk(t, http.MethodPost, p.url+"/-/quit", ""); got.code != http.StatusOK {
		t.Errorf("got %+v, want 200", got)
	}
	p.wait(t)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("got exit code %d, want 0:\n%s", code, p.logs)
	}
}

func TestThePasswordIsNowhere(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	a := startApp(t, "postgres://somebody:"+secret+"@127.0.0.1:1/test?sslpassword="+secret,
		"--log.level=debug", "--push.timeout=300ms", "--scrape.timeout=300ms")
	waitUntil(t, a.url+"/-/ready", http.StatusServiceUnavailable)
	for _, path := range []string{"/", "/status", "/metrics", "/-/metrics", "/-/ready", "/api/v1/status", "/api/v1/metrics"} {
		if got := mustAsk(t, http.MethodGet, a.url+path, ""); strings.Contains(got.body, secret) {
			t.Errorf("%s shows the password: %s", path, got.body)
		}
	}
	if got := mustAsk(t, http.MethodPut, a.url+"/metrics/job/j", "m 1\n"); strings.Contains(got.body, secret) {
		t.Errorf("the error of a push shows the password: %s", got.body)
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if text := a.logs.String(); strings.Contains(text, secret) || !strings.Contains(text, "waiting for the database") {
		t.Errorf("the log shows the password, or not that the database is away:\n%s", text)
	}
}

func TestAnAddressInUseIsExplained(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := parseFlags([]string{someURL, "--web.listen-address=127.0.0.1:0", "--web.listen-address=" + l.Addr().String()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newApp(t.Context(), c, promslog.NewNopLogger())
	if err == nil || !strings.HasPrefix(err.Error(), "--web.listen-address="+l.Addr().String()) {
		t.Errorf("got %v, want an error that names the address", err)
	}
	var inUse *net.OpError
	if !errors.As(err, &inUse) {
		t.Errorf("got %v, want the reason in it", err)
	}
}

func TestEachListenerAsksForThePassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "web.yml")
	// The password is "test".
	const users = "basic_auth_users:\n  alice: $2a$04$hAdvd/kpgAJ9Ix7Y202n4enZMViLMN0YNVYKSTJRB2qKEVt5h2TFC\n"
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	a := startApp(t, newDatabase(t), "--web.listen-address=127.0.0.1:0", "--web.config.file="+file)
	for _, l := range a.listeners {
		url := "http://" + l.Addr().String() + "/-/healthy"
		waitUntil(t, url, http.StatusUnauthorized)
		waitUntil(t, strings.Replace(url, "://", "://alice:test@", 1), http.StatusOK)
	}
	if len(a.listeners) != 2 {
		t.Errorf("got %d listeners, want 2", len(a.listeners))
	}
}

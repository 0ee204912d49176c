package e2e

import (
	"bytes"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// TestCommandLinesOfPushgateway protects who replaces the program and leaves
// the rest of the unit or container as it is.
func TestCommandLinesOfPushgateway(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	file := filepath.Join(t.TempDir(), "pushgateway.dat")
	for _, tt := range []struct {
		name   string
		flags  []string
		prefix string
		warns  []string
	}{
		{name: "nothing"},
		{name: "persistence", flags: []string{"--persistence.file=" + file, "--persistence.interval=1m"}, warns: []string{"--persistence.file is ignored", "--persistence.interval is ignored"}},
		{name: "all switches", flags: []string{
			"--web.enable-lifecycle", "--web.enable-admin-api", "--push.disable-consistency-check", "--push.enable-utf8-names",
			"--log.level=debug", "--web.config.file=", "--web.telemetry-path=/metrics",
		}},
		{name: "switches that are off", flags: []string{
			"--no-web.systemd-socket", "--no-web.enable-lifecycle", "--no-web.enable-admin-api", "--no-push.disable-consistency-check", "--no-push.enable-utf8-names",
		}},
		{name: "several addresses", flags: []string{"--web.listen-address", "127.0.0.1:0", "--web.listen-address", "[::1]:0"}},
		{name: "an external URL and no prefix", flags: []string{"--web.external-url=http://gateway.example/push", "--web.route-prefix=/"}},
		{name: "a route prefix", flags: []string{"--web.route-prefix=/prefix/"}, prefix: "/prefix"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := launch(t, database, tt.flags...)
			r.url += tt.prefix
			r.awaitReady()
			if code, _ := do(t, http.MethodPut, r.url+"/metrics/job/j", sample); code != 200 && code != 202 {
				t.Errorf("a push is answered with %d", code)
			}
			if got := samplesOf(r.scrape()); got != "m{instance=\"\",job=\"j\"} 1"+jobJ {
				t.Errorf("exposed are\n%s", got)
			}
			for _, want := range tt.warns {
				if !strings.Contains(r.logged(), want) {
					t.Errorf("no warning that %s", want)
				}
			}
			if got := strings.Count(r.logged(), " is ignored"); got != len(tt.warns) {
				t.Errorf("%d flags are ignored, want %d:\n%s", got, len(tt.warns), r.logged())
			}
		})
	}
	if matches, err := filepath.Glob(file + "*"); err != nil || len(matches) > 0 {
		t.Errorf("the persistence file was written: %v %v", matches, err)
	}
}

// TestProgramsThatDoNotServe protects the answers on the command line.
func TestProgramsThatDoNotServe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   string
		code   int
		stdout string // what it contains; nothing if ""
		stderr string // what its one line contains; nothing if ""
	}{
		{"--version", 0, "sqlpushgateway, version ", ""},
		{"--help", 0, "--database.url", ""},
		{"-h", 0, "--push.timestamps", ""},
		{"--database.url=", 1, "", "no database: set --database.url or DATABASE_URL"},
		{"--database.url= --persistence.file=/x", 1, "", "no database: set --database.url or DATABASE_URL"},
		{"--no-such-flag", 1, "", "no-such-flag"},
		{"--database.url=mysql://h/d", 1, "", "postgres://"},
		{"--push.timestamps=maybe", 1, "", "--push.timestamps"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), program, strings.Fields(tt.args)...)
			cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "DATABASE_URL=") })
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tt.code {
				t.Errorf("%v, want exit code %d", err, tt.code)
			}
			if got := stdout.String(); !strings.Contains(got, tt.stdout) || tt.stdout == "" && got != "" {
				t.Errorf("on the standard output is %q", got)
			}
			if got := stderr.String(); !strings.Contains(got, tt.stderr) || tt.stderr == "" && got != "" || strings.Count(got, "\n") > 1 {
				t.Errorf("on the standard error is %q", got)
			}
		})
	}
}

// TestDrainContract protects the requests of clients that a load balancer
// still sends to a replica that is about to end.
func TestDrainContract(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	r := startReplica(t, database, "--shutdown.delay=1h")
	other := startReplica(t, database)
	check(t, r.cmd.Process.Signal(terminate))
	eventually(t, func() error {
		if r.ready() != nil {
			return nil
		}
		return errStillReady
	})
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/-/ready", 503}, {http.MethodGet, "/-/healthy", 200}, {http.MethodPut, "/metrics/job/j", 200}, {http.MethodGet, "/metrics", 200},
	} {
		resp := keepAlive(t, tt.method, r.url+tt.path)
		if resp.StatusCode != tt.code || !resp.Close {
			t.Errorf("%s %s: %d, close %v; want %d and Connection: close", tt.method, tt.path, resp.StatusCode, resp.Close, tt.code)
		}
		if resp := keepAlive(t, tt.method, other.url+tt.path); resp.Close {
			t.Errorf("the other replica closes connections, too")
		}
	}
	if got := samplesOf(other.scrape()); got != "m{instance=\"\",job=\"j\"} 1"+jobJ {
		t.Errorf("exposed are\n%s", got)
	}
}

// keepAlive sends a request as clients do that keep connections.
func keepAlive(t *testing.T, method, url string) *http.Response {
	t.Helper()
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(sample))
	check(t, err)
	resp, err := client.Do(req)
	check(t, err)
	check(t, resp.Body.Close())
	return resp
}

// TestTerminationFinishesPushes protects a push that is being sent when its
// replica is asked to end.
func TestTerminationFinishesPushes(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	r := startReplica(t, database)
	p := beginPush(t, r.url, "/metrics/job/j", len(sample))
	check(t, r.cmd.Process.Signal(terminate))
	eventually(t, func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			return nil
		}
		conn.Close()
		return errStillReady
	})
	if got := p.finish(t, sample); got != "HTTP/1.1 200 OK" {
		t.Errorf("the push is answered with %q", got)
	}
	<-r.done
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the exit code is %d\n%s", code, r.logged())
	}
	if got := samplesOf(startReplica(t, database).scrape()); got != "m{instance=\"\",job=\"j\"} 1"+jobJ {
		t.Errorf("exposed are\n%s", got)
	}
}

// TestIdleReplicaEndsOnTermination protects the unit that counts failures.
func TestIdleReplicaEndsOnTermination(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t))
	r.terminate()
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the exit code is %d\n%s", code, r.logged())
	}
}

// TestQuitContract protects the end by HTTP.
func TestQuitContract(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	for _, method := range []string{http.MethodPut, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			r := startReplica(t, database, "--web.enable-lifecycle")
			if code, _ := do(t, http.MethodGet, r.url+"/-/quit", ""); code != http.StatusMethodNotAllowed {
				t.Errorf("GET is answered with %d", code)
			}
			if code, body := do(t, method, r.url+"/-/quit", ""); code != 200 || body != "Shutting down.\n" {
				t.Errorf("%d %q", code, body)
			}
			<-r.done
			if code := r.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the exit code is %d\n%s", code, r.logged())
			}
		})
	}
}

// TestBodyLimitContract protects the gateway's memory.
func TestBodyLimitContract(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	f := &fleet{}
	for _, r := range startReplicas(t, 3, database, "--web.max-body-bytes=1KiB") {
		f.urls = append(f.urls, r.url)
	}
	large := "# " + strings.Repeat("x", 1100) + "\nm 1\n"
	tooLarge := func(s step) step {
		s.code, s.text = http.StatusRequestEntityTooLarge, "--web.max-body-bytes"
		return s
	}
	for _, s := range []step{
		put("/metrics/job/j", sample+"# "+strings.Repeat("x", 1000)+"\n"),
		tooLarge(put("/metrics/job/k", large)),
		tooLarge(post("/metrics/job/k", gzipped("# "+strings.Repeat("x", 1<<20)+"\nm 1\n")).with("Content-Encoding", "gzip")),
		tooLarge(post("/metrics/job/k", framed("# "+strings.Repeat("x", 1<<16)+"\nm 1\n")).with("Content-Encoding", "snappy")),
		tooLarge(put("/metrics/job/k", delimited(gauge(strings.Repeat("m", 1100), 1))).with("Content-Type", protobufType)),
	} {
		s.run(t, f)
	}
	f.exposes(t, "m{instance=\"\",job=\"j\"} 1"+jobJ)
	if rows := model.History(t, database); len(rows) != 1 || rows[0].Method != repository.Put {
		t.Errorf("the history is %+v", rows)
	}
}

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// program is the path of the gateway's binary, which TestMain builds.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "sqlpushgateway")
	args := []string{"build", "-pgo=off", "-o", program} // or all packages would be compiled once more
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "../../cmd/sqlpushgateway")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build the gateway: %v\n%s", err, out)
		return 1
	}
	defer http.DefaultClient.CloseIdleConnections()
	return pgtest.Main(m)
}

// replica is a running process of the gateway.
type replica struct {
	t    testing.TB
	url  string // http://127.0.0.1:port
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	mu  sync.Mutex
	log strings.Builder
}

// newDatabase returns the URL of a migrated database of the test's own.
func newDatabase(t testing.TB) string {
	t.Helper()
	return pgtest.New(t, postgres.Migrate)
}

// byDefault stands for no database: the gateway runs in an empty folder, and
// keeps everything in an SQLite file there.
const byDefault = ""

// newFile returns the URL of an SQLite file of the test's own, which does not
// exist yet.
func newFile(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "gateway.db")
}

// startReplica starts a gateway with these flags on a free port, waits until
// it is ready, and ends it at the end of the test.
func startReplica(t testing.TB, database string, flags ...string) *replica {
	t.Helper()
	r := launch(t, database, flags...)
	r.awaitReady()
	return r
}

// startReplicas starts n gateways on one database.
func startReplicas(t testing.TB, n int, database string, flags ...string) []*replica {
	t.Helper()
	replicas := make([]*replica, n)
	for i := range replicas {
		replicas[i] = launch(t, database, flags...)
	}
	for _, r := range replicas {
		r.awaitReady()
	}
	return replicas
}

// launch starts a gateway and returns as soon as its address is known.
func launch(t testing.TB, database string, flags ...string) *replica {
	t.Helper()
	return launchAt(t, "127.0.0.1:0", database, flags...)
}

// launchAt is launch on an address that somebody knows already.
func launchAt(t testing.TB, address, database string, flags ...string) *replica {
	t.Helper()
	return launchCommand(t, database, exec.Command(program, append([]string{"--web.listen-address=" + address, "--log.format=json"}, flags...)...))
}

// launchCommand is launch for a command that becomes a gateway, which logs as
// JSON.
func launchCommand(t testing.TB, database string, cmd *exec.Cmd) *replica {
	t.Helper()
	if database == byDefault && cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	r := &replica{t: t, cmd: cmd, done: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), "DATABASE_URL="+database)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go r.readLog(stderr, listening)
	t.Cleanup(func() {
		r.kill()
		if log := r.logged(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
			t.Errorf("%s has a data race or a panic", r.url)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", r.url, r.logged())
		}
	})
	select {
	case a := <-listening:
		r.url = "http://" + a
	case <-r.done:
		t.Fatalf("the gateway ended at once:\n%s", r.logged())
	case <-time.After(30 * time.Second):
		t.Fatalf("the gateway does not listen:\n%s", r.logged())
	}
	return r
}

// readLog keeps the process' log, and sends the address that it listens on.
func (r *replica) readLog(stderr io.Reader, address chan<- string) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		r.mu.Lock()
		if r.log.Len() < 1<<20 || strings.Contains(line, "DATA RACE") {
			fmt.Fprintln(&r.log, line)
		}
		r.mu.Unlock()
		if _, rest, ok := strings.Cut(line, `"address":"`); ok && strings.Contains(line, "istening") {
			a, _, _ := strings.Cut(rest, `"`)
			select {
			case address <- a:
			default:
			}
		}
	}
	r.cmd.Wait()
	close(r.done)
}

// logged returns what the process has logged.
func (r *replica) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *replica) awaitReady() {
	r.t.Helper()
	eventually(r.t, func() error { return r.ready() })
}

// ready returns nil if /-/ready says 200.
func (r *replica) ready() error {
	resp, err := http.Get(r.url + "/-/ready")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", r.url, body)
	}
	return nil
}

// kill ends the process as kill -9 does.
func (r *replica) kill() {
	r.cmd.Process.Kill()
	<-r.done
}

// terminate asks the process to end, and waits until it has.
func (r *replica) terminate() {
	r.cmd.Process.Signal(syscall.SIGTERM)
	<-r.done
}

// do sends a request and returns the status and the body of the answer.
func do(t testing.TB, method, url, body string, header ...string) (int, string) {
	t.Helper()
	code, answer, err := request(t.Context(), method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return code, answer
}

// request is do for goroutines. Headers come in pairs of name and value.
func request(ctx context.Context, method, url, body string, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// scrape returns the text exposition.
func (r *replica) scrape() string {
	r.t.Helper()
	code, body := do(r.t, http.MethodGet, r.url+"/metrics", "")
	if code != http.StatusOK {
		r.t.Fatalf("scrape: %d %s", code, body)
	}
	return body
}

// eventually tries until f returns nil, for a minute at most.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

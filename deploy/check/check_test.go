package check

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is the folder of the project.
const root = "../.."

// gateway is the path of the gateway's binary, which TestMain builds.
var gateway string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	gateway = filepath.Join(dir, "sqlpushgateway")
	build := exec.Command("go", "build", "-o", gateway, "./cmd/sqlpushgateway")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "check: build the gateway: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// read returns a file of the project.
func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// startGateway starts the gateway with these arguments, and fails the test
// unless it listens. It needs no database for that.
func startGateway(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), gateway, append(slices.Clone(args), "--web.listen-address=127.0.0.1:0")...)
	cmd.Env = append(os.Environ(), "DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer hung.Stop()
	var log strings.Builder
	listens := false
	for lines := bufio.NewScanner(stderr); !listens && lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		listens = strings.Contains(lines.Text(), "Listening on")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !listens {
		t.Errorf("the gateway does not start with %q:\n%s", args, &log)
	}
}

var helpLine = regexp.MustCompile(`--(?:\[no-\])?([a-z0-9.-]+)(?:=(\S+))?`)

// flags returns the gateway's flags and their defaults, from its help.
func flags(t *testing.T) map[string]string {
	t.Helper()
	help, err := exec.Command(gateway, "--help").Output()
	if err != nil {
		t.Fatal("--help:", err)
	}
	flags := map[string]string{}
	for _, m := range helpLine.FindAllStringSubmatch(string(help), -1) {
		if _, seen := flags[m[1]]; !seen {
			flags[m[1]] = strings.Trim(m[2], `"`)
		}
	}
	return flags
}

// durationOf returns what the arguments, or else the defaults, say of a flag.
func durationOf(t *testing.T, args []string, flag string) time.Duration {
	t.Helper()
	value := flags(t)[flag]
	for _, arg := range args {
		if v, ok := strings.CutPrefix(arg, "--"+flag+"="); ok {
			value = v
		}
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("--%s: %v", flag, err)
	}
	return d
}

// checkEnd fails the test unless a gateway with these arguments gets more time
// to end than it takes, and tells load balancers before.
func checkEnd(t *testing.T, args []string, patience time.Duration) {
	t.Helper()
	delay := durationOf(t, args, "shutdown.delay")
	if delay == 0 {
		t.Error("--shutdown.delay is not set")
	}
	if takes := delay + durationOf(t, args, "shutdown.timeout"); patience <= takes {
		t.Errorf("the gateway is killed after %v, but may take %v", patience, takes)
	}
}

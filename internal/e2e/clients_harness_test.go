package e2e

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// systemPython is the interpreter that sees Debian's Python packages.
const systemPython = "/usr/bin/python3"

// nodeModules is where `make deps` installs packages of Node.js.
const nodeModules = "../../.deps/node_modules"

// runClient runs a program and returns what it wrote. It must succeed.
func runClient(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// command is a program whose requests go where they say, whatever proxies the
// environment names.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*")
	return cmd
}

// needPython fails the test if Python's client library is not installed.
func needPython(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(systemPython, "-c", "import prometheus_client").CombinedOutput(); err != nil {
		t.Fatalf("Python's client is missing, install Debian's package python3-prometheus-client or run `make deps`: %v\n%s", err, out)
	}
}

// createdTimes are the times that Python's client adds to its metrics.
var createdTimes = regexp.MustCompile(`(?m)^(\w+_created\{.*\}) [0-9.e+]+$`)

// exposes checks the samples that all replicas expose. T stands for the time at
// which Python's client made a metric.
func (f *fleet) exposes(t *testing.T, want string) {
	t.Helper()
	got := createdTimes.ReplaceAllString(samplesOf(f.scrape(t, "/metrics")), "$1 T")
	if want := trimLines(want); got != want {
		t.Errorf("exposed are\n%s\nwant\n%s", got, want)
	}
}

// nextURL returns the address of the next replica.
func (f *fleet) nextURL() string {
	f.next++
	return f.urls[f.next%len(f.urls)]
}

// oddValues are grouping values that clients have to encode, as JSON.
const oddValues = `{"a": "/var/tmp", "b": "", "c": "x+y", "d": "Zürich☕", "e": "100%&?#", "f": "q\"\\\n"}`

// oddLabels are the labels that the gateway must make of them.
const oddLabels = `a="/var/tmp",b="",c="x+y",d="Zürich☕",e="100%&?#",f="q\"\\\n",instance=""`

// blankGroup is what is exposed of {"blank": "a b"}, with the value that the
// gateway made of it: clients of Go and Python send a blank as a plus, which
// stays one.
func blankGroup(value string) string {
	return strings.ReplaceAll(`
		m{blank="VALUE",instance="",job="blank"} 1
		group{blank="VALUE",instance="",job="blank"} pushed`, "VALUE", value)
}

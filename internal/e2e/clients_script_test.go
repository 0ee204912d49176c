package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pushedByScripts is what both scripts have pushed to their groups in the end.
const pushedByScripts = `
	h_bucket{LABELS,le="1"} 0
	h_bucket{LABELS,le="5"} 1
	h_bucket{LABELS,le="+Inf"} 1
	h_sum{LABELS} 2
	h_count{LABELS} 1`

// TestPythonClient drives three replicas with Python's client library.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	needPython(t)
	f := newFleet(t, 3)
	client := func(action, job, key, metric, value string) {
		t.Helper()
		runClient(t, systemPython, "testdata/clients/client.py", action, f.nextURL(), job, key, metric, value)
	}
	labels := oddLabels + `,job="py/job"`
	group := "\ngroup{" + labels + "} pushed"
	client("push", "py/job", oddValues, "gone", "1")
	client("push", "py/job", oddValues, "m", "1.5")
	f.exposes(t, `m{`+labels+`} 1.5`+group)
	client("pushadd", "py/job", oddValues, "n", "2")
	f.exposes(t, strings.ReplaceAll(pushedByScripts, "LABELS", labels)+`
		h_created{`+labels+`} T
		m{`+labels+`} 1.5
		n{`+labels+`} 2`+group)
	client("delete", "py/job", oddValues, "", "")
	f.exposes(t, "")

	client("push", "blank", `{"blank": "a b"}`, "m", "1")
	f.exposes(t, blankGroup("a+b"))
	client("delete", "blank", `{"blank": "a b"}`, "", "")
	f.exposes(t, "")
}

// TestPythonClientSeesRefusals protects jobs in Python from failing without
// their knowledge.
func TestPythonClientSeesRefusals(t *testing.T) {
	t.Parallel()
	needPython(t)
	f := newFleet(t, 3)
	put("/metrics/job/other", "# TYPE m counter\nm 1\n").run(t, f)
	out, err := command(t.Context(), systemPython, "testdata/clients/client.py", "push", f.nextURL(), "j", "{}", "m", "1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "HTTP Error 400") {
		t.Errorf("the client says %v: %s", err, out)
	}
	f.exposes(t, `
		m{instance="",job="other"} 1
		group{instance="",job="j"} failed
		group{instance="",job="other"} pushed`)
}

// TestNodeClient drives three replicas with prom-client of Node.js. It does not
// use base64: of its keys no value may have a slash, and only the last one may
// be empty.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(nodeModules, "prom-client")); err != nil {
		t.Fatalf("prom-client of npm is missing, run `make deps`: %v", err)
	}
	modules, err := filepath.Abs(nodeModules)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, 3)
	client := func(want, action, job, key, metric, value string, encoding ...string) {
		t.Helper()
		args := append([]string{"testdata/clients/client.js", action, f.nextURL(), job, key, metric, value}, encoding...)
		cmd := command(t.Context(), "node", args...)
		cmd.Env = append(cmd.Env, "NODE_PATH="+modules)
		out, err := cmd.CombinedOutput()
		if exit, ok := err.(*exec.ExitError); err != nil && (!ok || exit.ExitCode() != 1) {
			t.Fatalf("node: %v\n%s", err, out)
		}
		if !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: the client says %s, want %s", action, out, want)
		}
	}
	const key = `{"a": "x+y", "b": "Zürich ☕", "c": "100%&?#", "d": "q\"\\\n", "last": ""}`
	const labels = `a="x+y",b="Zürich ☕",c="100%&?#",d="q\"\\\n",instance="",job="node job",last=""`
	group := "\ngroup{" + labels + "} pushed"
	client("200\n", "push", "node job", key, "gone", "1")
	client("200\n", "push", "node job", key, "m", "1.5", "gzip")
	f.exposes(t, `m{`+labels+`} 1.5`+group)
	client("200\n", "pushAdd", "node job", key, "n", "2")
	f.exposes(t, strings.ReplaceAll(pushedByScripts, "LABELS", labels)+`
		m{`+labels+`} 1.5
		n{`+labels+`} 2`+group)
	client("202\n", "delete", "node job", key, "m", "0")
	f.exposes(t, "")
	client("push failed with status 400, odd number of components", "push", "j", `{"a": "/tmp"}`, "m", "1")
	f.exposes(t, "")
}

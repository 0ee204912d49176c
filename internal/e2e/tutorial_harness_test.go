package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files in testdata/tutorial are the blocks of a Chinese tutorial on the
// Pushgateway, as people copy them: sections 12.2 to 12.6 of "12 - Pushgateway".

// edit is a change to a block. PROGRAM stands for our program with the flags
// that it needs here, and ADDRESS for where the gateway is.
type edit struct{ old, new string }

// hostAndPort is the only edit to most blocks.
var hostAndPort = edit{"pushgateway:9091", "ADDRESS"}

// tutorialEdits are all that is changed in the others: our program for theirs,
// a free port for each of several gateways on one machine, and an import that
// Go's compiler refuses because nothing uses it.
var tutorialEdits = map[string][]edit{
	"start.sh":            {{"pushgateway ", "exec PROGRAM "}, {":9091", "127.0.0.1:0"}},
	"start_persistent.sh": {{"pushgateway ", "exec PROGRAM --web.listen-address=127.0.0.1:0 "}},
	"push.go.txt":         {hostAndPort, {"\t\"net/http\"\n", ""}},
	"alerts.yml":          {},
}

// tutorialFlags are those that the tutorial's commands need, and those that the
// tests need.
var tutorialFlags = []string{
	"--web.enable-admin-api", "--push.recursive-delete", "--push.timestamps=keep",
	trustNginx, "--log.format=json",
}

// writeBlock writes a block, edited for the gateway at the address, and returns
// its path.
func writeBlock(t *testing.T, file, address string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/tutorial", file))
	if err != nil {
		t.Fatal(err)
	}
	edits, ok := tutorialEdits[file]
	if !ok {
		edits = []edit{hostAndPort}
	}
	block := string(text)
	placeholders := strings.NewReplacer("ADDRESS", address, "PROGRAM", program+" "+strings.Join(tutorialFlags, " "))
	for _, e := range edits {
		if strings.Count(block, e.old) != 1 {
			t.Fatalf("%q is not in %s, once", e.old, file)
		}
		block = strings.Replace(block, e.old, placeholders.Replace(e.new), 1)
	}
	return writeFile(t, filepath.Join(t.TempDir(), strings.TrimSuffix(file, ".txt")), block)
}

// tutorial is what was started with a line of the tutorial: three replicas and
// the proxy before them, or one gateway on SQLite.
type tutorial struct {
	*fleet          // the proxy and the replicas: all expose the same
	address  string // all that the tutorial's other blocks know
	replicas []*replica
}

// startTutorial starts three replicas with a block.
func startTutorial(t *testing.T, database, block string) *tutorial {
	t.Helper()
	tt := &tutorial{replicas: make([]*replica, 3)}
	for i := range tt.replicas {
		tt.replicas[i] = launchCommand(t, database, exec.Command("bash", writeBlock(t, block, "")))
	}
	for _, r := range tt.replicas {
		r.awaitReady()
	}
	proxy := startProxy(t, tt.replicas...)
	tt.address = strings.TrimPrefix(proxy.url, "http://")
	tt.fleet = &fleet{urls: []string{proxy.url}}
	for _, r := range tt.replicas {
		tt.urls = append(tt.urls, r.url)
	}
	return tt
}

// newTutorial starts the replicas on an empty database.
func newTutorial(t *testing.T) *tutorial {
	t.Helper()
	return startTutorial(t, newDatabase(t), "start.sh")
}

// startTutorialAlone starts one gateway, on an SQLite file, with a block.
func startTutorialAlone(t *testing.T, database, block string) *tutorial {
	t.Helper()
	r := launchCommand(t, database, exec.Command("bash", writeBlock(t, block, "")))
	r.awaitReady()
	return &tutorial{&fleet{urls: []string{r.url}}, strings.TrimPrefix(r.url, "http://"), []*replica{r}}
}

// eachTutorial runs a test with three replicas and with a gateway in an empty
// folder.
func eachTutorial(t *testing.T, test func(*testing.T, *tutorial)) {
	t.Parallel()
	t.Run("3 replicas behind nginx", func(t *testing.T) {
		t.Parallel()
		test(t, newTutorial(t))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, startTutorialAlone(t, byDefault, "start.sh"))
	})
}

// run runs a block against the proxy and returns what it writes to the standard
// output.
func (tt *tutorial) run(t *testing.T, file string) string {
	t.Helper()
	return runBlock(t, file, tt.address)
}

// runBlock runs a block against the gateway at the address.
func runBlock(t *testing.T, file, address string) string {
	t.Helper()
	path := writeBlock(t, file, address)
	words := []string{"bash", path}
	switch filepath.Ext(path) {
	case ".py":
		needPython(t)
		words[0] = systemPython
	case ".go":
		words = []string{"go", "run", "-buildvcs=false", path}
	}
	var stderr strings.Builder
	cmd := command(t.Context(), words[0], words[1:]...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", file, err, out, stderr.String())
	}
	return string(out)
}

// runSilently runs a block that must print nothing, as when all went well.
func (tt *tutorial) runSilently(t *testing.T, file string) {
	t.Helper()
	if out := tt.run(t, file); out != "" {
		t.Errorf("%s prints %s", file, out)
	}
}

// measured are the samples of the blocks whose values are times. That of Go's
// program, which does nothing, is far below a second.
var measured = regexp.MustCompile(`(?m)^((?:data_export_duration_seconds|data_export_last_run_timestamp|job_duration_seconds|job_last_run_timestamp)\{.*\}) \S+$` +
	`|^(batch_job_duration_seconds\{.*\}) (?:0|0\.[0-9]+|[0-9.]+e-[0-9]+)$`)

// exposes checks the samples that the proxy and all replicas expose. T stands
// for values that are times.
func (tt *tutorial) exposes(t *testing.T, want string) {
	t.Helper()
	got := measured.ReplaceAllString(samplesOf(tt.scrape(t, "/metrics")), "$1$2 T")
	if want := trimLines(want); got != want {
		t.Errorf("exposed are\n%s\nwant\n%s", got, want)
	}
}

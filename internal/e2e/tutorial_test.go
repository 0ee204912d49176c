package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tutorialFlags are those that the tutorial's commands need.
var tutorialFlags = []string{"--web.enable-admin-api", "--push.recursive-delete", "--push.timestamps=keep"}

// edit is a change to a block of the tutorial.
type edit struct{ old, new string }

// The only edits that are made to the blocks in testdata/tutorial. REPLICA
// stands for the address of a replica.
var (
	hostAndPort  = edit{"pushgateway:9091", "REPLICA"}
	unusedImport = edit{"\t\"net/http\"\n", ""}
)

// tutorialBlock is a block of a Chinese tutorial on the Pushgateway, as people
// copy it, and what must be exposed after it has run against an empty gateway.
type tutorialBlock struct {
	name, file string
	edits      []edit
	// vary are the metrics whose values are times. T stands for them.
	vary string
	want string
}

// run runs the block and returns what it writes to the standard output.
func (b tutorialBlock) run(t *testing.T, f *fleet) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/tutorial", b.file))
	if err != nil {
		t.Fatal(err)
	}
	block := string(text)
	for _, e := range b.edits {
		if strings.Count(block, e.old) != 1 {
			t.Fatalf("%q is not in %s, once", e.old, b.file)
		}
		block = strings.Replace(block, e.old, strings.Replace(e.new, "REPLICA", strings.TrimPrefix(f.nextURL(), "http://"), 1), 1)
	}
	path := filepath.Join(t.TempDir(), strings.TrimSuffix(b.file, ".txt"))
	if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	program := []string{"bash", path}
	switch filepath.Ext(path) {
	case ".py":
		needPython(t)
		program[0] = systemPython
	case ".go":
		program = []string{"go", "run", "-buildvcs=false", path}
	}
	var stderr strings.Builder
	cmd := command(t.Context(), program[0], program[1:]...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", b.file, err, out, stderr.String())
	}
	return string(out)
}

// exposed returns the samples that all replicas expose, with T for what varies.
func (b tutorialBlock) exposed(t *testing.T, f *fleet) string {
	t.Helper()
	got := samplesOf(f.scrape(t, "/metrics"))
	if b.vary == "" {
		return got
	}
	return regexp.MustCompile(`(?m)^((`+b.vary+`)\{.*\}) [0-9.e+-]+$`).ReplaceAllString(got, "$1 T")
}

// TestTutorialPushes runs the blocks that push.
func TestTutorialPushes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, tutorialFlags...)
	for _, b := range []tutorialBlock{
		{
			name: "one metric by curl", file: "push_one.sh", edits: []edit{hostAndPort},
			want: `
				batch_job_duration_seconds{instance="node1",job="batch_job"} 42.5
				group{instance="node1",job="batch_job"} pushed`,
		},
		{
			name: "several metrics by curl", file: "push_many.sh", edits: []edit{hostAndPort},
			want: `
				batch_job_duration_seconds{instance="cron01",job="daily_report"} 42.5
				batch_job_errors_total{instance="cron01",job="daily_report"} 3
				batch_job_processed_total{instance="cron01",job="daily_report"} 1500
				group{instance="cron01",job="daily_report"} pushed`,
		},
		{
			name: "a group of several labels by curl", file: "push_labels.sh", edits: []edit{hostAndPort},
			want: `
				task_duration_seconds{instance="db01",job="backup",type="full"} 120
				group{instance="db01",job="backup",type="full"} pushed`,
		},
		{
			name: "a script", file: "push_metrics.sh", edits: []edit{hostAndPort},
			vary: "data_export_duration_seconds|data_export_last_run_timestamp",
			want: `
				data_export_duration_seconds{instance="worker01",job="data_export"} T
				data_export_last_run_timestamp{instance="worker01",job="data_export"} T
				data_export_records_total{instance="worker01",job="data_export"} 50000
				data_export_success{instance="worker01",job="data_export"} 1
				group{instance="worker01",job="data_export"} pushed`,
		},
		{
			name: "Python's client", file: "push.py", edits: []edit{hostAndPort},
			vary: "job_duration_seconds|job_last_run_timestamp",
			want: `
				job_duration_seconds{instance="worker01",job="data_export"} T
				job_errors_total{instance="worker01",job="data_export"} 0
				job_last_run_timestamp{instance="worker01",job="data_export"} T
				job_processed_records{instance="worker01",job="data_export"} 50000
				job_success{instance="worker01",job="data_export"} 1
				group{instance="worker01",job="data_export"} pushed`,
		},
		{
			name: "Go's client", file: "push.go.txt", edits: []edit{hostAndPort, unusedImport},
			vary: "batch_job_duration_seconds",
			want: `
				batch_job_duration_seconds{instance="node1",job="batch_job"} T
				batch_job_processed_total{instance="node1",job="batch_job"} 1500
				group{instance="node1",job="batch_job"} pushed`,
		},
		{
			name: "a timestamp by curl", file: "push_timestamp.sh", edits: []edit{hostAndPort},
			want: `
				batch_duration{instance="",job="batch"} 42 1609459200000
				group{instance="",job="batch"} pushed`,
		},
	} {
		t.Run(b.name, func(t *testing.T) {
			f.wipe(t)
			if out := b.run(t, f); out != "" {
				t.Errorf("it prints %s", out)
			}
			if got, want := b.exposed(t, f), trimLines(b.want); got != want {
				t.Errorf("exposed are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestTutorialManagement runs the blocks that look at groups and delete them.
func TestTutorialManagement(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, tutorialFlags...)
	for _, group := range []string{"batch_job/instance/node1", "batch_job/instance/node2", "batch_job", "daily_report/instance/cron01"} {
		put("/metrics/job/"+group, sample).run(t, f)
	}
	page := f.send(t, http.MethodGet, "", "")
	if page.code != http.StatusOK || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, "node2") {
		t.Errorf("the page: %d %s\n%s", page.code, page.header.Get("Content-Type"), page.body)
	}

	show := tutorialBlock{file: "show.sh", edits: []edit{hostAndPort}}
	var shown struct {
		Status string
		Data   []struct{ Labels map[string]string }
	}
	if err := json.Unmarshal([]byte(show.run(t, f)), &shown); err != nil || shown.Status != "success" || len(shown.Data) != 4 {
		t.Errorf("the API shows %+v: %v", shown, err)
	}

	for _, b := range []tutorialBlock{
		{
			name: "one group is deleted", file: "delete_instance.sh",
			want: `
				m{instance="",job="batch_job"} 1
				m{instance="node2",job="batch_job"} 1
				m{instance="cron01",job="daily_report"} 1
				group{instance="",job="batch_job"} pushed
				group{instance="node2",job="batch_job"} pushed
				group{instance="cron01",job="daily_report"} pushed`,
		},
		{
			name: "all groups of a job are deleted", file: "delete_job.sh",
			want: `
				m{instance="cron01",job="daily_report"} 1
				group{instance="cron01",job="daily_report"} pushed`,
		},
		{name: "all groups are deleted", file: "delete_all.sh"},
	} {
		b.edits = []edit{hostAndPort}
		if out := b.run(t, f); out != "" {
			t.Errorf("%s: it prints %s", b.name, out)
		}
		if got, want := b.exposed(t, f), trimLines(b.want); got != want {
			t.Errorf("%s: exposed are\n%s\nwant\n%s", b.name, got, want)
		}
	}
}

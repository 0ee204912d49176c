package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestExportBecomesBlocks protects the export in OpenMetrics from what promtool does
// not accept, and from values that Prometheus would show otherwise.
func TestExportBecomesBlocks(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t))
	for i := range 5 {
		for _, instance := range []string{"a", "b"} {
			body := fmt.Sprintf("# TYPE c_total counter\nc_total %d\n# TYPE rows gauge\nrows{text=\"\\\"q\\\" \\\\ \\n é\"} -%d.5\nodd %s\n"+
				"# TYPE h histogram\nh_bucket{le=\"0.5\"} %d\nh_bucket{le=\"+Inf\"} 9\nh_sum 1.5\nh_count 9\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count %d\n",
				i, i, []string{"NaN", "+Inf", "-Inf", "0", "1e-300"}[i], i, i)
			if code, text := do(t, []string{"PUT", "POST"}[i%2], r.url+"/metrics/job/j/instance/"+instance, body); code != 200 {
				t.Fatalf("push: %d %s", code, text)
			}
		}
	}
	code, text := do(t, "GET", r.url+"/api/v1/history/export?format=openmetrics", "")
	if code != 200 {
		t.Fatalf("export: %d %s", code, text)
	}
	promtool := lookUp(t, "promtool", "prometheus")
	blocks, file := t.TempDir(), filepath.Join(t.TempDir(), "history.om")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runClient(t, promtool, "tsdb", "create-blocks-from", "openmetrics", file, blocks)
	if err := os.Mkdir(filepath.Join(blocks, "wal"), 0o700); err != nil { // which a Prometheus would have
		t.Fatal(err)
	}
	dumped := runClient(t, promtool, "tsdb", "dump", blocks)

	got, want := exportedSamples(t, dumped, dumpLine), exportedSamples(t, text, exportLine)
	if len(want) < 8*2*2 { // unless all pushes were in one millisecond
		t.Errorf("the export has %d samples", len(want))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the blocks have\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if code, empty := do(t, "GET", r.url+"/api/v1/history/export?job=none", ""); code != 200 || empty != "# EOF\n" {
		t.Errorf("the export of nothing: %d %q", code, empty)
	}
}

var (
	exportLine = regexp.MustCompile(`(?m)^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+) (?P<time>\S+)$`)
	dumpLine   = regexp.MustCompile(`(?m)^\{__name__="(?P<name>\w+)", (?P<labels>.*)\} (?P<value>\S+) (?P<time>\S+)$`)
	pair       = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

// exportedSamples returns the samples that are in a text, one in each line, in the
// same form and order whatever that of the text was.
func exportedSamples(t *testing.T, text string, line *regexp.Regexp) []string {
	t.Helper()
	var all []string
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		labels := pair.FindAllString(m[line.SubexpIndex("labels")], -1)
		slices.Sort(labels)
		value, err := strconv.ParseFloat(m[line.SubexpIndex("value")], 64)
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		at, err := strconv.ParseFloat(m[line.SubexpIndex("time")], 64)
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		if line == exportLine {
			at *= 1000
		}
		all = append(all, fmt.Sprint(m[line.SubexpIndex("name")], labels, value, int64(math.Floor(at))))
	}
	slices.Sort(all)
	return all
}

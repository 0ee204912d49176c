package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// TestBody protects what the figures are said to be of.
func TestBody(t *testing.T) {
	t.Parallel()
	families, err := exposition.ParseText(bytes.NewReader(body(7)), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		series += exposition.SeriesCount(f)
	}
	if len(families) != 10 || series != seriesPerPush {
		t.Errorf("a push has %d families and %d series, want 10 and %d", len(families), series, seriesPerPush)
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	const groups = 30
	for name, c := range map[string]struct {
		traffic traffic
		shapes  int // of all groups
	}{
		"plain":  {plain(groups), 1},
		"jobs":   {jobs(5, groups/5), 1},
		"shapes": {shapes(5, groups/5), 3},
		"storm":  {storm(groups), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := map[string]string{} // bodies by path
			shapes := map[int]bool{}
			for n := range 3 * groups {
				path, body := readRequest(t, c.traffic(nil, n))
				if last[path] == body {
					t.Fatalf("two pushes to %s in a row have the same body", path)
				}
				last[path] = body
				shapes[strings.Count(path, "/")] = true
				if strings.Contains(path, "/zone/") {
					shapes[-1] = true // as long as those with a disk, but other names
				}
			}
			if len(last) != groups || len(shapes) != c.shapes {
				t.Errorf("%d groups with %d sets of label names, want %d with %d", len(last), len(shapes), groups, c.shapes)
			}
		})
	}
}

func TestStormHasNewNames(t *testing.T) {
	t.Parallel()
	_, first := readRequest(t, storm(10)(nil, 1))
	_, second := readRequest(t, storm(10)(nil, 11))
	if !strings.Contains(first, "\nstorm_1 1\n") || strings.Contains(second, "\nstorm_1 ") {
		t.Errorf("the names of two pushes are not new: %s %s", first, second)
	}
	if _, err := exposition.ParseText(strings.NewReader(first), exposition.LegacyNames); err != nil {
		t.Error(err)
	}
}

func readRequest(t *testing.T, raw []byte) (path, body string) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exposition.ParseGroupingKey(strings.TrimPrefix(r.URL.EscapedPath(), "/metrics/"), exposition.LegacyNames); err != nil {
		t.Fatal(err)
	}
	return r.URL.Path, string(text)
}

func TestClient(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch {
		case r.Method == http.MethodGet:
			w.Write(bytes.Repeat([]byte("x"), 100_000))
		case refuse.Load():
			http.Error(w, "too much", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	c, err := dial(context.Background(), server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for n := range 2 {
		if err := c.push(plain(1), n); err != nil {
			t.Fatal(err)
		}
	}
	if size, err := c.scrape(text); size != 100_000 || err != nil {
		t.Errorf("a scrape has %d bytes, %v", size, err)
	}
	refuse.Store(true)
	if err := c.push(plain(1), 3); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "too much") {
		t.Errorf("a refused push says %v", err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	g := &process{address: server.Listener.Addr().String()}
	latencies, err := load{traffic: plain(10), clients: 4, pushes: 50}.push(context.Background(), []*process{g, g})
	if err != nil || len(latencies) != 50 {
		t.Errorf("%d pushes were answered, want 50; %v", len(latencies), err)
	}
}

func TestCPU(t *testing.T) {
	t.Parallel()
	before, err := treeTime(os.Getpid())
	if err != nil || before <= 0 {
		t.Fatalf("this process has used %v, %v", before, err)
	}
	for n := 0; n < 1000; n++ {
		appendBody(nil, n)
	}
	if after, err := treeTime(os.Getpid()); after <= before || err != nil {
		t.Errorf("%v after %v, %v", after, before, err)
	}
	if idle, all, err := machineTime(); idle < 0 || all <= idle || err != nil {
		t.Errorf("the machine was idle for %v of %v, %v", idle, all, err)
	}
	if r, err := residentMemory(os.Getpid()); r.now <= 0 || r.peak < r.now || err != nil {
		t.Errorf("the memory is %+v, %v", r, err)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	m := median([]pushed{{rate: 3, p50: 1}, {rate: 1, p50: 2}, {rate: 2, p50: 3}})
	if m.rate != 2 || m.p50 != 2 {
		t.Errorf("medians are %v and %v, want 2 and 2", m.rate, m.p50)
	}
	if q := quantile([]time.Duration{1, 2, 3}, 0.99); q != 3 {
		t.Errorf("the 99th percentile of 1, 2, 3 is %d, want 3", q)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	b := bench{}
	b.atLeast(0.9, 90, 100, "", "", "")
	b.atLeast(0.9, 89, 100, "", "", "")
	b.atMost(2, 20, 10, "", "", "")
	b.atMost(2, 21, 10, "", "", "")
	b.atLeast(1000, 5, 0, "not measured", "", "")
	b.atMost(1, 0, 0, "not measured", "", "")
	for i, want := range []bool{true, false, true, false, false, false} {
		if got := b.targets[i].holds(); got != want {
			t.Errorf("target %d with %v: %v, want %v", i, b.targets[i].figure, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-sections", "wal,push", "-rounds", "3"})
	if err != nil || len(o.sections) != 2 || o.sections[0].name != "push" || o.plan.rounds != 3 {
		t.Errorf("sections %v, %d rounds, %v", o.sections, o.plan.rounds, err)
	}
	o, err = parseOptions(nil)
	if err != nil || len(o.sections) != len(sections())-3 || o.plan.rounds != 5 {
		t.Errorf("%d sections, %d rounds, %v; want all but soak, history and profile", len(o.sections), o.plan.rounds, err)
	}
	for _, args := range [][]string{{"-sections", "pull"}, {"quick"}, {"-history", "0"}, {"-history-groups", "100"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1", 1000: "1,000", 10_000: "10,000", 1_234_567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
	for f, want := range map[float64]string{0.00123: "0.0012", 0.123: "0.12", 12.345: "12.35", 1234.5: "1,235"} {
		if got := factor(f); got != want {
			t.Errorf("%v is written %q, want %q", f, got, want)
		}
	}
}

func TestBrowse(t *testing.T) {
	t.Parallel()
	var deepest atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.FormValue("cursor"))
		deepest.Store(max(deepest.Load(), int64(page)))
		switch {
		case r.FormValue("q") == "bad":
			http.Error(w, "no such thing", http.StatusBadRequest)
		case page == 19:
			io.WriteString(w, `{"data": [1]}`)
		default:
			fmt.Fprintf(w, `{"data": [1, 2, 3], "next_cursor": "%d"}`, page+1)
		}
	}))
	defer server.Close()
	first, last, err := browse(context.Background(), server.URL+"/?q=good")
	if err != nil || first.number != 1 || first.rows != 3 || last.number != 20 || last.rows != 3 || deepest.Load() != 19 {
		t.Errorf("the first page is %+v, the last %+v of %d; %v", first, last, deepest.Load()+1, err)
	}
	if _, _, err := browse(context.Background(), server.URL+"/?q=bad"); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("a refused query says %v", err)
	}
}

func TestProfileForgetsWhereTheProgramWas(t *testing.T) {
	t.Parallel()
	got := string(forgetFolder([]byte("\x14/home/a/bin/gateway2 /home/b/bin/gateway"), "/home/a/bin/gateway"))
	if want := "\x14////////////gateway2 /home/b/bin/gateway"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

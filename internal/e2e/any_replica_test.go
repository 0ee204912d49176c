package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	prom "github.com/prometheus/common/model"
)

// TestAnyReplicaServesPrometheus protects what Prometheus makes of scrapes that
// are answered by another replica each time, while pushes go on: every series
// is in every scrape, keeps its labels, and never goes back.
func TestAnyReplicaServesPrometheus(t *testing.T) {
	t.Parallel()
	const jobs, scrapes = 6, 30
	replicas := startReplicas(t, 3, newDatabase(t))
	b := startBatch(t, replicas, jobs)
	p := startPrometheus(t, writeFile(t, filepath.Join(t.TempDir(), "prometheus.yml"), `
scrape_configs:
  - job_name: pushgateway
    scrape_interval: 1s
    honor_labels: true
    static_configs:
      - targets: ['`+startDirector(t, replicas)+`']
`))
	p.await(fmt.Sprintf(`sum_over_time(up[10m]) >= %d`, scrapes))
	b.stop()
	for i, n := range b.runs {
		p.await(fmt.Sprintf(`runs_total{job="job%d"} == %d`, i, n))
	}

	// A scrape without a series that was there leaves a stale marker, which is
	// not counted, and up is 0 for one that took Prometheus too long.
	for _, series := range []string{"runs_total", "last_run_seconds", `push_time_seconds{job!="passes"}`} {
		p.never("missing in a scrape", "count_over_time("+series+"[10m]) != on () group_left () sum_over_time(up[10m])")
		p.never("going back", "resets("+series+"[10m]) > 0")
	}
	p.never("not seen to grow", "changes(runs_total[10m]) < 3")
	p.never("pushed by nobody", `changes(push_time_seconds{job="rests"}[10m]) > 0`)
	for _, r := range replicas {
		if strings.Contains(r.logged(), `"route":"/metrics","status":503`) {
			t.Errorf("%s did not answer a scrape", r.url)
		}
	}

	want := []string{`last_run_seconds{instance="db01", job="rests"}`}
	for i := range jobs {
		want = append(want, fmt.Sprintf(`runs_total{instance="node%d", job="job%d"}`, i, i))
	}
	if got := p.series(`{__name__=~"runs_total|last_run_seconds"}`); !slices.Equal(got, want) {
		t.Errorf("the series are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// startDirector starts a server that sends each request to the next replica,
// and returns its address.
func startDirector(t *testing.T, replicas []*replica) string {
	t.Helper()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := replicas[int(requests.Add(1))%len(replicas)]
		http.Redirect(w, r, next.url+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// never checks that the expression has no samples now, which would tell what.
func (p *promServer) never(what, expr string) {
	p.t.Helper()
	if got, err := p.query(expr); err != nil || len(got) > 0 {
		p.t.Errorf("%s: %v %v", what, got, err)
	}
}

// series returns all series that have ever matched, sorted.
func (p *promServer) series(match string) []string {
	p.t.Helper()
	var data []prom.Metric
	if err := p.api("series", url.Values{"match[]": {match}}, &data); err != nil {
		p.t.Fatal(err)
	}
	series := make([]string, len(data))
	for i, metric := range data {
		series[i] = metric.String()
	}
	slices.Sort(series)
	return series
}

// batch is some jobs that push how often they have run, each to any replica,
// beside a group that rests and one that is pushed and deleted all the time.
type batch struct {
	t        *testing.T
	replicas []*replica
	runs     []int // read it after stop
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// startBatch returns when all have pushed once.
func startBatch(t *testing.T, replicas []*replica, jobs int) *batch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &batch{t: t, replicas: replicas, runs: make([]int, jobs), cancel: cancel}
	b.send(http.MethodPut, "/metrics/job/rests/instance/db01", "last_run_seconds 42.5\n")
	for i := range b.runs {
		b.run(i)
		b.repeat(ctx, func() { b.run(i) })
	}
	b.repeat(ctx, func() {
		b.send(http.MethodPut, "/metrics/job/passes", "m 1\n")
		b.send(http.MethodDelete, "/metrics/job/passes", "")
	})
	t.Cleanup(b.stop)
	return b
}

// run pushes one more run of a job.
func (b *batch) run(i int) {
	b.runs[i]++
	b.send(http.MethodPut, fmt.Sprintf("/metrics/job/job%d/instance/node%d", i, i),
		fmt.Sprintf("# TYPE runs_total counter\nruns_total %d\n", b.runs[i]))
}

// repeat does it until ctx ends, with pauses that leave others some time.
func (b *batch) repeat(ctx context.Context, do func()) {
	b.running.Go(func() {
		for ctx.Err() == nil {
			do()
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// send sends a request to any replica.
func (b *batch) send(method, path, body string) {
	r := b.replicas[rand.IntN(len(b.replicas))]
	if code, text, err := request(context.Background(), method, r.url+path, body); err != nil || code >= 300 {
		b.t.Errorf("%s %s: %d %s %v", method, path, code, text, err)
	}
}

// stop ends the jobs.
func (b *batch) stop() {
	b.cancel()
	b.running.Wait()
}

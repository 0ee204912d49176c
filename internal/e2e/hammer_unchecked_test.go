package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const uncheckedFlag = "--push.disable-consistency-check"

// push is a push to a path like job/a.
type pushed struct{ method, path, body string }

// TestClashesWithoutCheck protects scrapes from clashes that are stored: the
// families that clash, and only they, are left out by every replica alike,
// counted and logged, until the clash is resolved.
func TestClashesWithoutCheck(t *testing.T) {
	t.Parallel()
	const (
		bystander = "bystander 1\n"
		histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
	)
	cases := []struct {
		name    string
		pushes  []pushed
		hidden  []string
		resolve pushed
		back    []string
	}{
		{
			name: "two types, resolved by a delete",
			pushes: []pushed{
				{http.MethodPut, "job/a", "# TYPE m gauge\nm 1\n" + bystander},
				{http.MethodPut, "job/b", "# TYPE m counter\nm 2\n" + bystander},
			},
			hidden: []string{"m"}, resolve: pushed{method: http.MethodDelete, path: "job/b"}, back: []string{"m"},
		},
		{
			name: "two types, resolved by a push",
			pushes: []pushed{
				{http.MethodPut, "job/a", "# TYPE m gauge\nm 1\n" + bystander},
				{http.MethodPost, "job/b", "# TYPE m counter\nm 2\n" + bystander},
			},
			hidden: []string{"m"}, resolve: pushed{http.MethodPost, "job/b", "# TYPE m gauge\nm 3\n"}, back: []string{"m"},
		},
		{
			name: "a histogram's suffix in another group",
			pushes: []pushed{
				{http.MethodPut, "job/a", histogram + bystander},
				{http.MethodPut, "job/b", "h_count 2\n" + bystander},
			},
			hidden: []string{"h", "h_count"}, resolve: pushed{http.MethodPut, "job/b", bystander}, back: []string{"h"},
		},
		{
			name: "a histogram's suffix in the same push",
			pushes: []pushed{
				{http.MethodPut, "job/a", "h_count 1\n# TYPE h histogram\nh_sum 1\n" + bystander},
			},
			hidden: []string{"h", "h_count"}, resolve: pushed{http.MethodPut, "job/a", histogram + bystander}, back: []string{"h"},
		},
		{
			name: "a series twice in one push",
			pushes: []pushed{
				{http.MethodPut, "job/a", "m{job=\"x\"} 1\nm{job=\"y\"} 2\n" + bystander},
			},
			hidden: []string{"m"}, resolve: pushed{http.MethodPost, "job/a", "m 1\n"}, back: []string{"m"},
		},
		{
			name: "a series of two groups",
			pushes: []pushed{
				{http.MethodPut, "job/a/tag/v", "m 1\n" + bystander},
				{http.MethodPut, "job/a", "m{tag=\"v\"} 2\n" + bystander},
			},
			hidden: []string{"m"}, resolve: pushed{method: http.MethodDelete, path: "job/a/tag/v"}, back: []string{"m"},
		},
	}
	replicas := startReplicas(t, 3, newDatabase(t), uncheckedFlag, "--web.enable-admin-api")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			do(t, http.MethodPut, replicas[0].url+"/api/v1/admin/wipe", "")
			before := clashes(t, replicas)
			for i, p := range c.pushes {
				p.send(t, replicas[i%len(replicas)])
			}
			expectHidden(t, replicas, c.hidden, []string{"bystander", "push_time_seconds"})
			for i, r := range replicas {
				if got := clashes(t, replicas)[i] - before[i]; got < float64(len(c.hidden)) {
					t.Errorf("%s counts %v more clashes, want %d", r.url, got, len(c.hidden))
				}
				for _, name := range c.hidden {
					r.awaitLog(fmt.Sprintf(`"family":%q`, name))
				}
			}
			c.resolve.send(t, replicas[2])
			expectHidden(t, replicas, nil, append(c.back, "bystander", "push_time_seconds"))
		})
	}
}

// send expects that the request is answered as a success without a check.
func (p pushed) send(t *testing.T, r *replica) {
	t.Helper()
	if code, body := do(t, p.method, r.url+"/metrics/"+p.path, p.body); code != http.StatusAccepted {
		t.Fatalf("%s %s: %d %s", p.method, p.path, code, body)
	}
}

// expectHidden checks that all replicas expose the same, have left out the
// families and no others, and tell how many.
func expectHidden(t *testing.T, replicas []*replica, hidden, shown []string) {
	t.Helper()
	want := replicas[0].scrape()
	for _, name := range append(slices.Clone(hidden), shown...) {
		if got := strings.Contains(want, "# TYPE "+name+" "); got == slices.Contains(hidden, name) {
			t.Errorf("%s is exposed: %t\n%s", name, got, want)
		}
	}
	for _, r := range replicas {
		if got := r.scrape(); got != want {
			t.Errorf("%s differs:\n%s", r.url, diff(want, got, nil))
		}
		if got := r.metric("sqlpushgateway_state_clashing_families"); got != float64(len(hidden)) {
			t.Errorf("%s says that it left out %v families, want %d", r.url, got, len(hidden))
		}
	}
}

func clashes(t *testing.T, replicas []*replica) []float64 {
	t.Helper()
	var counts []float64
	for _, r := range replicas {
		counts = append(counts, r.metric("sqlpushgateway_clashing_families_total"))
	}
	return counts
}

// metric returns the value of one of the replica's own metrics.
func (r *replica) metric(name string) float64 {
	r.t.Helper()
	_, body := do(r.t, http.MethodGet, r.url+"/-/metrics", "")
	var value float64
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				r.t.Fatal(err)
			}
			return value
		}
	}
	r.t.Fatalf("%s has no metric %s", r.url, name)
	return 0
}

// awaitLog waits until the replica's log has the text.
func (r *replica) awaitLog(text string) {
	r.t.Helper()
	eventually(r.t, func() error {
		if !strings.Contains(r.logged(), text) {
			return fmt.Errorf("the log of %s has no %s", r.url, text)
		}
		return nil
	})
}

// TestCheckedReplicaBesideUncheckedOnes protects a rolling change of the flag:
// the replicas expose the same, and the one that checks refuses what clashes,
// be it with what the others have stored.
func TestCheckedReplicaBesideUncheckedOnes(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	checked := startReplica(t, database, patient...)
	replicas := append(startReplicas(t, 2, database, append(slices.Clone(patient), uncheckedFlag)...), checked)
	h := newHammer(t, database, replicas)
	h.unchecked = true
	h.start(8, 40)
	h.wait()
	_, port, _ := strings.Cut(strings.TrimPrefix(checked.url, "http://"), ":")
	h.verify(func(row repository.HistoryRow) bool { return !strings.HasSuffix(row.Replica, ":"+port) })
}

// TestCheckedReplicaRefusesWhatClashesWithTheUnchecked protects the check from
// what was stored without it: even when the clash is within one group.
func TestCheckedReplicaRefusesWhatClashesWithTheUnchecked(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	unchecked, checked := startReplica(t, database, uncheckedFlag), startReplica(t, database)
	pushed{http.MethodPut, "job/a", "h_count 1\n# TYPE h histogram\nh_sum 1\n"}.send(t, unchecked)
	pushed{http.MethodPut, "job/b", ""}.send(t, unchecked)
	pushed{http.MethodPut, "job/b/instance@base64/=", ""}.send(t, unchecked)
	for _, body := range []string{"h_count 2\n", "# TYPE h histogram\nh_sum 2\n"} {
		if code, answer := do(t, http.MethodPut, checked.url+"/metrics/job/c", body); code != http.StatusBadRequest {
			t.Errorf("push of %q: %d %s", body, code, answer)
		}
	}
	want := unchecked.scrape()
	if got := checked.scrape(); got != want {
		t.Errorf("the replicas differ:\n%s", diff(want, got, nil))
	}
	seen := map[string]bool{}
	for line := range strings.Lines(want) {
		series, _, _ := strings.Cut(line, "} ")
		if seen[series] && !strings.HasPrefix(line, "#") {
			t.Errorf("the series %s} is there twice:\n%s", series, want)
		}
		seen[series] = true
	}
}

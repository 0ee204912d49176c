package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestOwnMetricsContract protects pushes of names that the gateway itself has.
func TestOwnMetricsContract(t *testing.T) {
	const push = "# HELP go_goroutines pushed\n# TYPE go_goroutines gauge\ngo_goroutines 3\n"
	runContract(t, []contractCase{{
		name: "pushed metrics may have the names of the gateway's own",
		steps: []step{
			put("/metrics/job/j", push),
			put("/metrics/job/j", "# TYPE go_goroutines counter\ngo_goroutines 4\n# TYPE process_cpu_seconds histogram\nprocess_cpu_seconds_sum 1\nprocess_cpu_seconds_count 1\n"),
		},
		want: jobJ,
		check: func(t *testing.T, f *fleet) {
			got := f.scrape(t, "/metrics")
			if !strings.HasPrefix(got, "# TYPE go_goroutines counter\ngo_goroutines{instance=\"\",job=\"j\"} 4\n# TYPE process_cpu_seconds histogram\n") {
				t.Errorf("exposed are\n%s", got)
			}
			if strings.Contains(got, "pushgateway_") || strings.Contains(got, "\ngo_goroutines ") {
				t.Errorf("the gateway's own metrics are among those pushed:\n%s", got)
			}
			own := f.send(t, http.MethodGet, "/-/metrics", "")
			for _, name := range []string{"\npushgateway_build_info{", "\npushgateway_http_requests_total{", "\npushgateway_http_push_duration_seconds", "\npushgateway_http_push_size_bytes", "\ngo_goroutines "} {
				if !strings.Contains(own.body, name) {
					t.Errorf("/-/metrics has no %q", name[1:])
				}
			}
			if strings.Contains(own.body, `job="j"`) {
				t.Error("/-/metrics has what was pushed")
			}
		},
	}})
}

// TestMergedMetricsContract protects the mode in which one scrape has the
// pushed metrics and the gateway's own.
func TestMergedMetricsContract(t *testing.T) { eachSize(t, mergedMetrics) }

func mergedMetrics(t *testing.T, database string, replicas int) {
	f := newFleetOn(t, database, replicas, "--web.self-metrics=merged")
	for _, s := range []step{
		put("/metrics/job/j", "# HELP go_goroutines pushed\n# TYPE go_goroutines gauge\ngo_goroutines 3\nm 1\n"),
		put("/metrics/job/k", "# TYPE go_goroutines counter\ngo_goroutines 3\n").refused("--web.self-metrics=separate"),
		put("/metrics/job/l", "go_goroutines 3\n").refused(inconsistent),
		put("/metrics/job/l", "# TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 3\n").refused(inconsistent),
		put("/metrics/job/l", "# TYPE go_gc_duration_seconds_count gauge\ngo_gc_duration_seconds_count 3\n").refused(inconsistent),
	} {
		s.run(t, f)
	}
	for range f.urls {
		a := f.send(t, http.MethodGet, "/metrics", "")
		for _, want := range []string{
			"\ngo_goroutines{instance=\"\",job=\"j\"} 3\n", "\ngo_goroutines ", "\npushgateway_build_info{", "\nm{instance=\"\",job=\"j\"} 1\n",
			"# HELP go_goroutines Number of goroutines that currently exist.\n# TYPE go_goroutines gauge\n",
		} {
			if strings.Count(a.body, want) != 1 {
				t.Errorf("%q is not in the exposition, once:\n%s", want, a.body)
			}
		}
		if a := f.send(t, http.MethodGet, "/-/metrics", ""); !strings.Contains(a.body, "\ngo_goroutines ") || strings.Contains(a.body, `job="j"`) {
			t.Errorf("/-/metrics is\n%s", a.body)
		}
	}
}

// TestTimestampContract protects what --push.timestamps says.
func TestTimestampContract(t *testing.T) {
	const stamped = "m{a=\"1\"} 1 1609459200000\nm{a=\"2\"} 2\n"
	t.Run("keep", func(t *testing.T) {
		runContract(t, []contractCase{
			{
				name:  "a timestamp is exposed",
				steps: []step{put("/metrics/job/j", stamped+"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1 -5\nh_sum 1 -5\nh_count 1 -5\n")},
				want: `
					h_bucket{instance="",job="j",le="+Inf"} 1 -5
					h_sum{instance="",job="j"} 1 -5
					h_count{instance="",job="j"} 1 -5
					m{a="1",instance="",job="j"} 1 1609459200000
					m{a="2",instance="",job="j"} 2` + jobJ,
			},
			{
				name:  "timestamps do not tell series apart",
				steps: []step{put("/metrics/job/j", "m 1 1\nm 2 2\n").refused(inconsistent)},
				want:  `group{instance="",job="j"} failed`,
			},
		}, "--push.timestamps=keep")
	})
	t.Run("drop", func(t *testing.T) {
		runContract(t, []contractCase{{
			name:  "a timestamp is left out",
			steps: []step{put("/metrics/job/j", stamped)},
			want:  "m{a=\"1\",instance=\"\",job=\"j\"} 1\nm{a=\"2\",instance=\"\",job=\"j\"} 2" + jobJ,
		}}, "--push.timestamps=drop")
	})
}

// TestRecursiveDeleteContract protects the deletion of all groups that have
// some labels.
func TestRecursiveDeleteContract(t *testing.T) {
	groups := []step{
		put("/metrics/job/j", sample), put("/metrics/job/j/a/1", sample), put("/metrics/job/j/b/2/a/1", sample),
		put("/metrics/job/j/a/2", sample), put("/metrics/job/k/a/1", sample),
	}
	const k = "m{a=\"1\",instance=\"\",job=\"k\"} 1\ngroup{a=\"1\",instance=\"\",job=\"k\"} pushed"
	t.Run("on request", func(t *testing.T) {
		runContract(t, []contractCase{
			{
				name:  "all groups with the job are deleted",
				steps: append(groups[:len(groups):len(groups)], del("/metrics/job/j?recursive=true")),
				want:  k,
			},
			{
				name:  "all groups with the labels are deleted",
				steps: append(groups[:len(groups):len(groups)], del("/metrics/job/j/a/1?recursive=true"), del("/metrics/job/j?recursive=false")),
				want: `
					m{a="2",instance="",job="j"} 1
					m{a="1",instance="",job="k"} 1
					group{a="2",instance="",job="j"} pushed
					group{a="1",instance="",job="k"} pushed`,
			},
			{
				name: "another value is refused",
				steps: []step{
					put("/metrics/job/j", sample), del("/metrics/job/j?recursive=yes").refused("recursive"),
					del("/metrics/job/j?recursive=").refused("recursive"), del("/metrics/job/j?recursive=1").refused("recursive"),
				},
				want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
			},
		})
	})
	t.Run("by default", func(t *testing.T) {
		runContract(t, []contractCase{
			{
				name:  "all groups with the job are deleted",
				steps: append(groups[:len(groups):len(groups)], del("/metrics/job/j")),
				want:  k,
			},
			{
				name:  "exactly one group is deleted on request",
				steps: []step{put("/metrics/job/j", sample), put("/metrics/job/j/a/1", sample), del("/metrics/job/j?recursive=false")},
				want: `
					m{a="1",instance="",job="j"} 1
					group{a="1",instance="",job="j"} pushed`,
			},
		}, "--push.recursive-delete")
	})
}

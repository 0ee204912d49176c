package e2e

import (
	"regexp"
	"strconv"
	"testing"
)

// TestPushContract protects what PUT, POST and DELETE do to groups.
func TestPushContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name: "put replaces the group",
			steps: []step{
				put("/metrics/job/j", "a 1\nb{l=\"1\"} 1\nb{l=\"2\"} 1\n"), put("/metrics/job/j/x/y", "a 7\n"),
				put("/metrics/job/j", "b{l=\"2\"} 2\nc 2\n"),
			},
			want: `
				a{instance="",job="j",x="y"} 7
				b{instance="",job="j",l="2"} 2
				c{instance="",job="j"} 2
				group{instance="",job="j"} pushed
				group{instance="",job="j",x="y"} pushed`,
		},
		{
			name: "post replaces the families of the same name",
			steps: []step{
				post("/metrics/job/j", "a 1\nb{l=\"1\"} 1\nb{l=\"2\"} 1\n"),
				post("/metrics/job/j", "b{l=\"2\"} 2\nc 2\n"),
			},
			want: `
				a{instance="",job="j"} 1
				b{instance="",job="j",l="2"} 2
				c{instance="",job="j"} 2
				group{instance="",job="j"} pushed`,
		},
		{
			name:  "an empty put empties the group",
			steps: []step{put("/metrics/job/j", sample), put("/metrics/job/j", ""), put("/metrics/job/k", "")},
			want: `
				group{instance="",job="j"} pushed
				group{instance="",job="k"} pushed`,
		},
		{
			name:  "an empty post changes nothing",
			steps: []step{put("/metrics/job/j", sample), post("/metrics/job/j", ""), post("/metrics/job/k", "")},
			want: `
				m{instance="",job="j"} 1
				group{instance="",job="j"} pushed
				group{instance="",job="k"} pushed`,
		},
		{
			name:  "a body with comments only is empty",
			steps: []step{put("/metrics/job/j", sample), post("/metrics/job/j", "# so what\n"), put("/metrics/job/k", sample), put("/metrics/job/k", "\n# HELP m x\n\n")},
			want: `
				m{instance="",job="j"} 1
				group{instance="",job="j"} pushed
				group{instance="",job="k"} pushed`,
		},
		{name: "every push is stamped", check: stampsOfPushes},
		{
			name:  "delete removes exactly its group",
			steps: []step{put("/metrics/job/j", sample), put("/metrics/job/j/a/1", sample), put("/metrics/job/j/a/1/b/2", sample), del("/metrics/job/j/a/1")},
			want: `
				m{instance="",job="j"} 1
				m{a="1",b="2",instance="",job="j"} 1
				group{instance="",job="j"} pushed
				group{a="1",b="2",instance="",job="j"} pushed`,
		},
		{
			name:  "deleting nothing is accepted",
			steps: []step{del("/metrics/job/j"), del("/metrics/job/j/a/")},
		},
		{name: "pushes and deletes hold in the order of their answers", check: pushAndDeleteInTurn},
		{
			name: "grouping labels win over those of metrics",
			steps: []step{
				put("/metrics/job/j/a/1", "m{a=\"x\",b=\"2\",job=\"y\"} 1\n"),
				put("/metrics/job/j/instance/i", "m{instance=\"x\"} 2\n"),
			},
			want: `
				m{a="1",b="2",instance="",job="j"} 1
				m{instance="i",job="j"} 2
				group{a="1",instance="",job="j"} pushed
				group{instance="i",job="j"} pushed`,
		},
		{
			name:  "an instance of a metric is kept",
			steps: []step{put("/metrics/job/j", "m{instance=\"x\"} 1\nm 2\nn{instance=\"\"} 3\n")},
			want: `
				m{instance="x",job="j"} 1
				m{instance="",job="j"} 2
				n{instance="",job="j"} 3
				group{instance="",job="j"} pushed`,
		},
		{
			name: "labels are sorted and those of buckets and quantiles last",
			steps: []step{put("/metrics/job/j/zz/1", "# TYPE h histogram\nh_bucket{za=\"2\",le=\"1\"} 3\nh_sum{za=\"2\"} 4\nh_count{za=\"2\"} 5\n"+
				"# TYPE s summary\ns{za=\"2\",quantile=\"0.5\",A=\"3\"} 1\ns_sum{A=\"3\",za=\"2\"} 2\ns_count{A=\"3\",za=\"2\"} 3\n")},
			want: `
				h_bucket{instance="",job="j",za="2",zz="1",le="1"} 3
				h_bucket{instance="",job="j",za="2",zz="1",le="+Inf"} 5
				h_sum{instance="",job="j",za="2",zz="1"} 4
				h_count{instance="",job="j",za="2",zz="1"} 5
				s{A="3",instance="",job="j",za="2",zz="1",quantile="0.5"} 1
				s_sum{A="3",instance="",job="j",za="2",zz="1"} 2
				s_count{A="3",instance="",job="j",za="2",zz="1"} 3
				group{instance="",job="j",zz="1"} pushed`,
		},
		{name: "each group shows when it was pushed", check: pushTimeFamilies},
		{
			name: "pushed families with the names of the push times are dropped",
			steps: []step{
				put("/metrics/job/j", "# TYPE push_time_seconds counter\npush_time_seconds 5\n# TYPE push_failure_time_seconds gauge\npush_failure_time_seconds{a=\"1\"} 6\nm 1\n"),
				post("/metrics/job/k", "# TYPE push_time_seconds histogram\npush_time_seconds_sum 5\npush_time_seconds_count 5\n"),
			},
			want: `
				m{instance="",job="j"} 1
				group{instance="",job="j"} pushed
				group{instance="",job="k"} pushed`,
		},
		{
			name: "a push that fails by what it says sets the failure time",
			steps: []step{
				put("/metrics/job/a", "# TYPE m counter\nm 1\n"),
				put("/metrics/job/type", "# TYPE m gauge\nm 1\n").refused("pushed metrics are invalid or inconsistent with existing metrics: "),
				post("/metrics/job/series", "n 1\nn 2\n").refused("pushed metrics are invalid or inconsistent with existing metrics: "),
				put("/metrics/job/label", "n{__l=\"1\"} 1\n").refused("__l"),
				post("/metrics/job/time", "n 1 1609459200000\n").refused("timestamp"),
			},
			want: `
				m{instance="",job="a"} 1
				group{instance="",job="a"} pushed
				group{instance="",job="label"} failed
				group{instance="",job="series"} failed
				group{instance="",job="time"} failed
				group{instance="",job="type"} failed`,
		},
		{
			name: "a push that cannot be read leaves no group",
			steps: []step{
				put("/metrics/job/syntax", "m\n").refused("text format parsing error"),
				post("/metrics/job/half", "m 1\nn").refused(""),
				put("/metrics/job/newline", "m 1").refused("--data-binary"),
				put("/metrics/job/utf8", "m{a=\"\xff\"} 1\n").refused(""),
				put("/metrics/job/gzip", sample).with("Content-Encoding", "gzip").refused("gzip"),
				put("/metrics/job/snappy", sample).with("Content-Encoding", "snappy").refused("snappy"),
				put("/metrics/job/protobuf", "\x05abc").with("Content-Type", protobufType).refused(""),
				put("/metrics/job/odd/a", sample).refused("odd"),
				put("/metrics/job/base64/a@base64/+", sample).refused("base64"),
			},
		},
		{
			name: "a failed push changes nothing else",
			steps: []step{
				put("/metrics/job/j", "m{l=\"1\"} 1\nn 1\n"),
				put("/metrics/job/j", "n 2\nm 2 1609459200000\n").refused("timestamp"),
				post("/metrics/job/j", "n 2\nm{l=\"1\"} 3\nm{l=\"1\"} 4\n").refused(""),
			},
			want: `
				m{instance="",job="j",l="1"} 1
				n{instance="",job="j"} 1
				group{instance="",job="j"} pushed failed`,
		},
		{
			name: "the failure time survives successes",
			steps: []step{
				put("/metrics/job/j", "m 1 1\n").refused("timestamp"), put("/metrics/job/j", sample), put("/metrics/job/j", ""), post("/metrics/job/j", sample),
			},
			want: `
				m{instance="",job="j"} 1
				group{instance="",job="j"} pushed failed`,
		},
		{
			name: "delete and wipe reset the failure time",
			steps: []step{
				put("/metrics/job/j", "m 1 1\n").refused("timestamp"), del("/metrics/job/j"), put("/metrics/job/j", sample),
				put("/metrics/job/k", "m 1 1\n").refused("timestamp"), put("/api/v1/admin/wipe", "").accepted(), put("/metrics/job/k", sample),
			},
			want: `
				m{instance="",job="k"} 1
				group{instance="",job="k"} pushed`,
		},
		{
			name:  "a timestamp refuses the whole push",
			steps: []step{put("/metrics/job/j", "a 1\nb 1 1609459200000\nc 1\n").refused("timestamp")},
			want:  `group{instance="",job="j"} failed`,
		},
	})
}

// TestUncheckedPushContract protects the answers of a gateway that does not
// look whether pushes agree.
func TestUncheckedPushContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name: "pushes are answered with 202",
			steps: []step{
				put("/metrics/job/j", sample).accepted(), post("/metrics/job/j", "n 1\n").accepted(),
				put("/metrics/job/k", "").accepted(), del("/metrics/job/k"),
			},
			want: `
				m{instance="",job="j"} 1
				n{instance="",job="j"} 1
				group{instance="",job="j"} pushed`,
		},
		{
			name:  "a timestamp is accepted but fails",
			steps: []step{put("/metrics/job/j", "m 1 1609459200000\n").accepted()},
			want:  `group{instance="",job="j"} failed`,
		},
		{
			name: "what cannot be read is refused",
			steps: []step{
				put("/metrics/job/j", "m\n").refused("text format parsing error"),
				put("/metrics/job/j/a", sample).refused("odd number"),
			},
		},
	}, "--push.disable-consistency-check")
}

// TestClashContract protects the rest of the exposition from pushes that clash,
// where they are not refused. Pushgateway 1.11 answers every scrape with 500
// then.
func TestClashContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name: "families of two types are left out until that is resolved",
			steps: []step{
				put("/metrics/job/a", "# TYPE m counter\nm 1\n# TYPE n counter\nn 1\n").accepted(),
				put("/metrics/job/b", "# TYPE m gauge\nm 1\n").accepted(),
				put("/metrics/job/c", "# TYPE n gauge\nn 2\n").accepted(),
				del("/metrics/job/c"),
			},
			want: `
				n{instance="",job="a"} 1
				group{instance="",job="a"} pushed
				group{instance="",job="b"} pushed`,
		},
		{
			name: "families with equal series are left out until that is resolved",
			steps: []step{
				put("/metrics/job/j", "m{tag=\"v\"} 1\nn{tag=\"v\"} 1\n").accepted(),
				put("/metrics/job/j/tag/v", "m 1\nn 2\n").accepted(),
				post("/metrics/job/j", "n 3\n").accepted(),
			},
			want: `
				n{instance="",job="j"} 3
				n{instance="",job="j",tag="v"} 2
				group{instance="",job="j"} pushed
				group{instance="",job="j",tag="v"} pushed`,
		},
	}, "--push.disable-consistency-check")
}

// stampsOfPushes checks that each push moves the push time on.
func stampsOfPushes(t *testing.T, f *fleet) {
	last := 0.0
	for _, s := range []step{
		put("/metrics/job/j", sample), put("/metrics/job/j", sample), post("/metrics/job/j", sample),
		post("/metrics/job/j", ""), put("/metrics/job/j", ""), put("/metrics/job/j", ""),
	} {
		s.run(t, f)
		pushed := timeOf(t, f, "push_time_seconds")
		if pushed <= last {
			t.Errorf("%s of %q was stamped %v after %v", s.method, s.body, pushed, last)
		}
		last = pushed
	}
	put("/metrics/job/j", "m 1 1\n").refused("timestamp").run(t, f)
	if got := timeOf(t, f, "push_time_seconds"); got != last {
		t.Errorf("a failed push changed the push time from %v to %v", last, got)
	}
	if failed := timeOf(t, f, "push_failure_time_seconds"); failed <= last {
		t.Errorf("failed at %v, after a success at %v", failed, last)
	}
}

// timeOf returns one of the two times of the group {job="j"}.
func timeOf(t *testing.T, f *fleet, family string) float64 {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + family + `\{instance="",job="j"\} (\S+)$`).FindStringSubmatch(f.scrape(t, "/metrics"))
	if line == nil {
		t.Fatalf("no %s of the group", family)
	}
	value, err := strconv.ParseFloat(line[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// pushAndDeleteInTurn checks after each answer that it holds: nothing that was
// answered before undoes it.
func pushAndDeleteInTurn(t *testing.T, f *fleet) {
	const group = "\ngroup{instance=\"\",job=\"j\"} pushed"
	for range 5 {
		for _, s := range []struct {
			step
			want string
		}{
			{put("/metrics/job/j", sample), "m{instance=\"\",job=\"j\"} 1" + group},
			{del("/metrics/job/j"), ""},
			{post("/metrics/job/j", "m 2\n"), "m{instance=\"\",job=\"j\"} 2" + group},
			{post("/metrics/job/j", "m 3\n"), "m{instance=\"\",job=\"j\"} 3" + group},
			{del("/metrics/job/j"), ""},
		} {
			s.run(t, f)
			if got := samplesOf(f.scrape(t, "/metrics")); got != s.want {
				t.Fatalf("after %s %q exposed are\n%s", s.method, s.body, got)
			}
		}
	}
}

// pushTimeFamilies checks the two families that every group has, as they are
// exposed.
func pushTimeFamilies(t *testing.T, f *fleet) {
	put("/metrics/job/j", "").run(t, f)
	put("/metrics/job/j/instance/i", "").run(t, f)
	put("/metrics/job/k", "m 1 1\n").refused("timestamp").run(t, f)
	want := regexp.MustCompile(`(?m)^# HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed\.
# TYPE push_failure_time_seconds gauge
push_failure_time_seconds\{instance="",job="j"\} 0
push_failure_time_seconds\{instance="i",job="j"\} 0
push_failure_time_seconds\{instance="",job="k"\} 1\.\d+e\+09
# HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded\.
# TYPE push_time_seconds gauge
push_time_seconds\{instance="",job="j"\} 1\.\d+e\+09
push_time_seconds\{instance="i",job="j"\} 1\.\d+e\+09
push_time_seconds\{instance="",job="k"\} 0
`)
	if got := f.scrape(t, "/metrics"); !want.MatchString(got) {
		t.Errorf("exposed are\n%s", got)
	}
}

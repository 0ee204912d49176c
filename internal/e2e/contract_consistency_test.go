package e2e

import (
	"strings"
	"testing"
)

const (
	counterM   = "# TYPE m counter\nm 1\n"
	gaugeM     = "# TYPE m gauge\nm 2\n"
	histogramH = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
	summaryS   = "# TYPE s summary\ns_sum 1\ns_count 1\n"

	inconsistent = "pushed metrics are invalid or inconsistent with existing metrics: "
)

// TestTypeContract protects the rule that a name has one type, over all groups.
func TestTypeContract(t *testing.T) {
	cases := []contractCase{
		{
			name: "another type in another group is refused",
			steps: []step{
				put("/metrics/job/a", counterM),
				put("/metrics/job/b", gaugeM).refused(inconsistent),
				post("/metrics/job/b", "m 2\n").refused(`{job="a"}`),
				put("/metrics/job/a/l/1", histogramH+gaugeM).refused(inconsistent),
				post("/metrics/job/c", "# TYPE m counter\nm 3\n"),
			},
			want: `
				m{instance="",job="a"} 1
				m{instance="",job="c"} 3
				group{instance="",job="a"} pushed
				group{instance="",job="a",l="1"} failed
				group{instance="",job="b"} failed
				group{instance="",job="c"} pushed`,
			comments: "# TYPE m counter",
		},
		{
			name:     "a group may change the type of a family that it alone has",
			steps:    []step{put("/metrics/job/a", counterM), post("/metrics/job/a", gaugeM)},
			want:     "m{instance=\"\",job=\"a\"} 2\ngroup{instance=\"\",job=\"a\"} pushed",
			comments: "# TYPE m gauge",
		},
		{
			name:  "a group cannot change the type of a family that others have",
			steps: []step{put("/metrics/job/a", counterM), put("/metrics/job/b", counterM), put("/metrics/job/a", gaugeM).refused(inconsistent)},
			want: `
				m{instance="",job="a"} 1
				m{instance="",job="b"} 1
				group{instance="",job="a"} pushed failed
				group{instance="",job="b"} pushed`,
			comments: "# TYPE m counter",
		},
		{
			name: "a type is free again when the last group with it is gone",
			steps: []step{
				put("/metrics/job/a", counterM), put("/metrics/job/b", counterM),
				del("/metrics/job/a"), put("/metrics/job/c", gaugeM).refused(inconsistent),
				put("/metrics/job/b", ""), put("/metrics/job/c", gaugeM),
				put("/metrics/job/b", counterM).refused(inconsistent),
			},
			want: `
				m{instance="",job="c"} 2
				group{instance="",job="b"} pushed failed
				group{instance="",job="c"} pushed failed`,
			comments: "# TYPE m gauge",
		},
		{
			name:  "put may turn a histogram into a gauge of one of its names",
			steps: []step{put("/metrics/job/a", histogramH), put("/metrics/job/a", "# TYPE h_count gauge\nh_count 5\n")},
			want:  "h_count{instance=\"\",job=\"a\"} 5\ngroup{instance=\"\",job=\"a\"} pushed",
		},
		{
			name:  "post cannot put a gauge of one of its names beside a histogram",
			steps: []step{put("/metrics/job/a", histogramH), post("/metrics/job/a", "# TYPE h_count gauge\nh_count 5\n").refused(inconsistent)},
			want: `
				h_bucket{instance="",job="a",le="+Inf"} 1
				h_sum{instance="",job="a"} 1
				h_count{instance="",job="a"} 1
				group{instance="",job="a"} pushed failed`,
		},
	}
	for _, c := range []struct{ body, other string }{
		{histogramH, "h_count"},
		{histogramH, "h_sum"},
		{histogramH, "h_bucket"},
		{summaryS, "s_count"},
		{summaryS, "s_sum"},
	} {
		cases = append(cases, suffixCollides(c.body, c.other)...)
	}
	for _, c := range []struct{ body, other string }{
		{summaryS, "s_bucket"},
		{summaryS, "s_total"},
		{histogramH, "h_total"},
		{histogramH, "h_created"},
		{counterM, "m_total"},
		{counterM, "m_count"},
		{gaugeM, "m_sum"},
	} {
		cases = append(cases, suffixIsFree(c.body, c.other))
	}
	runContract(t, cases)
}

// exposedBy returns the samples of one of the bodies above in a group.
func exposedBy(body, job string) string {
	label := `instance="",job="` + job + `"`
	var samples []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if base, own, ok := strings.Cut(name, "{"); ok {
			name = base + "{" + label + "," + own
		} else {
			name += "{" + label + "}"
		}
		samples = append(samples, name+" "+rest)
	}
	return strings.Join(samples, "\n")
}

// suffixCollides are the ways in which a family and one with a suffix to its
// name collide.
func suffixCollides(body, name string) []contractCase {
	other := "# TYPE " + name + " gauge\n" + name + " 7\n"
	second := "\ngroup{instance=\"\",job=\"a\"} pushed\ngroup{instance=\"\",job=\"b\"} failed"
	return []contractCase{
		{
			name:  name + " collides with that of another group",
			steps: []step{put("/metrics/job/a", body), put("/metrics/job/b", other).refused(inconsistent), post("/metrics/job/b", other).refused(`{job="a"}`)},
			want:  exposedBy(body, "a") + second,
		},
		{
			name:  name + " collides when it is first",
			steps: []step{put("/metrics/job/a", other), put("/metrics/job/b", body).refused(inconsistent), post("/metrics/job/b", body).refused(`{job="a"}`)},
			want:  exposedBy(other, "a") + second,
		},
		{
			name:  name + " collides within one push",
			steps: []step{put("/metrics/job/a", other+body).refused(inconsistent)},
			want:  "group{instance=\"\",job=\"a\"} failed",
		},
	}
}

// suffixIsFree is a name that collides with nothing.
func suffixIsFree(body, name string) contractCase {
	other := "# TYPE " + name + " gauge\n" + name + " 7\n"
	return contractCase{
		name:  name + " is free",
		steps: []step{put("/metrics/job/a", body), put("/metrics/job/b", other)},
		want:  exposedBy(body, "a") + "\n" + exposedBy(other, "b") + "\ngroup{instance=\"\",job=\"a\"} pushed\ngroup{instance=\"\",job=\"b\"} pushed",
	}
}

// TestSeriesContract protects the rule that no two series are equal, over all
// groups.
func TestSeriesContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name: "metrics that only forced labels told apart are equal",
			steps: []step{
				put("/metrics/job/j", "m{job=\"x\"} 1\nm{job=\"y\"} 2\n").refused(inconsistent),
				put("/metrics/job/j/a/1", "m 1\nm{a=\"2\"} 2\n").refused(inconsistent),
				put("/metrics/job/k", "m 1\nm{instance=\"\"} 2\n").refused(inconsistent),
				put("/metrics/job/l", "m 1\nm 1\n").refused(inconsistent),
			},
			want: `
				group{instance="",job="j"} failed
				group{a="1",instance="",job="j"} failed
				group{instance="",job="k"} failed
				group{instance="",job="l"} failed`,
		},
		{
			name: "a label of the path equals one of a metric",
			steps: []step{
				put("/metrics/job/a/tag/v", "m 1\n"),
				put("/metrics/job/a", "m{tag=\"v\"} 2\n").refused(inconsistent),
				post("/metrics/job/a", "m{tag=\"w\"} 1\nm{tag=\"v\"} 2\n").refused(`{job="a",tag="v"}`),
				post("/metrics/job/a/tag/w", "m 3\n"),
				post("/metrics/job/b", "m{tag=\"v\"} 4\n"),
			},
			want: `
				m{instance="",job="a",tag="v"} 1
				m{instance="",job="a",tag="w"} 3
				m{instance="",job="b",tag="v"} 4
				group{instance="",job="a"} failed
				group{instance="",job="a",tag="v"} pushed
				group{instance="",job="a",tag="w"} pushed
				group{instance="",job="b"} pushed`,
		},
		{
			name: "a label of a metric equals one of the path",
			steps: []step{
				put("/metrics/job/a", "m{tag=\"v\"} 1\n"),
				put("/metrics/job/a/tag/v", "m 2\n").refused(inconsistent),
				put("/metrics/job/a/tag/v/other/w", "m 3\n"),
				put("/metrics/job/a", ""), put("/metrics/job/a/tag/v", "m 4\n"),
			},
			want: `
				m{instance="",job="a",other="w",tag="v"} 3
				m{instance="",job="a",tag="v"} 4
				group{instance="",job="a"} pushed
				group{instance="",job="a",other="w",tag="v"} pushed
				group{instance="",job="a",tag="v"} pushed failed`,
		},
		{
			name: "three shapes of one job meet in one series",
			steps: []step{
				put("/metrics/job/a/x/1", "m{y=\"2\"} 1\n"),
				put("/metrics/job/a/y/2", "m{x=\"1\"} 2\n").refused(inconsistent),
				put("/metrics/job/a/x/1/y/2", "m 3\n").refused(inconsistent),
				put("/metrics/job/a", "m{x=\"1\",y=\"2\"} 4\n").refused(inconsistent),
				put("/metrics/job/a", "m{x=\"1\",y=\"3\"} 5\n"),
			},
			want: `
				m{instance="",job="a",x="1",y="3"} 5
				m{instance="",job="a",x="1",y="2"} 1
				group{instance="",job="a"} pushed failed
				group{instance="",job="a",x="1"} pushed
				group{instance="",job="a",x="1",y="2"} failed
				group{instance="",job="a",y="2"} failed`,
		},
		{
			name: "labels that samples get themselves cannot be grouping labels",
			steps: []step{
				put("/metrics/job/a/quantile/0.5", summaryS).refused(inconsistent),
				put("/metrics/job/a/le/1", histogramH).refused(inconsistent),
				put("/metrics/job/a/le/1", summaryS), put("/metrics/job/a/quantile/0.5", histogramH),
			},
			want: `
				h_bucket{instance="",job="a",quantile="0.5",le="+Inf"} 1
				h_sum{instance="",job="a",quantile="0.5"} 1
				h_count{instance="",job="a",quantile="0.5"} 1
				s_sum{instance="",job="a",le="1"} 1
				s_count{instance="",job="a",le="1"} 1
				group{instance="",job="a",le="1"} pushed failed
				group{instance="",job="a",quantile="0.5"} pushed failed`,
		},
	})
}

// TestPoisonContract protects the scrape from pushes that Pushgateway 1.11
// accepts, and answers all scrapes with 500 from then on.
func TestPoisonContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name: "an empty instance makes no other group",
			steps: []step{
				put("/metrics/job/a", sample), put("/metrics/job/a/instance/", "n 1\n").refused(inconsistent),
				put("/metrics/job/a/instance/i", "m 2\n"),
			},
			want: `
				m{instance="",job="a"} 1
				m{instance="i",job="a"} 2
				group{instance="",job="a"} pushed
				group{instance="i",job="a"} pushed`,
		},
		{
			name: "an empty instance can be first",
			steps: []step{
				put("/metrics/job/a/instance/", sample), put("/metrics/job/a", "n 1\n").refused(inconsistent),
				post("/metrics/job/a", "").refused(`{job="a",instance=""}`),
				put("/metrics/job/b", "n 1\n"), del("/metrics/job/b"),
			},
			want: `
				m{instance="",job="a"} 1
				group{instance="",job="a"} pushed`,
		},
		{
			name:  "an empty instance gives way",
			steps: []step{put("/metrics/job/a/instance/", sample), del("/metrics/job/a/instance/"), put("/metrics/job/a", "n 1\n")},
			want: `
				n{instance="",job="a"} 1
				group{instance="",job="a"} pushed`,
		},
		{
			name: "grouping values are UTF-8",
			steps: []step{
				put("/metrics/job/j/a/%FF", sample).refused("UTF-8"), put("/metrics/job/%FF", sample).refused("UTF-8"),
				put("/metrics/job/j/a@base64/_w", sample).refused("UTF-8"), del("/metrics/job/%FF").refused("UTF-8"),
			},
		},
		{
			name: "buckets and quantiles are pushed once",
			steps: []step{
				put("/metrics/job/j", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n").refused(inconsistent),
				put("/metrics/job/j", "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.50\"} 1\ns_sum 1\ns_count 1\n").refused(inconsistent),
			},
			want: `group{instance="",job="j"} failed`,
		},
		{
			name:  "help is UTF-8",
			steps: []step{put("/metrics/job/j", "# HELP m \xff\nm 1\n").refused("UTF-8")},
			want:  `group{instance="",job="j"} failed`,
		},
	})
}

// TestHelpContract protects what is shown of HELP texts that differ.
func TestHelpContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name: "of different help texts one is shown",
			steps: []step{
				put("/metrics/job/b", "# HELP m text of b\n# TYPE m gauge\nm 1\n"),
				put("/metrics/job/c", "# HELP m text of c\n# TYPE m gauge\nm 1\n"),
				put("/metrics/job/a", "# TYPE m gauge\nm 1\n"),
			},
			want: `
				m{instance="",job="a"} 1
				m{instance="",job="b"} 1
				m{instance="",job="c"} 1
				group{instance="",job="a"} pushed
				group{instance="",job="b"} pushed
				group{instance="",job="c"} pushed`,
			comments: "# HELP m text of b\n# TYPE m gauge",
		},
		{
			name: "a help text goes with its group",
			steps: []step{
				put("/metrics/job/b", "# HELP m text of b\n# TYPE m gauge\nm 1\n"),
				put("/metrics/job/c", "# HELP m text of c\n# TYPE m gauge\nm 1\n"),
				del("/metrics/job/b"),
			},
			want: `
				m{instance="",job="c"} 1
				group{instance="",job="c"} pushed`,
			comments: "# HELP m text of c\n# TYPE m gauge",
		},
	})
}

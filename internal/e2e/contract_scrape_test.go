package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	textType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
	// What Prometheus sends, by version. The last one asks for native
	// histograms.
	prometheus2Accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
	prometheus3Accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	nativeAccept      = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.7," + prometheus3Accept
)

// TestScrapeContract protects what scrapers are answered.
func TestScrapeContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name:  "the format follows what the scraper accepts",
			steps: []step{put("/metrics/job/j", "m_total 1\n")},
			want:  "m_total{instance=\"\",job=\"j\"} 1" + jobJ,
			check: negotiation,
		},
		{
			name: "the exposition is complete and in a stable order",
			steps: []step{
				put("/metrics/job/j/a/1", "# TYPE z gauge\nz 1\n# HELP a_metric first\n# TYPE a_metric counter\na_metric{x=\"2\"} 1\na_metric{x=\"1\"} 2\n"),
				put("/metrics/job/i", "# TYPE z gauge\nz 2\n"),
				put("/metrics/job/i/b/2", histogramH),
			},
			want: `
				a_metric{a="1",instance="",job="j",x="2"} 1
				a_metric{a="1",instance="",job="j",x="1"} 2
				h_bucket{b="2",instance="",job="i",le="+Inf"} 1
				h_sum{b="2",instance="",job="i"} 1
				h_count{b="2",instance="",job="i"} 1
				z{instance="",job="i"} 2
				z{a="1",instance="",job="j"} 1
				group{instance="",job="i"} pushed
				group{b="2",instance="",job="i"} pushed
				group{a="1",instance="",job="j"} pushed`,
			comments: `
				# HELP a_metric first
				# TYPE a_metric counter
				# TYPE h histogram
				# TYPE z gauge`,
			check: isParseable,
		},
		{
			name: "texts are escaped",
			steps: []step{
				put("/metrics/job/j/g%22%0A%5C/v%22%0A%5C", sample).refused("improper label name"),
				put("/metrics/job/j/g/v%22%0A%5C%0D%09é", "# HELP m one \\n two \\\\ three \" four\nm{l=\"\\\\n \\n \\\" ü\"} 1\n"),
			},
			want: `
				m{g="v\"\n\\` + "\r\t" + `é",instance="",job="j",l="\\n \n \" ü"} 1
				group{g="v\"\n\\` + "\r\t" + `é",instance="",job="j"} pushed`,
			comments: `
				# HELP m one \n two \\ three " four
				# TYPE m untyped`,
			check: isParseable,
		},
		{
			name:     "an empty gateway exposes nothing",
			comments: "",
			check: func(t *testing.T, f *fleet) {
				if got := f.scrape(t, "/metrics"); samplesOf(got)+commentsOf(got) != "" {
					t.Errorf("exposed are\n%s", got)
				}
			},
		},
		{
			name:  "gzip is used where it is accepted",
			steps: []step{put("/metrics/job/j", sample)},
			want:  "m{instance=\"\",job=\"j\"} 1" + jobJ,
			check: compression,
		},
	})
}

// negotiation checks the content type for each Accept header.
func negotiation(t *testing.T, f *fleet) {
	for _, tt := range []struct{ name, accept, want string }{
		{"no preference", "", textType},
		{"anything", "*/*", textType},
		{"a browser", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", textType},
		{"text", "text/plain;version=0.0.4", textType},
		{"OpenMetrics, which would rename counters", "application/openmetrics-text; version=1.0.0", textType},
		{"Prometheus 2", prometheus2Accept, textType},
		{"Prometheus 3", prometheus3Accept, "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"},
		{"Prometheus 3 with native histograms", nativeAccept, protobufType + "; escaping=allow-utf-8"},
		{"delimited protobuf", protobufType, protobufType + "; escaping=underscores"},
		{"protobuf that is less welcome than text", protobufType + ";q=0.3,text/plain;version=0.0.4;q=0.5", textType},
	} {
		var header []string
		if tt.accept != "" {
			header = []string{"Accept", tt.accept}
		}
		a := f.send(t, http.MethodGet, "/metrics", "", header...)
		if got := a.header.Get("Content-Type"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if strings.HasPrefix(tt.want, "text/") {
			continue
		}
		if got := sampleNames(families(t, a.body)); !strings.Contains(got, " m_total ") {
			t.Errorf("%s: the families are%s", tt.name, got)
		}
	}
}

// sampleNames returns the names of the families, each between blanks.
func sampleNames(all []*dto.MetricFamily) string {
	names := " "
	for _, family := range all {
		names += family.GetName() + " "
	}
	return names
}

// isParseable reads the exposition as a scraper does, and compares it with the
// one in protobuf.
func isParseable(t *testing.T, f *fleet) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	fromText, err := parser.TextToMetricFamilies(strings.NewReader(f.scrape(t, "/metrics")))
	if err != nil {
		t.Fatal(err)
	}
	fromProto := scrapeProto(t, f)
	if len(fromText) == 0 || len(fromText) != len(fromProto) {
		t.Errorf("%d families in text, %d in protobuf", len(fromText), len(fromProto))
	}
	for _, want := range fromProto {
		got := fromText[want.GetName()]
		if got == nil || got.GetType() != want.GetType() || got.GetHelp() != want.GetHelp() || len(got.GetMetric()) != len(want.GetMetric()) {
			t.Errorf("in text\n%v\nin protobuf\n%v", got, want)
			continue
		}
		for i, m := range want.GetMetric() {
			if !equalLabels(got.GetMetric()[i].GetLabel(), m.GetLabel()) {
				t.Errorf("in text\n%v\nin protobuf\n%v", got.GetMetric()[i], m)
			}
		}
	}
}

func equalLabels(a, b []*dto.LabelPair) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].GetName() != b[i].GetName() || a[i].GetValue() != b[i].GetValue() {
			return false
		}
	}
	return true
}

// compression checks when the exposition is packed.
func compression(t *testing.T, f *fleet) {
	plain := f.scrape(t, "/metrics")
	for accept, want := range map[string]string{"gzip": "gzip", "deflate, gzip;q=1.0": "gzip", "identity": "", "gzip;q=0": "", "br": ""} {
		a := f.send(t, http.MethodGet, "/metrics", "", "Accept-Encoding", accept)
		if got := a.header.Get("Content-Encoding"); got != want {
			t.Errorf("for Accept-Encoding %s the answer is encoded as %q, want %q", accept, got, want)
		}
		body := a.body
		if want == "gzip" {
			body = gunzipped(t, body)
		}
		if samplesOf(body) != samplesOf(plain) {
			t.Errorf("for Accept-Encoding %s exposed are\n%s", accept, body)
		}
	}
}

func gunzipped(t *testing.T, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader([]byte(packed)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUTF8Contract protects names of any characters, as each scraper wants
// them.
func TestUTF8Contract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name:  "names are escaped as the scraper asks",
			steps: []step{put("/metrics/job/j/U__g_2e_h/1", "# HELP \"my.metric\" text\n# TYPE \"my.metric\" gauge\n{\"my.metric\",\"a.b\"=\"c\"} 1\nplain_m{d=\"e\"} 2\n")},
			want: `
				my_metric{a_b="c",g_h="1",instance="",job="j"} 1
				plain_m{d="e",g_h="1",instance="",job="j"} 2
				group{g_h="1",instance="",job="j"} pushed`,
			comments: `
				# HELP my_metric text
				# TYPE my_metric gauge
				# TYPE plain_m untyped`,
			check: escapings,
		},
		{
			name: "of names that are equal when escaped the one without escapes is exposed",
			steps: []step{
				put("/metrics/job/j", "# TYPE \"a.b\" gauge\n{\"a.b\"} 1\n"), put("/metrics/job/k", "# TYPE a_b gauge\na_b 2\n"),
			},
			want: `
				a_b{instance="",job="k"} 2
				group{instance="",job="j"} pushed
				group{instance="",job="k"} pushed`,
			comments: "# TYPE a_b gauge",
			check: func(t *testing.T, f *fleet) {
				a := f.send(t, http.MethodGet, "/metrics", "", "Accept", prometheus3Accept)
				if got, want := samplesOf(a.body), "{\"a.b\",instance=\"\",job=\"j\"} 1\na_b{instance=\"\",job=\"k\"} 2\n"; !strings.HasPrefix(got, want) {
					t.Errorf("Prometheus 3 gets\n%s\nwant\n%s", got, want)
				}
			},
		},
	}, "--push.enable-utf8-names")
}

// escapings checks the exposition of the first case above in each scheme.
func escapings(t *testing.T, f *fleet) {
	for scheme, want := range map[string]string{
		"allow-utf-8": `
			{"my.metric","a.b"="c","g.h"="1",instance="",job="j"} 1
			plain_m{d="e","g.h"="1",instance="",job="j"} 2`,
		"underscores": `
			my_metric{a_b="c",g_h="1",instance="",job="j"} 1
			plain_m{d="e",g_h="1",instance="",job="j"} 2`,
		"dots": `
			my_dot_metric{a_dot_b="c",g_dot_h="1",instance="",job="j"} 1
			plain_m{d="e",g_dot_h="1",instance="",job="j"} 2`,
		"values": `
			U__my_2e_metric{U__a_2e_b="c",U__g_2e_h="1",instance="",job="j"} 1
			plain_m{U__g_2e_h="1",d="e",instance="",job="j"} 2`,
	} {
		a := f.send(t, http.MethodGet, "/metrics", "", "Accept", "text/plain;version=1.0.0;escaping="+scheme)
		if got := a.header.Get("Content-Type"); !strings.HasSuffix(got, "escaping="+scheme) {
			t.Errorf("%s: the content type is %q", scheme, got)
		}
		got, _, _ := strings.Cut(samplesOf(a.body), "\ngroup")
		got, _, _ = strings.Cut(got, "\npush_")
		if got != trimLines(want) {
			t.Errorf("%s: exposed are\n%s\nwant\n%s", scheme, got, trimLines(want))
		}
	}
}

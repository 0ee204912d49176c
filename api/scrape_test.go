package api_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestNegotiationOfTheFormat(t *testing.T) {
	t.Parallel()
	const (
		delimited = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
		text      = "text/plain; version=0.0.4; charset=utf-8; escaping="
		protobuf  = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping="
	)
	tests := []struct{ name, accept, want string }{
		{"Prometheus 3 with native histograms", delimited + ";q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", protobuf + "underscores"},
		{"Prometheus 3", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", text + "allow-utf-8"},
		{"Prometheus 2", "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", text + "underscores"},
		{"a browser", "text/html,application/xhtml+xml,*/*;q=0.8", text + "underscores"},
		{"nothing", "", text + "underscores"},
		{"anything", "*/*", text + "underscores"},
		{"something else", "application/json", text + "underscores"},
		{"OpenMetrics", "application/openmetrics-text;version=1.0.0", text + "underscores"},
		{"protobuf", delimited, protobuf + "underscores"},
		{"protobuf with UTF-8 names", delimited + ";escaping=allow-utf-8", protobuf + "allow-utf-8"},
		{"protobuf, but rather text", delimited + ";q=0.1,text/plain;version=0.0.4;q=0.2", text + "underscores"},
		{"protobuf without its parameters", "application/vnd.google.protobuf", text + "underscores"},
		{"names escaped with dots", "text/plain;version=1.0.0;escaping=dots", text + "dots"},
		{"names escaped as values", "text/plain;version=0.0.4;escaping=values", text + "values"},
		{"an unknown escaping", "text/plain;version=0.0.4;escaping=nonsense", text + "underscores"},
	}
	s := newServer(t, &fakeGateway{}, api.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := send(s, "GET", "/metrics", "", "Accept: "+tt.accept)
			if got := w.Header().Get("Content-Type"); w.Code != 200 || got != tt.want {
				t.Errorf("code %d, Content-Type %q, want %q", w.Code, got, tt.want)
			}
			if got := w.Header().Get("Vary"); got != "Accept, Accept-Encoding" {
				t.Errorf("Vary %q", got)
			}
		})
	}
}

func TestNegotiationOfCompression(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{})
	for accept, want := range map[string]string{
		"gzip": "gzip", "gzip, deflate, br": "gzip", "br;q=1.0, gzip;q=0.8, *;q=0.1": "gzip", "GZip": "gzip",
		"gzip, identity;q=0.5": "gzip", "identity;q=0, gzip": "gzip", "*;q=0.5, gzip": "gzip", "gzip; q=0.5": "gzip",
		"": "", "gzip;q=0": "", "gzip; q=0.0": "", "identity, gzip": "", "gzip;q=0.5, identity": "", "*": "", "*;q=0": "",
		"deflate": "", "zstd": "", "gzip;q=0,*": "", "gzip;foo=bar": "", "gzip;q=x": "", "gzip;q=-1": "", "gzip;q=NaN": "",
	} {
		w := send(s, "GET", "/metrics", "", "Accept-Encoding: "+accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q: Content-Encoding %q, want %q", accept, got, want)
		}
	}
}

func TestScrapeExposesTheSnapshot(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{groups: []exposition.Group{mustGroup(t, "job/a", body, time.Unix(1700000000, 0))}}
	s := newServer(t, g, api.Options{ScrapeTimeout: time.Hour})
	plain := send(s, "GET", "/metrics?name[]=ignored", "").Body.String()
	if !strings.Contains(plain, `m{instance="",job="a"} 42`) {
		t.Errorf("exposition %q", plain)
	}
	if strings.Contains(plain, "pushgateway_http") {
		t.Error("the gateway's own metrics are not apart")
	}
	if _, ok := g.ctx.Deadline(); !ok {
		t.Error("the scrape has no deadline")
	}
	z, err := gzip.NewReader(send(s, "GET", "/metrics", "", "Accept-Encoding: gzip").Body)
	if err != nil {
		t.Fatal(err)
	}
	if unzipped, err := io.ReadAll(z); err != nil || string(unzipped) != plain {
		t.Errorf("gzip decodes to %q, %v", unzipped, err)
	}
}

func TestMergedScrapeExposesOwnMetricsToo(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{groups: []exposition.Group{mustGroup(t, "job/a", body, time.Unix(1700000000, 0))}}
	w := send(newServer(t, g, api.Options{MergeSelfMetrics: true}), "GET", "/metrics", "")
	for _, want := range []string{`m{instance="",job="a"} 42`, "# TYPE pushgateway_http_push_size_bytes summary"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the exposition lacks %q", want)
		}
	}
}

func TestOwnMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s := newServer(t, &fakeGateway{}, api.Options{Registry: registry, MaxBodyBytes: 100, TelemetryPath: "/tele"})
	for _, push := range []string{body, "m 1", "m 1 1\n", "m 1\nm 2\n", strings.Repeat("#\n", 100)} {
		send(s, "PUT", "/metrics/job/a", push)
	}
	send(s, "PUT", "/metrics/job/a", "", gzipEncoded)
	send(s, "POST", "/metrics/job/a/l", body)
	send(s, "DELETE", "/metrics/job/a", "")
	send(s, "GET", "/", "")
	send(s, "GET", "/nope", "")
	exposed := send(s, "GET", "/-/metrics", "").Body.Bytes()
	for _, want := range []string{
		`pushgateway_http_requests_total{code="200",handler="push",method="put"} 1`,
		`pushgateway_http_requests_total{code="400",handler="push",method="put"} 4`,
		`pushgateway_http_requests_total{code="413",handler="push",method="put"} 1`,
		`pushgateway_http_requests_total{code="400",handler="push",method="post"} 1`,
		`pushgateway_http_requests_total{code="202",handler="delete",method="delete"} 1`,
		`pushgateway_http_requests_total{code="200",handler="status",method="get"} 1`,
		`pushgateway_http_push_duration_seconds_count{method="put"} 6`,
		`pushgateway_http_push_size_bytes_count{method="post"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="malformed"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="timestamp"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="inconsistent"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="too_large"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="compression"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="grouping_key"} 1`,
		`sqlpushgateway_pushes_rejected_total{reason="conflict"} 0`,
		`sqlpushgateway_pushes_rejected_total{reason="unavailable"} 0`,
		`sqlpushgateway_pushes_rejected_total{reason="overloaded"} 0`,
	} {
		if !bytes.Contains(exposed, []byte(want+"\n")) {
			t.Errorf("/-/metrics lacks %s", want)
		}
	}
	if _, err := api.New(&fakeGateway{}, api.Options{Registry: registry}); err == nil {
		t.Error("the same metrics can be registered twice")
	}
}

package api_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const (
	body          = "# TYPE m gauge\nm 42\n"
	protobufType  = "Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
	gzipEncoded   = "Content-Encoding: gzip"
	snappyEncoded = "Content-Encoding: snappy"
)

func gzipped(parts ...string) string {
	var b bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(part))
		_ = z.Close()
	}
	return b.String()
}

func snappyFramed(text string) string {
	var b bytes.Buffer
	z := snappy.NewBufferedWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func protobuf(families ...*dto.MetricFamily) string {
	var b bytes.Buffer
	for _, f := range families {
		_, _ = protodelim.MarshalTo(&b, f)
	}
	return b.String()
}

func gaugeFamily(name string, values ...float64) *dto.MetricFamily {
	f := &dto.MetricFamily{Name: proto.String(name), Type: dto.MetricType_GAUGE.Enum()}
	for _, v := range values {
		f.Metric = append(f.Metric, &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(v)}})
	}
	return f
}

func TestBodiesOfPushes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("# comment\n", 200)
	tests := []struct {
		name    string
		body    string
		headers []string
		code    int
		text    string
	}{
		{"text", body, nil, 200, ""},
		{"text under a wrong Content-Type", body, []string{"Content-Type: application/json"}, 200, ""},
		{"protobuf", protobuf(gaugeFamily("m", 42)), []string{protobufType}, 200, ""},
		{"protobuf without its encoding parameter is read as text", body, []string{"Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"}, 200, ""},
		{"gzip", gzipped(body), []string{gzipEncoded}, 200, ""},
		{"gzip in capitals", gzipped(body), []string{"Content-Encoding: GZip"}, 200, ""},
		{"gzip of several members", gzipped("# TYPE m ", "gauge\nm 4", "2\n"), []string{gzipEncoded}, 200, ""},
		{"gzipped protobuf", gzipped(protobuf(gaugeFamily("m", 42))), []string{gzipEncoded, protobufType}, 200, ""},
		{"framed snappy", snappyFramed(body), []string{snappyEncoded}, 200, ""},
		{"an unknown encoding is read as it is", body, []string{"Content-Encoding: br"}, 200, ""},

		{"empty body declared gzip", "", []string{gzipEncoded}, 400, "gzip"},
		{"text declared gzip", body, []string{gzipEncoded}, 400, "gzip"},
		{"truncated gzip", gzipped(body)[:20], []string{gzipEncoded}, 400, "gzip"},
		{"gzip with a wrong checksum", gzipped(body)[:len(gzipped(body))-5] + "12345", []string{gzipEncoded}, 400, "gzip"},
		{"snappy in the block format", string(snappy.Encode(nil, []byte(body))), []string{snappyEncoded}, 400, "snappy"},
		{"no newline at the end", "m 1", nil, 400, ""},
		{"garbage declared protobuf", body, []string{protobufType}, 400, ""},
		{"too large", long, nil, 413, "--web.max-body-bytes"},
		{"too large after gzip", gzipped(long), []string{gzipEncoded}, 413, "--web.max-body-bytes"},
		{"too large after snappy", snappyFramed(long), []string{snappyEncoded}, 413, "--web.max-body-bytes"},
		{"too large protobuf", strings.Repeat(protobuf(gaugeFamily("m", 42)), 100), []string{protobufType}, 413, "--web.max-body-bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			w := send(newServer(t, g, api.Options{MaxBodyBytes: 1000}), "PUT", "/metrics/job/a", tt.body, tt.headers...)
			if w.Code != tt.code {
				t.Fatalf("code %d, want %d: %s", w.Code, tt.code, w.Body)
			}
			if tt.code != 200 {
				wantLine(t, w, tt.text)
				if unreadable := len(g.pushes) == 1 && g.pushes[0].Malformed && g.pushes[0].Refused != nil && g.pushes[0].Families == nil; unreadable != (tt.code == 400) {
					t.Errorf("pushed %+v, want a body that cannot be read, unless it is too large", g.pushes)
				}
				return
			}
			if w.Body.Len() > 0 {
				t.Errorf("body %q, want none", w.Body)
			}
			families := g.pushes[0].Families
			if len(families) != 1 || families[0].Name != "m" || families[0].Type != exposition.Gauge || families[0].Metrics[0].Value != 42 {
				t.Errorf("pushed %+v", families)
			}
		})
	}
}

func TestUnreadableBodyIsNobodyElsesFault(t *testing.T) {
	t.Parallel()
	w := send(newServer(t, &fakeGateway{err: repository.ErrUnavailable}, api.Options{}), "PUT", "/metrics/job/a", "m\n")
	if w.Code != 400 {
		t.Errorf("code %d while the history cannot be written, want 400", w.Code)
	}
	wantLine(t, w, "line 1")
}

func TestSizeOfABodyWithoutContentLengthIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{MaxBodyBytes: 10})
	w := send(s, "PUT", "/metrics/job/a", strings.Repeat("#\n", 10), "Transfer-Encoding: chunked")
	if w.Code != 413 {
		t.Errorf("code %d, want 413", w.Code)
	}
}

func TestPushSaysWhatWasAsked(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	s := newServer(t, g, api.Options{PushTimeout: time.Hour})
	send(s, "PUT", "/metrics/job@base64/YS9i/l/x%20y", gzipped(body), gzipEncoded)
	send(s, "POST", "/metrics/job/a", "")
	put, post := g.pushes[0], g.pushes[1]
	if want := mustKey(t, "job@base64/YS9i/l/x y"); put.Key.Digest() != want.Digest() {
		t.Errorf("key %s, want %s", put.Key, want)
	}
	if put.Method != repository.Put || put.Bytes != len(body) || put.Refused != nil {
		t.Errorf("PUT arrived as %+v", put)
	}
	if post.Method != repository.Post || post.Bytes != 0 || len(post.Families) != 0 {
		t.Errorf("POST arrived as %+v", post)
	}
	if _, ok := g.ctx.Deadline(); !ok {
		t.Error("the push has no deadline")
	}
}

func TestFamilyWithoutMetricsReachesTheGateway(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	w := send(newServer(t, g, api.Options{}), "POST", "/metrics/job/a", protobuf(gaugeFamily("m")), protobufType)
	if w.Code != 200 || len(g.pushes[0].Families) != 1 || len(g.pushes[0].Families[0].Metrics) != 0 {
		t.Errorf("code %d, pushes %+v", w.Code, g.pushes)
	}
}

func TestPushesThatTheGroupRemembersAsRefused(t *testing.T) {
	t.Parallel()
	timestamp := "m 1 1700000000000\n"
	tests := []struct {
		name, body string
		options    api.Options
		code       int
		err        error
	}{
		{"timestamp", timestamp, api.Options{}, 400, exposition.ErrTimestamp},
		{"timestamp with the check off", timestamp, api.Options{Unchecked: true}, 202, exposition.ErrTimestamp},
		{"timestamp that is dropped", timestamp, api.Options{Timestamps: exposition.DropTimestamps}, 200, nil},
		{"timestamp that is kept", timestamp, api.Options{Timestamps: exposition.KeepTimestamps}, 200, nil},
		{"equal series", "m 1\nm 2\n", api.Options{}, 400, exposition.ErrInconsistent},
		{"equal series with the check off", "m 1\nm 2\n", api.Options{Unchecked: true}, 202, nil},
		{"nothing wrong with the check off", body, api.Options{Unchecked: true}, 202, nil},
		{"reserved label", `m{__x="1"} 1` + "\n", api.Options{}, 400, exposition.ErrInconsistent},
		{"another type than an own metric that is exposed beside it", "# TYPE pushgateway_http_push_size_bytes gauge\npushgateway_http_push_size_bytes 1\n", api.Options{MergeSelfMetrics: true}, 400, exposition.ErrInconsistent},
		{"another type than an own metric that is exposed apart", "# TYPE pushgateway_http_push_size_bytes gauge\npushgateway_http_push_size_bytes 1\n", api.Options{}, 200, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			w := send(newServer(t, g, tt.options), "PUT", "/metrics/job/a", tt.body)
			if w.Code != tt.code {
				t.Fatalf("code %d, want %d: %s", w.Code, tt.code, w.Body)
			}
			if w.Code == 400 {
				wantLine(t, w, "pushed metrics are invalid or inconsistent with existing metrics: ")
			}
			if p := g.pushes[0]; !errors.Is(p.Refused, tt.err) || tt.err != nil && p.Families != nil {
				t.Errorf("arrived as %+v", p)
			}
		})
	}
}

func TestUncheckedPushThatCouldNotBeStoredIsNotAccepted(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{err: repository.ErrUnavailable}, api.Options{Unchecked: true})
	if w := send(s, "PUT", "/metrics/job/a", body); w.Code != 503 {
		t.Errorf("code %d, want 503", w.Code)
	}
}

func TestRequestIDIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // where httptest's requests come from
	tests := []struct {
		name    string
		trusted []netip.Prefix
		headers []string
		id      string
	}{
		{"from a trusted proxy", proxy, []string{"X-Request-Id: abc-1"}, "abc-1"},
		{"from anybody", nil, []string{"X-Request-Id: abc-1"}, ""},
		{"too long", proxy, []string{"X-Request-Id: " + strings.Repeat("x", 129)}, ""},
		{"not printable", proxy, []string{"X-Request-Id: a\x01b"}, ""},
		{"twice", proxy, []string{"X-Request-Id: a", "X-Request-Id: b"}, ""},
		{"none", proxy, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			s := newServer(t, g, api.Options{TrustedProxies: tt.trusted})
			send(s, "PUT", "/metrics/job/a", gzipped(body), append(tt.headers, gzipEncoded)...)
			p := g.pushes[0]
			if p.ID != tt.id {
				t.Errorf("id %q, want %q", p.ID, tt.id)
			}
			var digest [32]byte
			if tt.id != "" {
				digest = sha256.Sum256([]byte(body))
			}
			if p.BodyDigest != digest {
				t.Errorf("digest %x, want %x", p.BodyDigest, digest)
			}
		})
	}
}

// TestPushesThatWouldTakeTooMuch protects the memory of all replicas from
// small pushes that are large once they are parsed or exposed.
func TestPushesThatWouldTakeTooMuch(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 30_000)
	var series strings.Builder
	for i := range 2300 {
		fmt.Fprintf(&series, "m{i=\"%d\"} 1\n", i)
	}
	tests := []struct {
		name, path, body string
		headers          []string
		text             string
		recorded         bool
	}{
		{"a long grouping key", "/metrics/job/" + long + "/l/" + long, body, nil, "32768 bytes", false},
		{"many lines", "/metrics/job/a", gzipped(strings.Repeat("\n", 1_000_001)), []string{gzipEncoded}, "1000000 lines", false},
		{"many messages", "/metrics/job/a", gzipped(strings.Repeat("\x00", 1_000_001)), []string{gzipEncoded, protobufType}, "1000000 families", false},
		{"many series of a long grouping key", "/metrics/job/" + long, series.String(), nil, "64 MiB", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			w := send(newServer(t, g, api.Options{}), "PUT", tt.path, tt.body, tt.headers...)
			if w.Code != 400 {
				t.Errorf("code %d, want 400", w.Code)
			}
			wantLine(t, w, tt.text)
			if recorded := len(g.pushes) == 1 && g.pushes[0].Refused != nil && !g.pushes[0].Malformed; recorded != tt.recorded {
				t.Errorf("recorded as a failure of the group: %t, want %t", recorded, tt.recorded)
			}
		})
	}
}

func TestPushLikeOneBeforeComesPrepared(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	s := newServer(t, g, api.Options{})
	for i, path := range []string{"/metrics/job/a", "/metrics/job/b"} {
		if w := send(s, "PUT", path, fmt.Sprintf("# TYPE m gauge\nm %d\n", i)); w.Code != 200 {
			t.Fatalf("code %d: %s", w.Code, w.Body)
		}
	}
	if p := g.pushes[0]; len(p.Families) != 1 || p.Prepared != nil {
		t.Errorf("first %+v", p)
	}
	const want = `{"m":{"type":"gauge","metrics":[{"labels":{},"value":"1"}]}}`
	if p := g.pushes[1]; p.Families != nil || p.Prepared == nil || string(p.Prepared.JSON) != want || p.Bytes != len("# TYPE m gauge\nm 1\n") {
		t.Errorf("then %+v", p)
	}
	if w := send(s, "PUT", "/metrics/job/c", "# TYPE m gauge\nm one\n"); w.Code != 400 || !g.pushes[2].Malformed || g.pushes[2].Prepared != nil {
		t.Errorf("last %d, %+v", w.Code, g.pushes[2])
	}
}

package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

var update = flag.Bool("update", false, "write the golden files")

const allTypes = `# HELP c_total A counter with "quotes" & <angles>.
# TYPE c_total counter
c_total{l="v"} 1e+06
c_total{l="w",instance="i"} 0.1
# TYPE g gauge
g NaN
# TYPE h histogram
h_bucket{le="0.1"} 3
h_bucket{le="+Inf"} 5
h_sum 7.5
h_count 5
# TYPE s summary
s{quantile="0.5"} 1
s{quantile="0.99"} +Inf
s_sum 12345678
s_count 21
# HELP u Untyped.
u -0
`

// nativeHistograms returns an integer, a float and a mixed histogram.
func nativeHistograms() []*dto.MetricFamily {
	span := func(offset int32, length uint32) *dto.BucketSpan {
		return &dto.BucketSpan{Offset: proto.Int32(offset), Length: proto.Uint32(length)}
	}
	family := func(name string, h *dto.Histogram) *dto.MetricFamily {
		return &dto.MetricFamily{Name: proto.String(name), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: h}}}
	}
	return []*dto.MetricFamily{
		family("native_integer", &dto.Histogram{
			SampleCount: proto.Uint64(14), SampleSum: proto.Float64(3.25), Schema: proto.Int32(0),
			ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(2),
			NegativeSpan: []*dto.BucketSpan{span(-1, 2)}, NegativeDelta: []int64{1, 1},
			PositiveSpan: []*dto.BucketSpan{span(0, 2), span(1, 2)}, PositiveDelta: []int64{2, 1, -3, 4},
		}),
		family("native_float", &dto.Histogram{
			SampleCountFloat: proto.Float64(6.5), SampleSum: proto.Float64(-1), Schema: proto.Int32(-1),
			ZeroThreshold: proto.Float64(0), ZeroCountFloat: proto.Float64(0.5),
			PositiveSpan: []*dto.BucketSpan{span(-2, 3)}, PositiveCount: []float64{1.5, 0, 4.5},
		}),
		family("native_mixed", &dto.Histogram{
			SampleCount: proto.Uint64(3), SampleSum: proto.Float64(3), Schema: proto.Int32(-4),
			ZeroThreshold: proto.Float64(0),
			PositiveSpan:  []*dto.BucketSpan{span(0, 1), span(63, 2)}, PositiveDelta: []int64{1, 0, 0},
			Bucket: []*dto.Bucket{{UpperBound: proto.Float64(1), CumulativeCount: proto.Uint64(1)}},
		}),
	}
}

func mustNormalize(t testing.TB, key exposition.GroupingKey, families []exposition.Family, err error) []exposition.Family {
	t.Helper()
	if err == nil {
		families, err = exposition.Normalize(key, families, exposition.Rules{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func queryGroups(t testing.TB) []exposition.Group {
	at := time.Date(2023, 11, 14, 22, 13, 20, 123456000, time.UTC)
	classic := mustGroup(t, "job/classic/zone/a", allTypes, at)
	classic.FamilyTimes = map[string]time.Time{"g": at.Add(-time.Hour)}
	failed := exposition.Group{Key: mustKey(t, "job/failed"), PushFailureTime: at}
	native := exposition.Group{Key: mustKey(t, "job/native/instance/i"), PushTime: at, PushFailureTime: at.Add(-time.Minute)}
	families, err := exposition.FamiliesFromProto(nativeHistograms())
	native.Families = mustNormalize(t, native.Key, families, err)
	return []exposition.Group{classic, failed, native}
}

func TestQueryMetricsIsThatOfPushgateway(t *testing.T) {
	t.Parallel()
	w := send(newServer(t, &fakeGateway{groups: queryGroups(t)}, api.Options{}), "GET", "/api/v1/metrics", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("code %d, Content-Type %q", w.Code, w.Header().Get("Content-Type"))
	}
	var got bytes.Buffer
	if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, w.Body)
	}
	const golden = "testdata/query_metrics.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %s\nwant the content of %s", got.Bytes(), golden)
	}
}

func TestQueryMetricsOfAnEmptyGateway(t *testing.T) {
	t.Parallel()
	w := send(newServer(t, &fakeGateway{}, api.Options{}), "GET", "/api/v1/metrics", "")
	if got, want := w.Body.String(), `{"status":"success","data":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHelpTextsOfTheQueryAPIAreThoseOfTheExposition(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{groups: []exposition.Group{mustGroup(t, "job/a", "", time.Unix(1700000000, 250e6))}}, api.Options{})
	var answer struct {
		Data []map[string]json.RawMessage
	}
	if err := json.Unmarshal(send(s, "GET", "/api/v1/metrics", "").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	exposed := send(s, "GET", "/metrics", "").Body.String()
	for _, name := range []string{exposition.PushTimeName, exposition.PushFailureTimeName} {
		var family struct {
			Help    string
			Metrics []struct{ Value string }
		}
		if err := json.Unmarshal(answer.Data[0][name], &family); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{
			"# HELP " + name + " " + family.Help + "\n",
			name + `{instance="",job="a"} ` + family.Metrics[0].Value + "\n",
		} {
			if !strings.Contains(exposed, line) {
				t.Errorf("the exposition lacks %q", line)
			}
		}
	}
}

func TestFailureBeforeTheFirstGroupIsAJSONError(t *testing.T) {
	t.Parallel()
	for err, code := range map[error]int{repository.ErrUnavailable: 503, errors.New("secret"): 500} {
		w := send(newServer(t, &fakeGateway{groupsErr: err}, api.Options{}), "GET", "/api/v1/metrics", "")
		var answer struct{ Status, ErrorType, Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if w.Code != code || answer.Status != "error" || answer.ErrorType == "" || strings.Contains(answer.Error, "secret") {
			t.Errorf("code %d, want %d: %+v", w.Code, code, answer)
		}
	}
}

func TestFailureInTheMiddleCutsTheAnswer(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{groupsErr: errors.New("connection lost")}
	g.groups = slices.Repeat([]exposition.Group{mustGroup(t, "job/a", allTypes, time.Unix(1700000000, 0))}, 100)
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	server := httptest.NewServer(newServer(t, g, api.Options{Logger: logger}))
	r, err := http.Get(server.URL + "/api/v1/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		t.Error("half an answer looks like a whole one")
	}
	http.DefaultClient.CloseIdleConnections()
	server.Close() // waits for the handler, and so for the log
	if !strings.Contains(logged.String(), "connection lost") {
		t.Errorf("logged %q", logged.String())
	}
}

func TestQueryStatus(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{
		Flags: map[string]string{"log.level": "info"}, BuildInfo: map[string]string{"version": "1"}, StartTime: time.Unix(1700000000, 5000).UTC(),
	})
	const want = `{"data":{"build_information":{"version":"1"},"flags":{"log.level":"info"},"start_time":"2023-11-14T22:13:20.000005Z"},"status":"success"}`
	if got := send(s, "GET", "/api/v1/status", "").Body.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestQueryAPIIsOpenToPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{})
	for _, request := range []string{"GET /api/v1/status", "GET /api/v1/metrics", "OPTIONS /api/v1/metrics", "OPTIONS /api/v1/anything"} {
		method, path, _ := strings.Cut(request, " ")
		w := send(s, method, path, "")
		if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Cache-Control") != "no-cache, no-store, must-revalidate" {
			t.Errorf("%s: code %d, headers %v", request, w.Code, w.Header())
		}
	}
}

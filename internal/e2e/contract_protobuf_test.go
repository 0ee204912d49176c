package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

const protobufType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// putProto is a PUT of families to the group {job="j"} as protobuf.
func putProto(families ...*dto.MetricFamily) step {
	return put("/metrics/job/j", delimited(families...)).with("Content-Type", protobufType)
}

func delimited(families ...*dto.MetricFamily) string {
	var b bytes.Buffer
	for _, f := range families {
		if _, err := protodelim.MarshalTo(&b, f); err != nil {
			panic(err) // a family of this file
		}
	}
	return b.String()
}

func gauge(name string, value float64) *dto.MetricFamily {
	return &dto.MetricFamily{
		Name: proto.String(name), Type: dto.MetricType_GAUGE.Enum(),
		Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: proto.Float64(value)}}},
	}
}

func histogram(t dto.MetricType, h *dto.Histogram) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String("h"), Type: t.Enum(), Metric: []*dto.Metric{{Histogram: h}}}
}

// nativeHistogram has every field that a native histogram can have.
func nativeHistogram() *dto.Histogram {
	return &dto.Histogram{
		SampleCount: proto.Uint64(10), SampleSum: proto.Float64(12.5),
		Schema: proto.Int32(3), ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(2),
		PositiveSpan:  []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(2)}, {Offset: proto.Int32(3), Length: proto.Uint32(1)}},
		PositiveDelta: []int64{1, 2, -1},
		NegativeSpan:  []*dto.BucketSpan{{Offset: proto.Int32(-2), Length: proto.Uint32(1)}},
		NegativeDelta: []int64{2},
		Exemplars:     []*dto.Exemplar{{Label: []*dto.LabelPair{{Name: proto.String("trace"), Value: proto.String("t")}}, Value: proto.Float64(1)}},
	}
}

func nativeFloatHistogram() *dto.Histogram {
	return &dto.Histogram{
		SampleCountFloat: proto.Float64(10.5), SampleSum: proto.Float64(12.5),
		Schema: proto.Int32(-1), ZeroThreshold: proto.Float64(0.001), ZeroCountFloat: proto.Float64(0.5),
		PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(2)}}, PositiveCount: []float64{1.5, 8.5},
	}
}

// TestProtobufContract protects pushes in protobuf.
func TestProtobufContract(t *testing.T) {
	untyped := gauge("m", 1)
	untyped.Type = nil
	untyped.Metric[0] = &dto.Metric{Counter: &dto.Counter{Value: proto.Float64(1)}}
	badHelp := gauge("m", 1)
	badHelp.Help = proto.String("\xff")
	twice := &dto.Histogram{SampleCount: proto.Uint64(1), Bucket: []*dto.Bucket{
		{UpperBound: proto.Float64(1), CumulativeCount: proto.Uint64(1)}, {UpperBound: proto.Float64(1), CumulativeCount: proto.Uint64(1)},
	}}
	stamped := gauge("m", 1)
	stamped.Metric[0].TimestampMs = proto.Int64(1609459200000)
	runContract(t, []contractCase{
		{
			name:     "families are stored",
			steps:    []step{putProto(gauge("n", 2), gauge("m", 1))},
			want:     "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2" + jobJ,
			comments: "# TYPE m gauge\n# TYPE n gauge",
		},
		{
			name: "the parameters of the content type may come in any order",
			steps: []step{put("/metrics/job/j", delimited(gauge("m", 1))).
				with("Content-Type", "application/vnd.google.protobuf;encoding=delimited;proto=io.prometheus.client.MetricFamily")},
			want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name: "protobuf of another kind is read as text",
			steps: []step{
				put("/metrics/job/j", delimited(gauge("m", 1))).with("Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text").refused("text format parsing error"),
				put("/metrics/job/j", sample).with("Content-Type", "application/vnd.google.protobuf; proto=other; encoding=delimited"),
			},
			want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:  "compressed",
			steps: []step{put("/metrics/job/j", gzipped(delimited(gauge("m", 1)))).with("Content-Type", protobufType).with("Content-Encoding", "gzip")},
			want:  "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:  "of two families with one name the last wins",
			steps: []step{putProto(gauge("m", 1), gauge("n", 1), gauge("m", 2))},
			want:  "m{instance=\"\",job=\"j\"} 2\nn{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name: "a family without metrics clears its name on post",
			steps: []step{
				putProto(gauge("m", 1), gauge("n", 1)),
				post("/metrics/job/j", delimited(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_GAUGE.Enum()})).with("Content-Type", protobufType),
			},
			want: "n{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:     "without a type a family is a counter",
			steps:    []step{putProto(untyped)},
			want:     "m{instance=\"\",job=\"j\"} 1" + jobJ,
			comments: "# TYPE m counter",
		},
		{
			name:  "no family is an empty body",
			steps: []step{putProto(gauge("m", 1)), putProto()},
			want:  jobJ,
		},
		{
			name: "names and texts that cannot be exposed are refused",
			steps: []step{
				putProto(gauge("", 1)).refused("name"), putProto(gauge("m n", 1)).refused("name"), putProto(gauge("m\xff", 1)).refused("UTF-8"),
				putProto(badHelp).refused("UTF-8"), putProto(histogram(dto.MetricType_HISTOGRAM, twice)).refused("twice"),
				putProto(stamped).refused("timestamp"),
			},
			check: func(t *testing.T, f *fleet) {
				put("/metrics/job/j", sample).run(t, f)
				if got, want := samplesOf(f.scrape(t, "/metrics")), "m{instance=\"\",job=\"j\"} 1\ngroup{instance=\"\",job=\"j\"} pushed failed"; got != want {
					t.Errorf("exposed are\n%s\nwant\n%s", got, want)
				}
			},
			want: `group{instance="",job="j"} failed`,
		},
		{
			name: "what is no protobuf is refused",
			steps: []step{
				put("/metrics/job/j", "\x05abc").with("Content-Type", protobufType).refused(""),
				put("/metrics/job/j", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").with("Content-Type", protobufType).refused(""),
				put("/metrics/job/j", sample).with("Content-Type", protobufType).refused(""),
			},
		},
		{
			name:  "a native histogram in text is its sum and count",
			steps: []step{putProto(histogram(dto.MetricType_HISTOGRAM, nativeHistogram()))},
			want: `
				h_bucket{instance="",job="j",le="+Inf"} 10
				h_sum{instance="",job="j"} 12.5
				h_count{instance="",job="j"} 10` + jobJ,
			comments: "# TYPE h histogram",
			check:    func(t *testing.T, f *fleet) { checkNative(t, f, dto.MetricType_HISTOGRAM, nativeHistogram()) },
		},
		{
			name:  "a native histogram of floats",
			steps: []step{putProto(histogram(dto.MetricType_GAUGE_HISTOGRAM, nativeFloatHistogram()))},
			want: `
				h_bucket{instance="",job="j",le="+Inf"} 10.5
				h_sum{instance="",job="j"} 12.5
				h_count{instance="",job="j"} 10.5` + jobJ,
			check: func(t *testing.T, f *fleet) {
				checkNative(t, f, dto.MetricType_GAUGE_HISTOGRAM, nativeFloatHistogram())
			},
		},
	})
}

// checkNative checks that a scrape in protobuf has the histogram as it was
// pushed.
func checkNative(t *testing.T, f *fleet, typ dto.MetricType, want *dto.Histogram) {
	for _, family := range scrapeProto(t, f) {
		if family.GetName() != "h" {
			continue
		}
		if family.GetType() != typ {
			t.Errorf("the type is %v, want %v", family.GetType(), typ)
		}
		if got := family.GetMetric()[0].GetHistogram(); !proto.Equal(got, want) {
			t.Errorf("the histogram is\n%v\nwant\n%v", got, want)
		}
		return
	}
	t.Error("the histogram is not exposed")
}

// scrapeProto returns the families of a scrape in protobuf.
func scrapeProto(t *testing.T, f *fleet) []*dto.MetricFamily {
	t.Helper()
	a := f.send(t, http.MethodGet, "/metrics", "", "Accept", protobufType)
	if a.code != http.StatusOK {
		t.Fatalf("scrape: %d %s", a.code, a.body)
	}
	return families(t, a.body)
}

func families(t *testing.T, body string) []*dto.MetricFamily {
	t.Helper()
	var all []*dto.MetricFamily
	r := bufio.NewReader(bytes.NewReader([]byte(body)))
	for {
		family := &dto.MetricFamily{}
		err := protodelim.UnmarshalFrom(r, family)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, family)
	}
}

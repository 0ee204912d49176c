package exposition_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestParseProtobufKeepsEveryField(t *testing.T) {
	t.Parallel()
	families, err := exposition.ParseProtobuf(bytes.NewReader(delimited(t, everyMessage()...)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	requireStored(t, families, `{`+
		`"c":{"type":"counter","help":"H","unit":"rows","metrics":[{"labels":{"a":"1","b":"2"},"value":"NaN","timestamp_ms":"5","created":"1700000000.5","exemplar":{"labels":{"id":"7"},"value":"1","timestamp":"-1"}}]},`+
		`"empty":{"type":"gauge","metrics":[]},`+
		`"g":{"type":"gauge","metrics":[{"labels":{},"value":"2"}]},`+
		`"h":{"type":"histogram","metrics":[{"labels":{},"count":"3","sum":"1.5","buckets":[["1","2",{"labels":{},"value":"0.5"}]],`+
		`"native":{"schema":3,"zero_threshold":"0.001","zero_count":"1","positive_spans":[[-1,2]],"positive_deltas":[1,-1],"negative_spans":[[0,1]],"negative_deltas":[1]},"exemplars":[{"labels":{},"value":"0","timestamp":"1"}],"created":"1"}]},`+
		`"hf":{"type":"gauge_histogram","metrics":[{"labels":{},"float":true,"count":"3","sum":"0","buckets":[["1","2"],["2","2.5"]],`+
		`"native":{"schema":0,"zero_threshold":"0","zero_count":"1","positive_spans":[[0,1]],"positive_counts":["1.5"],"negative_spans":[[0,1]],"negative_counts":["0.5"]}}]},`+
		`"s":{"type":"summary","metrics":[{"labels":{},"count":"2","sum":"3","quantiles":[["0.5","1"]],"created":"0"}]},`+
		`"u":{"type":"untyped","metrics":[{"labels":{},"value":"0"}]}}`)
}

func TestParseProtobuf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		messages []*dto.MetricFamily
		want     string
	}{
		{"an empty body", nil, `{}`},
		{"the last of two families wins", []*dto.MetricFamily{gauge("m", 1), gauge("n", 2), gauge("m", 3)},
			`{"m":{"type":"gauge","metrics":[{"labels":{},"value":"3"}]},"n":{"type":"gauge","metrics":[{"labels":{},"value":"2"}]}}`},
		{"a family without metrics takes the place of an earlier one", []*dto.MetricFamily{gauge("m", 1), {Name: proto.String("m"), Type: dto.MetricType_GAUGE.Enum()}},
			`{"m":{"type":"gauge","metrics":[]}}`},
		{"a missing type is a counter", []*dto.MetricFamily{{Name: proto.String("m"), Metric: []*dto.Metric{{Counter: &dto.Counter{Value: proto.Float64(1)}}}}},
			`{"m":{"type":"counter","metrics":[{"labels":{},"value":"1"}]}}`},
		{"a native histogram without observations stays native", []*dto.MetricFamily{histogram(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{{}}})},
			`{"h":{"type":"histogram","metrics":[{"labels":{},"count":"0","sum":"0","buckets":[],"native":{"schema":0,"zero_threshold":"0","zero_count":"0","positive_spans":[[0,0]]}}]}}`},
		{"a schema alone makes it native", []*dto.MetricFamily{histogram(&dto.Histogram{Schema: proto.Int32(0)})},
			`{"h":{"type":"histogram","metrics":[{"labels":{},"count":"0","sum":"0","buckets":[],"native":{"schema":0,"zero_threshold":"0","zero_count":"0"}}]}}`},
		{"a float count that is not above zero does not count", []*dto.MetricFamily{histogram(&dto.Histogram{SampleCount: proto.Uint64(3), SampleCountFloat: proto.Float64(-1)})},
			`{"h":{"type":"histogram","metrics":[{"labels":{},"count":"3","sum":"0","buckets":[]}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			families, err := exposition.ParseProtobuf(bytes.NewReader(delimited(t, c.messages...)), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			requireStored(t, families, c.want)
		})
	}
}

func TestParseProtobufRefuses(t *testing.T) {
	t.Parallel()
	far := &timestamppb.Timestamp{Seconds: math.MaxInt64}
	for _, c := range []struct {
		name string
		body []byte
		kind error
	}{
		{"text", []byte("m 1\n"), exposition.ErrMalformed},
		{"a length beyond the body", []byte("\xff\xff\xff\xff\x0f"), exposition.ErrMalformed},
		{"a length beyond 64 bits", bytes.Repeat([]byte("\xff"), 20), exposition.ErrMalformed},
		{"half a message", delimited(t, gauge("m", 1))[:5], exposition.ErrMalformed},
		{"a broken message", []byte("\x02\x0a\x05"), exposition.ErrMalformed},
		{"a body above the limit", bytes.Repeat([]byte{0}, 1025), exposition.ErrMalformed},
		{"a gauge with a counter", delimited(t, &dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Counter: &dto.Counter{}}}}), exposition.ErrInconsistent},
		{"a metric without a value", delimited(t, &dto.MetricFamily{Name: proto.String("m"), Metric: []*dto.Metric{{}}}), exposition.ErrInconsistent},
		{"a gauge histogram with a gauge", delimited(t, &dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{}}}}), exposition.ErrInconsistent},
		{"an unknown type", delimited(t, &dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType(77).Enum()}), exposition.ErrInconsistent},
		{"a created time out of range", delimited(t, &dto.MetricFamily{Name: proto.String("m"), Metric: []*dto.Metric{{Counter: &dto.Counter{CreatedTimestamp: far}}}}), exposition.ErrInconsistent},
		{"negative nanoseconds", delimited(t, histogram(&dto.Histogram{CreatedTimestamp: &timestamppb.Timestamp{Nanos: -1}})), exposition.ErrInconsistent},
		{"an exemplar time out of range", delimited(t, histogram(&dto.Histogram{Exemplars: []*dto.Exemplar{{Timestamp: far}}})), exposition.ErrInconsistent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := exposition.ParseProtobuf(bytes.NewReader(c.body), 1024)
			requireRefusal(t, err, c.kind)
		})
	}
}

func TestParseProtobufReturnsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection is gone")
	_, err := exposition.ParseProtobuf(io.MultiReader(strings.NewReader("\x02"), iotest.ErrReader(broken)), 1<<20)
	if !errors.Is(err, broken) || errors.Is(err, exposition.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestParseProtobufDoesNotBelieveLengths(t *testing.T) {
	// Not parallel: it counts allocations.
	body := binary.AppendUvarint(nil, 1<<30)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := exposition.ParseProtobuf(bytes.NewReader(body), 1<<40); err == nil {
		t.Fatal("accepted")
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("%d bytes allocated for a body of %d", allocated, len(body))
	}
}

func FuzzParseProtobuf(f *testing.F) {
	for _, message := range everyMessage() {
		f.Add(delimited(f, message))
	}
	f.Add(delimited(f, gauge("m", 1), gauge("m", math.NaN())))
	f.Add([]byte("\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, body []byte) {
		families, err := exposition.ParseProtobuf(bytes.NewReader(body), 1<<20)
		library := protodelimError(body)
		if (library != nil) != errors.Is(err, exposition.ErrMalformed) {
			t.Fatalf("got %v, protodelim says %v", err, library)
		}
		if library == nil && err != nil {
			requireRefusal(t, err, exposition.ErrInconsistent)
		}
		if err == nil {
			requireNormalizes(t, families, exposition.UTF8Names)
		}
	})
}

func protodelimError(body []byte) error {
	for r := bytes.NewReader(body); ; {
		err := protodelim.UnmarshalOptions{MaxSize: int64(len(body))}.UnmarshalFrom(r, &dto.MetricFamily{})
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// everyMessage returns messages with every field of client_model.
func everyMessage() []*dto.MetricFamily {
	label := func(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }
	return []*dto.MetricFamily{
		{Name: proto.String("c"), Help: proto.String("H"), Unit: proto.String("rows"), Metric: []*dto.Metric{{
			Label:       []*dto.LabelPair{label("b", "2"), label("a", "1")},
			TimestampMs: proto.Int64(5),
			Counter: &dto.Counter{
				Value:            proto.Float64(math.Float64frombits(0x7ff0000000000002)), // a NaN with a payload
				CreatedTimestamp: &timestamppb.Timestamp{Seconds: 1700000000, Nanos: 5e8},
				Exemplar:         &dto.Exemplar{Label: []*dto.LabelPair{label("id", "7")}, Value: proto.Float64(1), Timestamp: &timestamppb.Timestamp{Seconds: -1}},
			},
		}}},
		gauge("g", 2),
		{Name: proto.String("empty"), Type: dto.MetricType_GAUGE.Enum()},
		{Name: proto.String("u"), Type: dto.MetricType_UNTYPED.Enum(), Metric: []*dto.Metric{{Untyped: &dto.Untyped{}}}},
		{Name: proto.String("s"), Type: dto.MetricType_SUMMARY.Enum(), Metric: []*dto.Metric{{Summary: &dto.Summary{
			SampleCount: proto.Uint64(2), SampleSum: proto.Float64(3), Quantile: []*dto.Quantile{{Quantile: proto.Float64(0.5), Value: proto.Float64(1)}},
			CreatedTimestamp: &timestamppb.Timestamp{},
		}}}},
		histogram(&dto.Histogram{
			SampleCount: proto.Uint64(3), SampleSum: proto.Float64(1.5), CreatedTimestamp: &timestamppb.Timestamp{Seconds: 1},
			Bucket: []*dto.Bucket{{UpperBound: proto.Float64(1), CumulativeCount: proto.Uint64(2), Exemplar: &dto.Exemplar{Value: proto.Float64(0.5)}}},
			Schema: proto.Int32(3), ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(1),
			PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(-1), Length: proto.Uint32(2)}}, PositiveDelta: []int64{1, -1},
			NegativeSpan: []*dto.BucketSpan{{Length: proto.Uint32(1)}}, NegativeDelta: []int64{1},
			Exemplars: []*dto.Exemplar{{Timestamp: &timestamppb.Timestamp{Seconds: 1}}},
		}),
		{Name: proto.String("hf"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
			SampleCount: proto.Uint64(3),
			Bucket: []*dto.Bucket{
				{UpperBound: proto.Float64(1), CumulativeCount: proto.Uint64(2)},
				{UpperBound: proto.Float64(2), CumulativeCount: proto.Uint64(2), CumulativeCountFloat: proto.Float64(2.5)},
			},
			ZeroCount:    proto.Uint64(1),
			PositiveSpan: []*dto.BucketSpan{{Length: proto.Uint32(1)}}, PositiveCount: []float64{1.5},
			NegativeSpan: []*dto.BucketSpan{{Length: proto.Uint32(1)}}, NegativeCount: []float64{0.5},
		}}}},
	}
}

func gauge(name string, value float64) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &value}}}}
}

func histogram(h *dto.Histogram) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String("h"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: h}}}
}

func delimited(t testing.TB, messages ...*dto.MetricFamily) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range messages {
		if _, err := protodelim.MarshalTo(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

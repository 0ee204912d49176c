package exposition_test

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, body string
		rules            exposition.Rules
		want             string
	}{
		{name: "grouping labels are not own labels", path: "job/j/a/1", body: "m{a=\"x\",b=\"2\",job=\"y\"} 1\n",
			want: `{"m":{"type":"untyped","metrics":[{"labels":{"b":"2"},"value":"1"}]}}`},
		{name: "an empty instance is no own label", path: "job/j", body: "m{instance=\"\"} 1\n", want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "another instance is", path: "job/j", body: "m{instance=\"i\"} 1\n", want: `{"m":{"type":"untyped","metrics":[{"labels":{"instance":"i"},"value":"1"}]}}`},
		{name: "the key's instance wins", path: "job/j/instance/k", body: "m{instance=\"i\"} 1\n", want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "an empty label stays", path: "job/j", body: "m{a=\"\"} 1\nm 2\n", want: `{"m":{"type":"untyped","metrics":[{"labels":{"a":""},"value":"1"},{"labels":{},"value":"2"}]}}`},
		{name: "a forced label may be reserved or invalid", path: "job/j/a/1", body: "m{a=\"\x00\"} 1\n", want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "the gateway's families are dropped", path: "job/j", body: "push_time_seconds 1\n# TYPE push_failure_time_seconds histogram\npush_failure_time_seconds_count 1\npush_time_seconds_x 1\n",
			want: `{"push_time_seconds_x":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "metrics stay in the order of the push", path: "job/j", body: "b 1\na{x=\"2\"} 1\na{x=\"1\"} 2\n",
			want: `{"a":{"type":"untyped","metrics":[{"labels":{"x":"2"},"value":"1"},{"labels":{"x":"1"},"value":"2"}]},"b":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "timestamps are dropped", path: "job/j", body: "m 1 5\n", rules: exposition.Rules{Timestamps: exposition.DropTimestamps}, want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "timestamps are kept", path: "job/j", body: "m 1 5\n", rules: exposition.Rules{Timestamps: exposition.KeepTimestamps}, want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1","timestamp_ms":"5"}]}}`},
		{name: "names that only look like suffixes are free", path: "job/j", body: "# TYPE s summary\ns_sum 1\ns_bucket 1\ns_total 1\ns_created 1\n",
			want: `{"s":{"type":"summary","metrics":[{"labels":{},"count":"0","sum":"1","quantiles":[]}]},"s_bucket":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]},` +
				`"s_created":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]},"s_total":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "le is an ordinary label of a summary", path: "job/j/le/1", body: "# TYPE s summary\ns_sum{le=\"2\"} 1\n", want: `{"s":{"type":"summary","metrics":[{"labels":{},"count":"0","sum":"1","quantiles":[]}]}}`},
		{name: "an own family of the same type", path: "job/j", body: "m 1\n", rules: exposition.Rules{Own: map[string]exposition.Type{"m": exposition.Untyped}}, want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{name: "unchecked, series may be equal", path: "job/j", body: "m 1\nm{job=\"x\"} 2\n", rules: exposition.Rules{Unchecked: true}, want: `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"},{"labels":{},"value":"2"}]}}`},
		{name: "unchecked, names may collide", path: "job/j", body: "h_count 1\n# TYPE h histogram\nh_sum 1\n", rules: exposition.Rules{Unchecked: true, Own: map[string]exposition.Type{"h": exposition.Gauge}},
			want: `{"h":{"type":"histogram","metrics":[{"labels":{},"count":"0","sum":"1","buckets":[]}]},"h_count":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			families := parseBody(t, c.body)
			before := describe(families)
			got, err := exposition.Normalize(parseKey(t, c.path), families, c.rules)
			if err != nil {
				t.Fatal(err)
			}
			requireStored(t, got, c.want)
			if after := describe(families); after != before {
				t.Errorf("the input became %s, was %s", after, before)
			}
		})
	}
}

func TestNormalizeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, body string
		own              map[string]exposition.Type
		want             string // in the error
		always           bool   // with the check off, too
	}{
		{name: "series that the job makes equal", path: "job/j", body: "m{job=\"x\"} 1\nm{job=\"y\"} 1\n", want: `m{instance="",job="j"} twice`},
		{name: "series that the added instance makes equal", path: "job/j", body: "m 1\nm{instance=\"\"} 1\n", want: "twice"},
		{name: "equal series far apart", path: "job/j", body: "m{a=\"2\"} 1\nm{a=\"1\"} 1\nn 1\nm{a=\"2\"} 2\n", want: `a="2"`},
		{name: "a reserved label", path: "job/j", body: "m{__a=\"1\"} 1\n", want: `"__a"`, always: true},
		{name: "NUL in a label value", path: "job/j", body: "m{a=\"\x00\"} 1\n", want: "NUL", always: true},
		{name: "NUL in HELP", path: "job/j", body: "# HELP m \x00\nm 1\n", want: "HELP", always: true},
		{name: "invalid UTF-8 in HELP", path: "job/j", body: "# HELP m \xff\nm 1\n", want: "HELP", always: true},
		{name: "a summary under a quantile", path: "job/j/quantile/1", body: "# TYPE s summary\ns_sum 1\n", want: "quantile", always: true},
		{name: "a histogram under le", path: "job/j/le/1", body: "# TYPE h histogram\nh_sum 1\n", want: "label le", always: true},
		{name: "a bucket twice", path: "job/j", body: "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1.0\"} 2\n", want: `le="1" twice`, always: true},
		{name: "a bucket at 0 and -0", path: "job/j", body: "# TYPE h histogram\nh_bucket{le=\"0\"} 1\nh_bucket{le=\"-0\"} 1\n", want: "twice", always: true},
		{name: "a quantile twice", path: "job/j", body: "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.5\"} 1\n", want: "quantile 0.5 twice", always: true},
		{name: "a histogram and its count", path: "job/j", body: "h_count 1\n# TYPE h histogram\nh_sum 1\n", want: "h_count collides with the histogram h"},
		{name: "a histogram and its buckets", path: "job/j", body: "h_bucket 1\n# TYPE h histogram\nh_sum 1\n", want: "h_bucket"},
		{name: "a summary and its sum", path: "job/j", body: "s_sum 1\n# TYPE s summary\ns_count 1\n", want: "s_sum"},
		{name: "another type than the gateway's own", path: "job/j", body: "m 1\n", own: map[string]exposition.Type{"m": exposition.Gauge}, want: "gauge"},
		{name: "a part of the gateway's own summary", path: "job/j", body: "s_sum 1\n", own: map[string]exposition.Type{"s": exposition.Summary}, want: "s_sum"},
		{name: "a histogram over the gateway's own", path: "job/j", body: "# TYPE h histogram\nh_sum 1\n", own: map[string]exposition.Type{"h_bucket": exposition.Gauge}, want: "h_bucket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := exposition.Normalize(parseKey(t, c.path), parseBody(t, c.body), exposition.Rules{Own: c.own})
			requireRefusal(t, err, exposition.ErrInconsistent)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
			_, err = exposition.Normalize(parseKey(t, c.path), parseBody(t, c.body), exposition.Rules{Own: c.own, Unchecked: true})
			if (err != nil) != c.always {
				t.Errorf("with the check off: %v", err)
			}
		})
	}
}

func TestNormalizeRefusesTimestamps(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"m 1 5\n", "m{__a=\"1\"} 1\nn 1 0\n", "push_time_seconds 1 5\n"} {
		for _, unchecked := range []bool{false, true} {
			_, err := exposition.Normalize(parseKey(t, "job/j"), parseBody(t, body), exposition.Rules{Unchecked: unchecked})
			requireRefusal(t, err, exposition.ErrTimestamp)
		}
	}
	t.Run("and equal series stay equal whatever their timestamps", func(t *testing.T) {
		t.Parallel()
		_, err := exposition.Normalize(parseKey(t, "job/j"), parseBody(t, "m 1 5\nm 1 6\n"), exposition.Rules{Timestamps: exposition.KeepTimestamps})
		requireRefusal(t, err, exposition.ErrInconsistent)
	})
}

// What only a protobuf push can hold.
func TestNormalizeRefusesMessages(t *testing.T) {
	t.Parallel()
	bad := func(value string) []*dto.LabelPair {
		return []*dto.LabelPair{{Name: proto.String("a"), Value: &value}}
	}
	twice := append(bad("1"), bad("2")...)
	for _, c := range []struct {
		name    string
		message *dto.MetricFamily
	}{
		{"an empty name", gauge("", 1)},
		{"a name beyond the legacy charset", gauge("a.b", 1)},
		{"a name with a leading digit", gauge("1a", 1)},
		{"invalid UTF-8 in a name", gauge("\xff", 1)},
		{"an invalid name without metrics", &dto.MetricFamily{Name: proto.String("a b")}},
		{"invalid UTF-8 in a unit", &dto.MetricFamily{Name: proto.String("m"), Unit: proto.String("\xff")}},
		{"an invalid label name", untyped(&dto.LabelPair{Name: proto.String("a.b")})},
		{"an empty label name", untyped(&dto.LabelPair{})},
		{"the name as a label", untyped(&dto.LabelPair{Name: proto.String("__name__")})},
		{"invalid UTF-8 in a label value", untyped(bad("\xff")...)},
		{"a duplicate label name", untyped(twice...)},
		{"a duplicate label name that the key forces", untyped(&dto.LabelPair{Name: proto.String("job")}, &dto.LabelPair{Name: proto.String("job")})},
		{"le on a histogram", labelled(histogram(&dto.Histogram{}), "le")},
		{"quantile on a summary", labelled(&dto.MetricFamily{Name: proto.String("s"), Type: dto.MetricType_SUMMARY.Enum(), Metric: []*dto.Metric{{Summary: &dto.Summary{}}}}, "quantile")},
		{"NUL in an exemplar", counterWith(&dto.Exemplar{Label: bad("\x00")})},
		{"a duplicate label name in an exemplar", counterWith(&dto.Exemplar{Label: twice})},
		{"invalid UTF-8 in the exemplar of a bucket", histogram(&dto.Histogram{Bucket: []*dto.Bucket{{Exemplar: &dto.Exemplar{Label: bad("\xff")}}}})},
		{"invalid UTF-8 in a native exemplar", histogram(&dto.Histogram{Exemplars: []*dto.Exemplar{{Label: bad("\xff")}}})},
		{"spans for more buckets", histogram(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{{Length: proto.Uint32(1<<32 - 1)}}, PositiveDelta: []int64{1}})},
		{"spans for fewer buckets", histogram(&dto.Histogram{NegativeDelta: []int64{1}})},
		{"spans that overlap", histogram(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{{Length: proto.Uint32(1)}, {Offset: proto.Int32(-1), Length: proto.Uint32(1)}}, PositiveDelta: []int64{1, 1}})},
		{"spans beyond 32 bits", histogram(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(1<<31 - 1), Length: proto.Uint32(1)}}, PositiveDelta: []int64{1}})},
		{"deltas and counts", histogram(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{{Length: proto.Uint32(1)}}, PositiveDelta: []int64{1}, PositiveCount: []float64{1}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			families, err := exposition.FamiliesFromProto([]*dto.MetricFamily{c.message})
			if err != nil {
				t.Fatal(err)
			}
			for _, unchecked := range []bool{false, true} {
				_, err = exposition.Normalize(parseKey(t, "job/j"), families, exposition.Rules{Unchecked: unchecked})
				requireRefusal(t, err, exposition.ErrInconsistent)
			}
		})
	}
}

func TestNormalizeAllowsNamesOfFamiliesToBeRemoved(t *testing.T) {
	t.Parallel()
	families, err := exposition.FamiliesFromProto([]*dto.MetricFamily{
		gauge("h_count", 1), {Name: proto.String("h"), Type: dto.MetricType_HISTOGRAM.Enum()}, {Name: proto.String("le_user"), Type: dto.MetricType_HISTOGRAM.Enum()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exposition.Normalize(parseKey(t, "job/j/le/1"), families, exposition.Rules{}); err != nil {
		t.Error(err)
	}
}

func parseBody(t testing.TB, body string) []exposition.Family {
	t.Helper()
	families, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func untyped(pairs ...*dto.LabelPair) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_UNTYPED.Enum(), Metric: []*dto.Metric{{Label: pairs, Untyped: &dto.Untyped{}}}}
}

func labelled(message *dto.MetricFamily, name string) *dto.MetricFamily {
	message.Metric[0].Label = []*dto.LabelPair{{Name: &name, Value: proto.String("1")}}
	return message
}

func counterWith(e *dto.Exemplar) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String("m"), Metric: []*dto.Metric{{Counter: &dto.Counter{Exemplar: e}}}}
}

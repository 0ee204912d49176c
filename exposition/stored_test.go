package exposition_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// everything has a family of each type with every field set.
func everything() []exposition.Family {
	ms := int64(-1700000000000)
	at := time.Unix(1700000000, 1).UTC()
	exemplar := &exposition.Exemplar{Labels: labels("id", "7"), Value: 0.5, Timestamp: at}
	return []exposition.Family{
		{Name: "a_counter", Type: exposition.Counter, Help: "Help with \"quotes\",\n\\ and ✓.", Unit: "rows", Metrics: []exposition.Metric{
			{Labels: labels("a", "", "b", "\x01\t</script>\u2028"), Value: 1e6, TimestampMs: &ms, Created: time.Unix(-2, 500000000).UTC(), Exemplar: exemplar},
			{Value: math.Inf(1)}, {Labels: labels("x", "1"), Value: math.NaN()}, {Labels: labels("x", "2"), Value: math.Copysign(0, -1)},
		}},
		{Name: "b.gauge", Type: exposition.Gauge, Metrics: []exposition.Metric{{Labels: labels("ü.ö", "1"), Value: -42.5}}},
		{Name: "c_untyped", Metrics: []exposition.Metric{{Value: math.SmallestNonzeroFloat64}, {Labels: labels("x", "1"), Value: math.MaxFloat64}}},
		{Name: "d_summary", Type: exposition.Summary, Metrics: []exposition.Metric{
			{Summary: &exposition.SummaryValue{Count: math.MaxUint64, Sum: 1.5, Quantiles: []exposition.Quantile{{Quantile: 0.5, Value: math.NaN()}, {Quantile: 0.9, Value: 1}}}, Created: time.Unix(0, 0).UTC()},
			{Labels: labels("x", "1"), Summary: &exposition.SummaryValue{}},
		}},
		{Name: "e_histogram", Type: exposition.Histogram, Metrics: []exposition.Metric{
			{Histogram: &exposition.HistogramValue{Count: 3, Sum: 1.5, Buckets: []exposition.Bucket{
				{UpperBound: 2, Count: 2, Exemplar: exemplar}, {UpperBound: 1, Count: 1}, {UpperBound: math.Inf(1), Count: math.MaxUint64},
			}}, Created: at},
			{Labels: labels("x", "1"), Histogram: &exposition.HistogramValue{Float: true, CountFloat: 1.5, Buckets: []exposition.Bucket{{UpperBound: 1, CountFloat: 0.5}}}},
		}},
		{Name: "f_native", Type: exposition.Histogram, Metrics: []exposition.Metric{
			{Histogram: &exposition.HistogramValue{Count: 3, Sum: 1.5, Exemplars: []exposition.Exemplar{*exemplar, {}}, Native: &exposition.NativeHistogram{
				Schema: -4, ZeroThreshold: 0.001, ZeroCount: 1,
				PositiveSpans: []exposition.Span{{Offset: -3, Length: 1}, {Offset: 4, Length: 2}}, PositiveDeltas: []int64{1, -1, math.MaxInt64},
				NegativeSpans: []exposition.Span{{Offset: math.MinInt32, Length: 1}}, NegativeDeltas: []int64{math.MinInt64},
			}}},
			{Labels: labels("x", "1"), Histogram: &exposition.HistogramValue{Native: &exposition.NativeHistogram{PositiveSpans: []exposition.Span{{}}}}},
		}},
		{Name: "g_native_float", Type: exposition.GaugeHistogram, Metrics: []exposition.Metric{
			{Histogram: &exposition.HistogramValue{Float: true, CountFloat: 3, Sum: -1.5, Native: &exposition.NativeHistogram{
				Schema: 3, ZeroCountFloat: 0.5,
				PositiveSpans: []exposition.Span{{Length: 2}}, PositiveCounts: []float64{0.5, 1},
				NegativeSpans: []exposition.Span{{Length: 1}}, NegativeCounts: []float64{1},
			}}},
			{Labels: labels("x", "1"), Histogram: &exposition.HistogramValue{Native: &exposition.NativeHistogram{}}},
		}},
		{Name: "h_removed", Type: exposition.Counter},
	}
}

// The stored form is what databases in use hold: the golden file may gain
// members, but what is in it must be read for ever.
func TestStoredFormStaysTheSame(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "stored.json")
	stored := exposition.AppendFamilies(nil, everything())
	var indented bytes.Buffer
	if err := json.Indent(&indented, stored, "", "  "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(indented.Bytes(), want) {
		t.Errorf("got %s, want %s (UPDATE_GOLDEN=1 writes %s)", &indented, want, golden)
	}
	decoded, err := exposition.DecodeFamilies(want)
	if err != nil {
		t.Fatal(err)
	}
	requireSame(t, decoded, everything())
}

func TestAppendFamiliesAppends(t *testing.T) {
	t.Parallel()
	if got := string(exposition.AppendFamilies([]byte("x"), nil)); got != "x{}" {
		t.Errorf("got %s", got)
	}
}

func TestDecodeFamiliesReadsWhatDatabasesReturn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, stored, want string }{
		{"jsonb's spaces", `{"m": {"type": "gauge", "metrics": [{"value": "1", "labels": {"a": "b"}}]}}`, `{"m":{"type":"gauge","metrics":[{"labels":{"a":"b"},"value":"1"}]}}`},
		{"jsonb's order of families", `{"b":{"type":"gauge","metrics":[]},"aa":{"type":"gauge","metrics":[]}}`, `{"aa":{"type":"gauge","metrics":[]},"b":{"type":"gauge","metrics":[]}}`},
		{"labels in any order", `{"m":{"type":"gauge","metrics":[{"labels":{"b":"1","aa":"2"},"value":"1"}]}}`, `{"m":{"type":"gauge","metrics":[{"labels":{"aa":"2","b":"1"},"value":"1"}]}}`},
		{"the type after the metrics", `{"m":{"metrics":[{"labels":{},"count":"1","sum":"2","quantiles":[["1","2"]]}],"type":"summary"}}`, `{"m":{"type":"summary","metrics":[{"labels":{},"count":"1","sum":"2","quantiles":[["1","2"]]}]}}`},
		{"float after the counts", `{"m":{"type":"histogram","metrics":[{"buckets":[["1","0.5"]],"count":"1.5","native":{"schema":1,"zero_threshold":"0","zero_count":"0.5"},"sum":"0","float":true,"labels":{}}]}}`,
			`{"m":{"type":"histogram","metrics":[{"labels":{},"float":true,"count":"1.5","sum":"0","buckets":[["1","0.5"]],"native":{"schema":1,"zero_threshold":"0","zero_count":"0.5"}}]}}`},
		{"all escapes of JSON", `{"m":{"type":"gauge","help":"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00","metrics":[]}}`, `{"m":{"type":"gauge","help":"\"\\/\u0008\u000c\n\u000d\u0009é😀","metrics":[]}}`},
		{"members of later versions", `{"m":{"type":"gauge","x":{"a":[1,null,{"b":"}]"}],"c":-1.5e3},"metrics":[{"labels":{},"value":"1","y":true,"z":"a\"b"}],"w":7}}`, `{"m":{"type":"gauge","metrics":[{"labels":{},"value":"1"}]}}`},
		{"a family without metrics", `{"m":{"type":"gauge"}}`, `{"m":{"type":"gauge","metrics":[]}}`},
		{"space around it all", " \n\t\r{ } ", `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			families, err := exposition.DecodeFamilies([]byte(c.stored))
			if err != nil {
				t.Fatal(err)
			}
			requireStored(t, families, c.want)
		})
	}
}

func TestDecodeFamiliesRefusesGarbage(t *testing.T) {
	t.Parallel()
	inMetric := func(metric string) string { return `{"m":{"type":"histogram","metrics":[{` + metric + `}]}}` }
	for _, stored := range []string{
		``, `null`, `[]`, `{`, `{}}`, `{} {}`, `{"m"}`, `{"m":}`, `{"m":{}}`, `{"m":null}`, `{"m":{"type":"gauge"},}`, `{,}`,
		`{"m":{"type":"nothing","metrics":[]}}`, `{"m":{"metrics":[]}}`, `{"m":{"type":"gauge"},"m":{"type":"gauge"}}`,
		`{"m":{"type":"gauge","metrics":[{}]}}`, `{"m":{"type":"gauge","metrics":[{"value":1}]}}`, `{"m":{"type":"gauge","metrics":[{"value":"1e400"}]}}`,
		`{"m":{"type":"gauge","metrics":[{"value":"1","labels":{"a":"1","a":"2"}}]}}`, `{"m":{"type":"gauge","metrics":[{"value":"1"},]}}`,
		`{"m":{"type":"gauge","metrics":[{"value":"1","timestamp_ms":"1.5"}]}}`, `{"m":{"type":"gauge","metrics":[{"value":"1","created":"1e9"}]}}`,
		`{"m":{"type":"gauge","metrics":[{"value":"1","created":"9223372036.854775808"}]}}`, `{"m":{"type":"gauge","metrics":[{"value":"1","created":"1.0000000001"}]}}`,
		`{"m":{"type":"gauge","help":"\ud800"}}`, `{"m":{"type":"gauge","help":"\ud800\u0041"}}`, `{"m":{"type":"gauge","help":"\u0000"}}`, `{"m":{"type":"gauge","help":"\x"}}`,
		`{"m":{"type":"gauge","help":"\u12"}}`, `{"m":{"type":"gauge","help":"\`, "{\"m\":{\"type\":\"gauge\",\"help\":\"\n\"}}", "{\"\xff\":{\"type\":\"gauge\"}}", "{\"m\":{\"type\":\"gauge\",\"help\":\"\\n\n\"}}",
		`{"m":{"type":"gauge","x":[}}`, `{"m":{"type":"gauge","x":[1}]}}`, `{"m":{"type":"gauge","x":tru}}`, `{"m":{"type":"gauge","x":"`, `{"m":{"type":"gauge","x":]}}`, `{"m":{"type":"gauge","x":`,
		inMetric(`"sum":"1"`), inMetric(`"count":"1"`), inMetric(`"count":"1.5","sum":"1"`), inMetric(`"count":"-1","sum":"1"`), inMetric(`"float":1,"count":"1","sum":"1"`),
		inMetric(`"count":"1","sum":"1","buckets":[["1"]]`), inMetric(`"count":"1","sum":"1","buckets":[["1","1",1]]`), inMetric(`"count":"1","sum":"1","buckets":{}`),
		inMetric(`"count":"1","sum":"1","native":{"schema":3000000000}`), inMetric(`"count":"1","sum":"1","native":{"positive_spans":[[0,-1]]}`),
		inMetric(`"count":"1","sum":"1","native":{"positive_deltas":[01]}`), inMetric(`"count":"1","sum":"1","native":{"positive_deltas":[1.5]}`), inMetric(`"count":"1","sum":"1","exemplars":[{}]`),
	} {
		families, err := exposition.DecodeFamilies([]byte(stored))
		if err == nil {
			t.Errorf("%s: got %v", stored, families)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: not one line: %q", stored, err)
		}
	}
}

func TestDecodeFamiliesKeepsNothingOfItsInput(t *testing.T) {
	t.Parallel()
	stored := exposition.AppendFamilies(nil, everything())
	families, err := exposition.DecodeFamilies(stored)
	if err != nil {
		t.Fatal(err)
	}
	clear(stored)
	requireSame(t, families, everything())
}

// FuzzStoredRoundTrip pushes messages, which reach every field, and sends what
// comes of them through the stored form.
func FuzzStoredRoundTrip(f *testing.F) {
	for _, message := range everyMessage() {
		f.Add(delimited(f, message), true)
		f.Add(delimited(f, message), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, utf8 bool) {
		families, err := exposition.ParseProtobuf(bytes.NewReader(body), 1<<20)
		if err == nil {
			requireNormalizes(t, families, scheme(utf8))
		}
	})
}

func FuzzDecodeFamilies(f *testing.F) {
	for _, family := range everything() {
		f.Add(exposition.AppendFamilies(nil, []exposition.Family{family}))
	}
	f.Add([]byte(`{"m": {"x": [1, {}], "metrics": [{"value": "\u00e91"}], "type": "gauge"}}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		families, err := exposition.DecodeFamilies(stored)
		if err != nil {
			return
		}
		if !json.Valid(stored) {
			t.Errorf("accepted invalid JSON: %q", stored)
		}
		requireStoredRoundTrip(t, families)
	})
}

// requireNormalizes fails unless a push is either refused with a reason, or
// comes out of the stored form as it went in.
func requireNormalizes(t *testing.T, families []exposition.Family, names exposition.NameScheme) {
	t.Helper()
	before := fmt.Sprintf("%v", describe(families))
	rules := exposition.Rules{Names: names, Timestamps: exposition.KeepTimestamps}
	normalized, err := exposition.Normalize(parseKey(t, "job/j/a/1"), families, rules)
	if after := fmt.Sprintf("%v", describe(families)); before != after {
		t.Errorf("normalizing changed its input from %s to %s", before, after)
	}
	if err != nil {
		requireRefusal(t, err, exposition.ErrInconsistent)
		return
	}
	requireStoredRoundTrip(t, normalized)
	again, err := exposition.Normalize(parseKey(t, "job/j/a/1"), normalized, rules)
	if err != nil {
		t.Fatalf("normalizing twice: %v", err)
	}
	requireSame(t, again, normalized)
}

func requireStoredRoundTrip(t *testing.T, families []exposition.Family) {
	t.Helper()
	stored := exposition.AppendFamilies(nil, families)
	decoded, err := exposition.DecodeFamilies(stored)
	if err != nil {
		t.Fatalf("%s: %v", stored, err)
	}
	requireSame(t, decoded, families)
	reordered := reorder(t, stored)
	decoded, err = exposition.DecodeFamilies(reordered)
	if err != nil {
		t.Fatalf("%s: %v", reordered, err)
	}
	requireSame(t, decoded, families)
}

// reorder does what jsonb does: other whitespace, escapes and order of keys.
func reorder(t *testing.T, stored []byte) []byte {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(stored))
	decoder.UseNumber()
	var generic map[string]any
	if err := decoder.Decode(&generic); err != nil {
		t.Fatalf("%s: %v", stored, err)
	}
	reordered, err := json.MarshalIndent(generic, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return reordered
}

func requireStored(t *testing.T, families []exposition.Family, want string) {
	t.Helper()
	if got := string(exposition.AppendFamilies(nil, families)); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

// requireSame compares to the bit, and takes nil and empty slices for equal.
func requireSame(t *testing.T, got, want []exposition.Family) {
	t.Helper()
	if got, want := describe(got), describe(want); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func describe(families []exposition.Family) string {
	var b strings.Builder
	describeValue(&b, reflect.ValueOf(families))
	return b.String()
}

func describeValue(b *strings.Builder, v reflect.Value) {
	if at, ok := v.Interface().(time.Time); ok {
		fmt.Fprintf(b, "%d/%d ", at.Unix(), at.Nanosecond())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			b.WriteString("nil ")
			return
		}
		b.WriteByte('&')
		describeValue(b, v.Elem())
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			describeValue(b, v.Index(i))
		}
		b.WriteString("] ")
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			describeValue(b, v.Field(i))
		}
		b.WriteString("} ")
	case reflect.Float64:
		fmt.Fprintf(b, "%v:%x ", v.Float(), math.Float64bits(v.Float()))
	default:
		fmt.Fprintf(b, "%q ", fmt.Sprint(v.Interface()))
	}
}

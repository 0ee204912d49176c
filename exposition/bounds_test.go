package exposition_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

const million = 1_000_000

// Bodies of a few megabytes that would take a hundred times as much once they
// are parsed.
func TestParseProtobufRefusesTooManyMessages(t *testing.T) {
	// Not parallel: it counts allocations.
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"families", make([]byte, million+1)},
		{"metrics", familyOf(field(4, nil, million+1))},
		{"labels", familyOf(field(4, field(1, nil, million+1), 1))},
		{"quantiles", familyOf(field(4, field(4, field(3, nil, million+1), 1), 1))},
		{"buckets", familyOf(field(4, field(7, field(3, nil, million+1), 1), 1))},
		{"exemplars of buckets", familyOf(field(4, field(7, field(3, field(3, nil, 1), million/2+1), 1), 1))},
		{"labels of an exemplar", familyOf(field(4, field(3, field(2, field(1, nil, million+1), 1), 1), 1))},
		{"spans", familyOf(field(4, field(7, field(12, nil, million+1), 1), 1))},
		{"native buckets", familyOf(field(4, field(7, field(13, make([]byte, million+1), 1), 1), 1))},
		{"native buckets that are not packed", familyOf(field(4, field(7, bytes.Repeat([]byte{13 << 3, 0}, million+1), 1), 1))},
		{"native buckets of a float histogram", familyOf(field(4, field(7, field(14, make([]byte, 8*million+8), 1), 1), 1))},
		{"metrics of many families", bytes.Repeat(familyOf(field(4, nil, 1000)), 1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := exposition.ParseProtobuf(bytes.NewReader(c.body), 16<<20)
			runtime.ReadMemStats(&after)
			requireRefusal(t, err, exposition.ErrMalformed)
			if !strings.Contains(err.Error(), "push less at once") {
				t.Errorf("got %q", err)
			}
			// Reading the body takes a few times its size.
			if allocated, most := after.TotalAlloc-before.TotalAlloc, 8*uint64(len(c.body)); allocated > most {
				t.Errorf("%d bytes allocated for a body of %d", allocated, len(c.body))
			}
		})
	}
}

func TestParseProtobufCountsOnlyWhatItKeeps(t *testing.T) {
	t.Parallel()
	metric := field(4, field(5, nil, 1), 1) // untyped, as the type 3 below
	for _, c := range []struct {
		name, want string
		family     []byte
	}{
		{"unknown fields", `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"0"}]}}`, append(metric, field(99, nil, million+1)...)},
		{"fields of another wire type", `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"0"}]}}`, append(metric, bytes.Repeat([]byte{4 << 3, 0}, million+1)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			named := append([]byte{1<<3 | 2, 1, 'm', 3 << 3, 3}, c.family...)
			families, err := exposition.ParseProtobuf(bytes.NewReader(familyOf(named)), 16<<20)
			if err != nil {
				t.Fatal(err)
			}
			requireStored(t, families, c.want)
		})
	}
}

func TestParseProtobufTakesLargePushes(t *testing.T) {
	t.Parallel()
	family := &dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_GAUGE.Enum()}
	for i := range 50_000 {
		family.Metric = append(family.Metric, &dto.Metric{
			Label: []*dto.LabelPair{{Name: proto.String("i"), Value: proto.String(fmt.Sprint(i))}}, Gauge: &dto.Gauge{Value: proto.Float64(1)},
		})
	}
	families, err := exposition.ParseProtobuf(bytes.NewReader(delimited(t, family)), 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(families[0].Metrics); n != 50_000 {
		t.Errorf("got %d metrics", n)
	}
	if _, err := exposition.Normalize(parseKey(t, "job/j"), families, exposition.Rules{}); err != nil {
		t.Error(err)
	}
}

func TestParseTextRefusesTooManyLines(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"\n", "#\n"} {
		_, err := exposition.ParseText(strings.NewReader(strings.Repeat(line, million+1)), exposition.LegacyNames)
		requireRefusal(t, err, exposition.ErrMalformed)
		if !strings.Contains(err.Error(), "more than 1000000 lines: push less at once") {
			t.Errorf("%q: got %q", line, err)
		}
	}
	if _, err := exposition.ParseText(strings.NewReader(strings.Repeat("#\n", million)), exposition.LegacyNames); err != nil {
		t.Errorf("a million lines: %v", err)
	}
}

func TestGroupingKeysAreBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		err        error
	}{
		{"a job of 32 KiB", "job/" + strings.Repeat("j", 32<<10), nil},
		{"a job of more", "job/" + strings.Repeat("j", 32<<10+1), exposition.ErrGroupingKey},
		{"labels of 32 KiB and more", "job/j" + strings.Repeat("x", 16<<10) + "/l/" + strings.Repeat("v", 16<<10), exposition.ErrGroupingKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := exposition.ParseGroupingKey(c.path, exposition.LegacyNames)
			if c.err == nil && err != nil {
				t.Fatal(err)
			}
			if c.err != nil {
				requireRefusal(t, err, c.err)
			}
		})
	}
}

// A push of some megabytes must not take gigabytes when it is exposed.
func TestNormalizeBoundsTheExposition(t *testing.T) {
	t.Parallel()
	long, path := strings.Repeat("x", 32<<10), "job/j/l/"
	for _, c := range []struct {
		name, path string
		families   []exposition.Family
		ok         bool
	}{
		{"a long label value in each of many buckets", "job/j", []exposition.Family{histogramOf(2100, long)}, false},
		{"in few buckets", "job/j", []exposition.Family{histogramOf(2000, long)}, true},
		{"a long label value in each of many quantiles", "job/j", []exposition.Family{summaryOf(2100, long)}, false},
		{"in few quantiles", "job/j", []exposition.Family{summaryOf(2000, long)}, true},
		{"a long grouping label in each of many series", path + long[:30_000], []exposition.Family{gaugesOf("g", 2300)}, false},
		{"in few series", path + long[:30_000], []exposition.Family{gaugesOf("g", 2000)}, true},
		{"a long grouping label in families that are many together", path + long[:30_000], []exposition.Family{gaugesOf("a", 1200), gaugesOf("b", 1200)}, false},
		{"a long name of many series", "job/j", []exposition.Family{gaugesOf(long, 2100)}, false},
		{"many series of usual length", "job/backup/instance/db1", []exposition.Family{gaugesOf("backup_rows_total", 50_000)}, true},
		{"a histogram with many buckets", "job/backup/instance/db1", []exposition.Family{histogramOf(50_000, "usual")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, rules := range []exposition.Rules{{}, {Unchecked: true}} {
				_, err := exposition.Normalize(parseKey(t, c.path), c.families, rules)
				if c.ok && err != nil {
					t.Fatal(err)
				}
				if !c.ok {
					requireRefusal(t, err, exposition.ErrInconsistent)
					if !strings.Contains(err.Error(), "more than 64 MiB") {
						t.Errorf("got %q", err)
					}
				}
			}
		})
	}
}

func histogramOf(buckets int, label string) exposition.Family {
	h := &exposition.HistogramValue{Buckets: make([]exposition.Bucket, buckets)}
	for i := range h.Buckets {
		h.Buckets[i].UpperBound = float64(i)
	}
	return exposition.Family{Name: "h", Type: exposition.Histogram, Metrics: []exposition.Metric{
		{Labels: []exposition.Label{{Name: "a", Value: label}}, Histogram: h},
	}}
}

func summaryOf(quantiles int, label string) exposition.Family {
	s := &exposition.SummaryValue{Quantiles: make([]exposition.Quantile, quantiles)}
	for i := range s.Quantiles {
		s.Quantiles[i].Quantile = float64(i)
	}
	return exposition.Family{Name: "s", Type: exposition.Summary, Metrics: []exposition.Metric{
		{Labels: []exposition.Label{{Name: "a", Value: label}}, Summary: s},
	}}
}

func gaugesOf(name string, series int) exposition.Family {
	f := exposition.Family{Name: name, Type: exposition.Gauge, Metrics: make([]exposition.Metric, series)}
	for i := range f.Metrics {
		f.Metrics[i].Labels = []exposition.Label{{Name: "i", Value: fmt.Sprint(i)}}
	}
	return f
}

// familyOf returns the delimited message with the given content.
func familyOf(content []byte) []byte { return protowire.AppendBytes(nil, content) }

// field returns n fields of the number with the content.
func field(number protowire.Number, content []byte, n int) []byte {
	return bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content), n)
}

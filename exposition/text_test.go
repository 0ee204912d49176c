package exposition

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestTextIsWhatExpfmtWrites(t *testing.T) {
	t.Parallel()
	g := newGenerator(1)
	for i := range 2000 {
		key := testKey(t, "job", g.text()+"j", "instance", g.text(), "x", g.text())
		f := g.family(pick(g, "m", "a:b", "my.metric", "ü \"x\"\n"), pick(g, allTypes...), "a", "b.c", "ü")
		var want bytes.Buffer
		if _, err := expfmt.MetricFamilyToText(&want, familyToProto(f, &key)); err != nil {
			t.Fatal(err)
		}
		got := appendTextHeader(nil, &meta{name: f.Name, help: f.Help, typ: f.Type})
		got = appendText(got, &f, &key)
		if string(got) != want.String() {
			t.Fatalf("family %d\ngot  %s\nwant %s", i, got, want.Bytes())
		}
	}
}

func TestTextWithoutLabels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		typ  Type
		want string
	}{
		{"m", Gauge, "m 0\n"},
		{"m", Histogram, "m_bucket{le=\"+Inf\"} 0\nm_sum 0\nm_count 0\n"},
		{"m", Summary, "m_sum 0\nm_count 0\n"},
		{"m.x", Gauge, "{\"m.x\"} 0\n"},
		{"m.x", Histogram, "{\"m.x_bucket\",le=\"+Inf\"} 0\n{\"m.x_sum\"} 0\n{\"m.x_count\"} 0\n"},
	} {
		t.Run(fmt.Sprintf("%s %s", test.typ, test.name), func(t *testing.T) {
			t.Parallel()
			f := Family{Name: test.name, Type: test.typ, Metrics: []Metric{{}}}
			if got := string(appendText(nil, &f, nil)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLabelNamesWithAColonAreQuoted(t *testing.T) {
	t.Parallel()
	if got := string(appendPairs(nil, []Label{{"a", "1"}, {"a:b", "2"}})); got != `a="1","a:b"="2"` {
		t.Error(got)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{
		math.Copysign(0, -1): "0", 0: "0", 1: "1", -1: "-1", 999999: "999999", 1e6: "1e+06", -1e6: "-1e+06",
		123456789: "1.23456789e+08", 0.1: "0.1", 1e-5: "1e-05", math.Inf(1): "+Inf", math.Inf(-1): "-Inf",
	} {
		if got := string(appendNumber(nil, value)); got != want {
			t.Errorf("%g is written as %s, want %s", value, got, want)
		}
	}
	if got := string(appendNumber(nil, math.NaN())); got != "NaN" {
		t.Errorf("NaN is written as %s", got)
	}
}

func FuzzNumber(f *testing.F) {
	f.Add(999999.0)
	f.Add(-0.5)
	f.Fuzz(func(t *testing.T, v float64) {
		want := strconv.FormatFloat(v, 'g', -1, 64)
		if v == 0 {
			want = "0"
		}
		if got := string(appendNumber(nil, v)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestLegacyNamesAreThoseOfTheModel(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, name := range []string{"", string([]byte{byte(c)}), "a" + string([]byte{byte(c)}), string([]byte{byte(c)}) + "a"} {
			if got, want := legacyMetricName(name), model.LegacyValidation.IsValidMetricName(name); got != want {
				t.Errorf("metric name %q: %t, want %t", name, got, want)
			}
			if got, want := legacyLabelName(name), model.LegacyValidation.IsValidLabelName(name); got != want {
				t.Errorf("label name %q: %t, want %t", name, got, want)
			}
		}
	}
}

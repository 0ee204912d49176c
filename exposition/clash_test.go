package exposition

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// simple makes a family with one metric.
func simple(name string, t Type, labels ...string) Family {
	m := Metric{Value: 1, Summary: &SummaryValue{}, Histogram: &HistogramValue{}}
	for i := 0; i < len(labels); i += 2 {
		m.Labels = append(m.Labels, Label{labels[i], labels[i+1]})
	}
	return Family{Name: name, Type: t, Metrics: []Metric{m}}
}

func testGroup(t testing.TB, key GroupingKey, families ...Family) Group {
	t.Helper()
	return Group{Key: key, Families: families, PushTime: time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)}
}

func TestClashingFamiliesAreHiddenUntilItIsResolved(t *testing.T) {
	t.Parallel()
	a, b := testKey(t, "job", "a"), testKey(t, "job", "b")
	twoLines := simple("s", Summary)
	twoLines.Metrics[0].Summary.Quantiles = []Quantile{{0.5, 1}, {0.9, 2}, {0.5, 3}}
	twoBuckets := simple("h", Histogram)
	twoBuckets.Metrics[0].Histogram.Buckets = []Bucket{{UpperBound: 1}, {UpperBound: 1}}
	twice := simple("m", Gauge, "x", "1")
	twice.Metrics = append(twice.Metrics, twice.Metrics[0])
	for _, test := range []struct {
		name   string
		groups []Group
		hidden []string
	}{
		{"groups disagree on the type", []Group{testGroup(t, a, simple("m", Gauge)), testGroup(t, b, simple("m", Counter))}, []string{"m"}},
		{"a histogram beside its count", []Group{testGroup(t, a, simple("h", Histogram)), testGroup(t, b, simple("h_count", Gauge))}, []string{"h", "h_count"}},
		{"a summary beside its sum in one group", []Group{testGroup(t, a, simple("s", Summary), simple("s_sum", Gauge))}, []string{"s", "s_sum"}},
		{"a summary has no buckets", []Group{testGroup(t, a, simple("s", Summary), simple("s_bucket", Gauge))}, nil},
		{"total and created are free", []Group{testGroup(t, a, simple("h", Histogram), simple("h_created", Gauge), simple("h_total", Gauge))}, nil},
		{"one group has a series twice", []Group{testGroup(t, a, twice)}, []string{"m"}},
		{"two groups have one series", []Group{testGroup(t, testKey(t, "job", "a", "x", "1"), simple("m", Gauge)), testGroup(t, a, simple("m", Gauge, "x", "1"))}, []string{"m"}},
		{"an absent instance is an empty one", []Group{testGroup(t, testKey(t, "job", "a", "instance", ""), simple("m", Histogram)), testGroup(t, a, simple("m", Histogram))}, []string{"m"}},
		{"an empty label differs from none", []Group{testGroup(t, testKey(t, "job", "a", "x", ""), simple("m", Gauge)), testGroup(t, a, simple("m", Gauge))}, nil},
		{"a summary with a quantile label", []Group{testGroup(t, testKey(t, "job", "a", "quantile", "1"), simple("s", Summary))}, []string{"s"}},
		{"a histogram with an own le label", []Group{testGroup(t, a, simple("h", Histogram, "le", "1"))}, []string{"h"}},
		{"a quantile given twice", []Group{testGroup(t, a, twoLines)}, []string{"s"}},
		{"a bucket given twice", []Group{testGroup(t, a, twoBuckets)}, []string{"h"}},
		{"a label given twice", []Group{testGroup(t, a, simple("m", Gauge, "x", "1", "x", "2"))}, []string{"m"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := NewState()
			bystander := testGroup(t, testKey(t, "job", "bystander"), simple("up", Gauge))
			s.Apply(Change{Groups: []Group{bystander}})
			s.Apply(Change{Groups: test.groups})
			if got := s.Snapshot().Stats().HiddenFamilies; !slices.Equal(got, test.hidden) {
				t.Errorf("hidden are %v, want %v", got, test.hidden)
			}
			text := write(t, s.Snapshot(), Encoding{})
			for _, name := range test.hidden {
				if strings.Contains(text, "# TYPE "+name+" ") {
					t.Errorf("%s is exposed:\n%s", name, text)
				}
			}
			if !strings.Contains(text, `up{instance="",job="bystander"} 1`) || strings.Count(text, "\npush_time_seconds{") == 0 {
				t.Errorf("a clash hides others:\n%s", text)
			}
			s.Apply(Change{Deleted: []Digest{test.groups[0].Key.Digest()}})
			if got := s.Snapshot().Stats().HiddenFamilies; len(got) > 0 {
				t.Errorf("hidden after the first group went: %v", got)
			}
		})
	}
}

func TestEqualPushTimesAreExposedOnce(t *testing.T) {
	t.Parallel()
	bare, shadow := testGroup(t, testKey(t, "job", "a")), testGroup(t, testKey(t, "job", "a", "instance", ""))
	shadow.PushTime = time.Unix(7, 0)
	s := NewState()
	steps := []struct {
		name   string
		change Change
		want   string
	}{
		{"alone", Change{Groups: []Group{shadow}}, "7"},
		{"beside the group without instance", Change{Groups: []Group{bare}}, "1.7953416e+09"},
		{"when both are pushed", Change{Groups: []Group{bare, shadow}}, "1.7953416e+09"},
		{"when the other is gone", Change{Deleted: []Digest{bare.Key.Digest()}}, "7"},
	}
	for _, step := range steps {
		s.Apply(step.change)
		text := write(t, s.Snapshot(), Encoding{})
		if want := "\npush_time_seconds{instance=\"\",job=\"a\"} " + step.want + "\n"; !strings.HasSuffix(text, want) || strings.Count(text, "\npush_time_seconds{") != 1 {
			t.Errorf("%s: want %s in\n%s", step.name, want, text)
		}
	}
}

func TestShapesAreThoseOfOtherGroups(t *testing.T) {
	t.Parallel()
	s := NewState()
	one, two, other := testKey(t, "job", "a", "x", "1"), testKey(t, "job", "a", "x", "2"), testKey(t, "job", "a")
	s.Apply(Change{Groups: []Group{{Key: one}, {Key: other}}})
	if got := s.Shapes("a", one.Digest()); !slices.Equal(got, []string{other.Shape()}) {
		t.Errorf("got %q", got)
	}
	s.Apply(Change{Groups: []Group{{Key: two}}})
	if got := s.Shapes("a", one.Digest()); !slices.Equal(got, []string{other.Shape(), one.Shape()}) {
		t.Errorf("got %q", got)
	}
	if got := s.Shapes("b", one.Digest()); len(got) > 0 {
		t.Errorf("an unknown job has %q", got)
	}
}

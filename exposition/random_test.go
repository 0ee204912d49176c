package exposition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// generator makes random groups and families. Equal seeds make equal ones.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 0))} }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[E any](g generator, from ...E) E { return from[g.IntN(len(from))] }

func (g generator) value() float64 {
	return pick(g, 0, math.Copysign(0, -1), 1, -1, 42.5, 1e6, 999999, -123456, 1e21, 1e-7, math.MaxFloat64,
		math.NaN(), math.Inf(1), math.Inf(-1), g.NormFloat64(), float64(g.IntN(1e7)))
}

func (g generator) text() string {
	return pick(g, "", "x", "a\\b\n\"c\"", "ünï", "{}=,", "} 1", strings.Repeat("long ", g.IntN(20)))
}

func (g generator) time() time.Time {
	if g.chance(50) {
		return time.Time{}
	}
	return time.Unix(int64(g.IntN(2e9)), int64(g.IntN(1e9))).UTC()
}

func (g generator) exemplar() *Exemplar {
	if g.chance(50) {
		return nil
	}
	return &Exemplar{Labels: []Label{{"trace_id", g.text()}}, Value: g.value(), Timestamp: g.time()}
}

func (g generator) metric(t Type) Metric {
	m := Metric{Value: g.value()}
	if g.chance(10) {
		ms := int64(g.IntN(2e9)) - 1e9
		m.TimestampMs = &ms
	}
	if t == Counter {
		m.Exemplar = g.exemplar()
	}
	if t == Counter || t == Summary || t.isHistogram() {
		m.Created = g.time()
	}
	if t == Summary {
		m.Summary = &SummaryValue{Count: g.Uint64N(2e6), Sum: g.value()}
		for i := range g.IntN(4) {
			m.Summary.Quantiles = append(m.Summary.Quantiles, Quantile{float64(i) / 4, g.value()})
		}
	}
	if t.isHistogram() {
		m.Histogram = g.histogram()
	}
	return m
}

func (g generator) histogram() *HistogramValue {
	h := &HistogramValue{Float: g.chance(30), Sum: g.value()}
	count := func() (uint64, float64) {
		if h.Float {
			return 0, g.Float64() * 1e7
		}
		return g.Uint64N(2e6), 0
	}
	h.Count, h.CountFloat = count()
	for i := range g.IntN(4) {
		b := Bucket{UpperBound: pick(g, float64(i), float64(i)/3), Exemplar: g.exemplar()}
		b.Count, b.CountFloat = count()
		h.Buckets = append(h.Buckets, b)
	}
	if g.chance(30) {
		b := Bucket{UpperBound: math.Inf(1)}
		b.Count, b.CountFloat = count()
		h.Buckets = append(h.Buckets, b)
	}
	if g.chance(30) {
		h.Native = g.native(h.Float)
		h.Exemplars = []Exemplar{{Labels: []Label{{"a", "b"}}, Value: 1, Timestamp: time.Unix(5, 6).UTC()}}
	}
	return h
}

func (g generator) native(float bool) *NativeHistogram {
	n := &NativeHistogram{
		Schema: int32(g.IntN(12)) - 4, ZeroThreshold: g.Float64(),
		NegativeSpans: []Span{{-3, 2}}, PositiveSpans: []Span{{0, 1}, {4, 2}},
	}
	if float {
		n.ZeroCountFloat = g.Float64()
		n.NegativeCounts, n.PositiveCounts = []float64{1, 0.5}, []float64{1, 2, 3}
	} else {
		n.ZeroCount = g.Uint64N(100)
		n.NegativeDeltas, n.PositiveDeltas = []int64{4, -2}, []int64{1, -1, 1 << 40}
	}
	return n
}

// family makes a family without clashes within itself.
func (g generator) family(name string, t Type, labelNames ...string) Family {
	f := Family{Name: name, Type: t, Help: g.text(), Unit: pick(g, "", "seconds")}
	for i := range 1 + g.IntN(3) {
		m := g.metric(t)
		for _, l := range labelNames {
			if g.chance(50) {
				m.Labels = append(m.Labels, Label{l, g.text()})
			}
		}
		m.Labels = append(m.Labels, Label{"zone", fmt.Sprint(i)})
		f.Metrics = append(f.Metrics, m)
	}
	return f
}

var allTypes = []Type{Untyped, Counter, Gauge, Summary, Histogram, GaugeHistogram}

func testKey(t testing.TB, labels ...string) GroupingKey {
	t.Helper()
	m := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	key, err := NewGroupingKey(m, UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// group makes a random group of few jobs, shapes and names, so that groups
// clash often.
func (g generator) group(t testing.TB, foreign bool) Group {
	labels := []string{"job", pick(g, "a", "a/b", "b")}
	for _, name := range []string{"instance", "zone", "x"} {
		if g.chance(30) {
			labels = append(labels, name, pick(g, "", "0", "1"))
		}
	}
	if foreign && g.chance(10) {
		labels = append(labels, pick(g, "x.y", "x:y", "_.name__"), pick(g, "0", "1"))
	}
	group := Group{Key: testKey(t, labels...), PushTime: g.time(), PushFailureTime: g.time()}
	names := []string{"m", "n", "h", "h_count", "s", "s_sum", "k", "x_y", "push_time_seconds"}
	ownLabels := []string{"a_b", "x"}
	if foreign {
		names = append(names, "x.y", "x-y", "ü.count", "h.x", "h_x_sum", "h.x.sum")
		ownLabels = []string{"a.b", "a:b", "a_b", "x"}
	}
	slices.Sort(names)
	for _, name := range names {
		if g.chance(70) {
			continue
		}
		typ := Gauge
		switch {
		case g.chance(10):
			typ = pick(g, allTypes...)
		case name == "h" || name == "h.x":
			typ = Histogram
		case name == "s":
			typ = Summary
		}
		f := g.family(name, typ, ownLabels...)
		f.removeKeyLabels(group.Key)
		if g.chance(3) {
			f.Metrics = append(f.Metrics, f.Metrics[0])
		}
		group.Families = append(group.Families, f)
	}
	return group
}

// removeKeyLabels leaves the own labels and of equal metrics the first.
func (f *Family) removeKeyLabels(key GroupingKey) {
	var metrics []Metric
	for _, m := range f.Metrics {
		m.Labels = slices.DeleteFunc(m.Labels, func(l Label) bool { return hasLabel(key.labels, l.Name) })
		if !slices.ContainsFunc(metrics, func(o Metric) bool { return compareLabels(o.Labels, m.Labels) == 0 }) {
			metrics = append(metrics, m)
		}
	}
	f.Metrics = metrics
}

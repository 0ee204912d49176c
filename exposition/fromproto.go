package exposition

import (
	"cmp"
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// FamiliesFromProto converts messages of client_model, which both parsers
// produce, to families sorted by name. The last of several with one name wins.
// Labels are sorted, NaN loses its payload, and the counts of a histogram
// become all integers or all floats. It returns an ErrInconsistent where a
// metric does not have the value that the type of its family asks for, and for
// times outside the years 1678 to 2261. The result shares no memory with the
// messages that a change of them could reach.
func FamiliesFromProto(messages []*dto.MetricFamily) ([]Family, error) {
	families := make([]Family, 0, len(messages))
	for _, message := range messages {
		f, err := familyFromProto(message)
		if err != nil {
			return nil, err
		}
		families = append(families, f)
	}
	slices.SortStableFunc(families, compareFamilies)
	return lastOfEachName(families), nil
}

func compareFamilies(a, b Family) int { return cmp.Compare(a.Name, b.Name) }

func lastOfEachName(sorted []Family) []Family {
	kept := sorted[:0]
	for i, f := range sorted {
		if i+1 == len(sorted) || sorted[i+1].Name != f.Name {
			kept = append(kept, f)
		}
	}
	return kept
}

func familyFromProto(message *dto.MetricFamily) (Family, error) {
	f := Family{Name: message.GetName(), Help: message.GetHelp(), Unit: message.GetUnit()}
	switch message.GetType() {
	case dto.MetricType_COUNTER:
		f.Type = Counter
	case dto.MetricType_GAUGE:
		f.Type = Gauge
	case dto.MetricType_SUMMARY:
		f.Type = Summary
	case dto.MetricType_UNTYPED:
		f.Type = Untyped
	case dto.MetricType_HISTOGRAM:
		f.Type = Histogram
	case dto.MetricType_GAUGE_HISTOGRAM:
		f.Type = GaugeHistogram
	default:
		return Family{}, inconsistent("metric family %q has the unknown type %d: use one of client_model's types", excerpt(f.Name), message.GetType())
	}
	if len(message.GetMetric()) == 0 {
		return f, nil
	}
	f.Metrics = make([]Metric, 0, len(message.GetMetric()))
	for _, metric := range message.GetMetric() {
		m, err := metricFromProto(f.Type, metric)
		if err != nil {
			return Family{}, inconsistent("metric %s %s", seriesText(f.Name, labelsFromProto(metric.GetLabel())), err)
		}
		f.Metrics = append(f.Metrics, m)
	}
	return f, nil
}

// conversionError says what is wrong with a metric; the caller names it.
type conversionError string

func (e conversionError) Error() string { return string(e) }

const errTimeRange = conversionError("has a created time or exemplar time outside the years 1678 to 2261: leave it out, or correct it")

func metricFromProto(t Type, message *dto.Metric) (Metric, error) {
	m := Metric{Labels: labelsFromProto(message.GetLabel())}
	if message != nil && message.TimestampMs != nil {
		ms := message.GetTimestampMs()
		m.TimestampMs = &ms
	}
	switch {
	case t == Gauge && message.GetGauge() != nil:
		m.Value = plainNaN(message.GetGauge().GetValue())
		return m, nil
	case t == Untyped && message.GetUntyped() != nil:
		m.Value = plainNaN(message.GetUntyped().GetValue())
		return m, nil
	case t == Counter && message.GetCounter() != nil:
		return m, m.setCounter(message.GetCounter())
	case t == Summary && message.GetSummary() != nil:
		return m, m.setSummary(message.GetSummary())
	case t.isHistogram() && message.GetHistogram() != nil:
		return m, m.setHistogram(message.GetHistogram())
	}
	return m, conversionError("is not a " + t.String() + " as the type of its family says: correct the type or the metric")
}

func (m *Metric) setCounter(c *dto.Counter) (err error) {
	m.Value = plainNaN(c.GetValue())
	if m.Created, err = timeFromProto(c.GetCreatedTimestamp()); err != nil {
		return err
	}
	m.Exemplar, err = exemplarFromProto(c.GetExemplar())
	return err
}

func (m *Metric) setSummary(s *dto.Summary) (err error) {
	m.Summary = &SummaryValue{Count: s.GetSampleCount(), Sum: plainNaN(s.GetSampleSum())}
	for _, q := range s.GetQuantile() {
		m.Summary.Quantiles = append(m.Summary.Quantiles, Quantile{plainNaN(q.GetQuantile()), plainNaN(q.GetValue())})
	}
	m.Created, err = timeFromProto(s.GetCreatedTimestamp())
	return err
}

func (m *Metric) setHistogram(h *dto.Histogram) (err error) {
	v := &HistogramValue{Float: isFloatHistogram(h), Sum: plainNaN(h.GetSampleSum())}
	m.Histogram = v
	v.Count, v.CountFloat = v.oneCount(h.GetSampleCount(), h.GetSampleCountFloat())
	if n := len(h.GetBucket()); n > 0 {
		v.Buckets = make([]Bucket, n)
	}
	for i, b := range h.GetBucket() {
		v.Buckets[i].UpperBound = plainNaN(b.GetUpperBound())
		v.Buckets[i].Count, v.Buckets[i].CountFloat = v.oneCount(b.GetCumulativeCount(), b.GetCumulativeCountFloat())
		if v.Buckets[i].Exemplar, err = exemplarFromProto(b.GetExemplar()); err != nil {
			return err
		}
	}
	v.Native = nativeFromProto(v, h)
	for _, message := range h.GetExemplars() {
		e, err := exemplarFromProto(message)
		if err != nil {
			return err
		}
		v.Exemplars = append(v.Exemplars, *e)
	}
	m.Created, err = timeFromProto(h.GetCreatedTimestamp())
	return err
}

// isFloatHistogram reports whether one count at least is a float: they all
// have to be of one kind, as they come from one histogram.
func isFloatHistogram(h *dto.Histogram) bool {
	return overrides(h.GetSampleCountFloat()) || overrides(h.GetZeroCountFloat()) ||
		len(h.GetPositiveCount()) > 0 || len(h.GetNegativeCount()) > 0 ||
		slices.ContainsFunc(h.GetBucket(), func(b *dto.Bucket) bool { return overrides(b.GetCumulativeCountFloat()) })
}

// overrides reports whether a float count counts instead of the integer beside
// it.
func overrides(float float64) bool { return float > 0 || math.IsNaN(float) }

// oneCount returns what a pair of fields of client_model stands for, as a count of
// h's kind: the other one is 0.
func (h *HistogramValue) oneCount(integer uint64, float float64) (uint64, float64) {
	switch {
	case !h.Float:
		return integer, 0
	case overrides(float):
		return 0, plainNaN(float)
	}
	return 0, float64(integer)
}

func nativeFromProto(v *HistogramValue, h *dto.Histogram) *NativeHistogram {
	if h.Schema == nil && h.ZeroThreshold == nil && h.ZeroCount == nil && h.ZeroCountFloat == nil &&
		len(h.PositiveSpan)+len(h.NegativeSpan)+len(h.PositiveDelta)+len(h.NegativeDelta)+
			len(h.PositiveCount)+len(h.NegativeCount) == 0 {
		return nil
	}
	n := &NativeHistogram{
		Schema:         h.GetSchema(),
		ZeroThreshold:  plainNaN(h.GetZeroThreshold()),
		PositiveSpans:  spansFromProto(h.PositiveSpan),
		NegativeSpans:  spansFromProto(h.NegativeSpan),
		PositiveDeltas: cloned(h.PositiveDelta),
		NegativeDeltas: cloned(h.NegativeDelta),
		PositiveCounts: plainNaNs(cloned(h.PositiveCount)),
		NegativeCounts: plainNaNs(cloned(h.NegativeCount)),
	}
	n.ZeroCount, n.ZeroCountFloat = v.oneCount(h.GetZeroCount(), h.GetZeroCountFloat())
	return n
}

func spansFromProto(messages []*dto.BucketSpan) []Span {
	var spans []Span
	for _, s := range messages {
		spans = append(spans, Span{s.GetOffset(), s.GetLength()})
	}
	return spans
}

// cloned returns a copy, nil if it is empty.
func cloned[T any](s []T) []T { return append([]T(nil), s...) }

func exemplarFromProto(message *dto.Exemplar) (*Exemplar, error) {
	if message == nil {
		return nil, nil
	}
	t, err := timeFromProto(message.GetTimestamp())
	if err != nil {
		return nil, err
	}
	return &Exemplar{labelsFromProto(message.GetLabel()), plainNaN(message.GetValue()), t}, nil
}

func labelsFromProto(pairs []*dto.LabelPair) []Label {
	if len(pairs) == 0 {
		return nil
	}
	labels := make([]Label, len(pairs))
	for i, p := range pairs {
		labels[i] = Label{p.GetName(), p.GetValue()}
	}
	return sortedLabels(labels)
}

// sortedLabels sorts labels by name, in place.
func sortedLabels(labels []Label) []Label {
	if !slices.IsSortedFunc(labels, compareNames) {
		slices.SortStableFunc(labels, compareNames)
	}
	return labels
}

func compareNames(a, b Label) int { return cmp.Compare(a.Name, b.Name) }

// timeFromProto returns the zero time for a missing one, and an error for
// times that do not fit into nanoseconds since 1970.
func timeFromProto(message *timestamppb.Timestamp) (time.Time, error) {
	if message == nil {
		return time.Time{}, nil
	}
	// The bounds leave a second at each end, whatever the nanoseconds.
	const maxSeconds = math.MaxInt64/int64(time.Second) - 1
	s, ns := message.GetSeconds(), message.GetNanos()
	if s < -maxSeconds || s > maxSeconds || ns < 0 || ns >= int32(time.Second) {
		return time.Time{}, errTimeRange
	}
	return time.Unix(s, int64(ns)).UTC(), nil
}

// plainNaN gives all NaNs the same bits, so that equal expositions have equal
// bytes.
func plainNaN(v float64) float64 {
	if math.IsNaN(v) {
		return math.NaN()
	}
	return v
}

func plainNaNs(values []float64) []float64 {
	for i, v := range values {
		values[i] = plainNaN(v)
	}
	return values
}

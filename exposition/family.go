package exposition

import "time"

// Type is the type of a metric family.
type Type uint8

// The types of a metric family, as in client_model. Untyped is the zero value.
const (
	Untyped Type = iota
	Counter
	Gauge
	Summary
	Histogram
	GaugeHistogram
)

// Family is a metric family: all metrics of one name in one group.
type Family struct {
	Name string
	Help string
	Unit string
	Type Type
	// Metrics is in the order of the push. It is empty only in a push, where
	// it means that the group's family of that name is to be removed.
	Metrics []Metric
}

// Metric is one metric of a family. Which of Value, Summary and Histogram
// counts is decided by the family's type.
type Metric struct {
	// Labels are sorted by name. After Normalize they are the own labels:
	// those of the grouping key, and an empty instance, are left out.
	Labels []Label
	// TimestampMs is the pushed timestamp, or nil.
	TimestampMs *int64
	// Value is the value of a counter, gauge or untyped metric.
	Value     float64
	Summary   *SummaryValue
	Histogram *HistogramValue
	// Exemplar is that of a counter, or nil.
	Exemplar *Exemplar
	// Created is when a counter, summary or histogram was created, or zero.
	Created time.Time
}

// SummaryValue is the value of a summary.
type SummaryValue struct {
	Count     uint64
	Sum       float64
	Quantiles []Quantile // in the order of the push
}

// Quantile is one quantile of a summary.
type Quantile struct {
	Quantile, Value float64
}

// HistogramValue is the value of a classic, native or mixed histogram.
type HistogramValue struct {
	// Float says which of Count and CountFloat holds the counts, here, in the
	// buckets and in Native.
	Float      bool
	Count      uint64
	CountFloat float64
	Sum        float64
	Buckets    []Bucket // cumulative; in the order of the push
	Native     *NativeHistogram
	Exemplars  []Exemplar
}

// Bucket is one cumulative bucket of a classic histogram.
type Bucket struct {
	UpperBound float64
	Count      uint64
	CountFloat float64
	Exemplar   *Exemplar
}

// NativeHistogram is the native part of a histogram, with the fields of
// client_model's message. Deltas hold the buckets of an integer histogram,
// counts those of a float histogram.
type NativeHistogram struct {
	Schema                         int32
	ZeroThreshold                  float64
	ZeroCount                      uint64
	ZeroCountFloat                 float64
	NegativeSpans, PositiveSpans   []Span
	NegativeDeltas, PositiveDeltas []int64
	NegativeCounts, PositiveCounts []float64
}

// Span is a run of consecutive buckets of a native histogram.
type Span struct {
	Offset int32
	Length uint32
}

// Exemplar is an exemplar of a counter, a bucket or a native histogram.
type Exemplar struct {
	Labels    []Label
	Value     float64
	Timestamp time.Time // zero if there is none
}

// Group is a group as it is stored: what a scrape exposes of it.
type Group struct {
	Key      GroupingKey
	Families []Family // sorted by name
	// PushTime is when the group was last changed with success, and
	// PushFailureTime when a push to it was last refused; zero means never.
	PushTime        time.Time
	PushFailureTime time.Time
	// FamilyTimes has the push time of each family that is older than
	// PushTime.
	FamilyTimes map[string]time.Time

	packed packed // in place of Families, see Unpack
}

// The families that the gateway adds to each group, one gauge each. Pushed
// families of these names are dropped.
const (
	PushTimeName        = "push_time_seconds"
	PushFailureTimeName = "push_failure_time_seconds"
	PushTimeHelp        = "Last Unix time when changing this group in the Pushgateway succeeded."
	PushFailureTimeHelp = "Last Unix time when changing this group in the Pushgateway failed."
)

var typeNames = [...]string{
	Untyped: "untyped", Counter: "counter", Gauge: "gauge",
	Summary: "summary", Histogram: "histogram", GaugeHistogram: "gauge_histogram",
}

// String returns the type's name in lower case, for instance "gauge".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

// ParseType is the inverse of [Type.String]. It reports false for a name that
// is none.
func ParseType(name string) (Type, bool) {
	for t, n := range typeNames {
		if n == name {
			return Type(t), true
		}
	}
	return 0, false
}

// Scalar reports whether metrics of the type have a single value.
func (t Type) Scalar() bool {
	return t == Untyped || t == Counter || t == Gauge
}

// isHistogram reports whether metrics of the type have a HistogramValue.
func (t Type) isHistogram() bool {
	return t == Histogram || t == GaugeHistogram
}

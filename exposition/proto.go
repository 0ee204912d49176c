package exposition

import (
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of io.prometheus.client, named message-field.
const (
	pairName, pairValue                             = 1, 2
	familyName, familyHelp, familyType              = 1, 2, 3
	familyMetric, familyUnit                        = 4, 5
	metricLabel, metricGauge, metricCounter         = 1, 2, 3
	metricSummary, metricUntyped                    = 4, 5
	metricTimestamp, metricHistogram                = 6, 7
	scalarValue, counterExemplar, counterCreated    = 1, 2, 3
	summaryCount, summarySum, summaryQuantile       = 1, 2, 3
	summaryCreated                                  = 4
	quantileQuantile, quantileValue                 = 1, 2
	histogramCount, histogramSum, histogramBucket   = 1, 2, 3
	histogramCountFloat, histogramSchema            = 4, 5
	histogramZeroThreshold, histogramZeroCount      = 6, 7
	histogramZeroCountFloat                         = 8
	histogramNegativeSpan, histogramNegativeDelta   = 9, 10
	histogramNegativeCount                          = 11
	histogramPositiveSpan, histogramPositiveDelta   = 12, 13
	histogramPositiveCount                          = 14
	histogramCreated, histogramExemplar             = 15, 16
	bucketCount, bucketBound, bucketExemplar        = 1, 2, 3
	bucketCountFloat                                = 4
	spanOffset, spanLength                          = 1, 2
	exemplarLabel, exemplarValue, exemplarTimestamp = 1, 2, 3
	timestampSeconds, timestampNanos                = 1, 2
)

// protoTypes are the numbers of the types in io.prometheus.client.MetricType.
var protoTypes = [...]uint64{
	Counter: 0, Gauge: 1, Summary: 2, Untyped: 3, Histogram: 4, GaugeHistogram: 5,
}

// appendProtoHeader appends the start of a delimited MetricFamily whose metric
// fields, which follow, have the given size in bytes.
func appendProtoHeader(dst []byte, m *meta, size int) []byte {
	fields := appendString(nil, familyName, m.name)
	if m.help != "" {
		fields = appendString(fields, familyHelp, m.help)
	}
	fields = appendUint(fields, familyType, protoTypes[m.typ])
	if m.unit != "" {
		fields = appendString(fields, familyUnit, m.unit)
	}
	dst = protowire.AppendVarint(dst, uint64(len(fields)+size))
	return append(dst, fields...)
}

// appendProto appends the metric fields of a family. The metrics get their
// final labels under the key; with a nil key their labels stand as they are.
func appendProto(dst []byte, f *Family, key *GroupingKey) []byte {
	var final [16]Label
	for i := range f.Metrics {
		m := &f.Metrics[i]
		start := len(dst)
		dst = appendLabels(dst, metricLabel, finalLabels(final[:0], key, m.Labels))
		dst = appendMetricValue(dst, f.Type, m)
		if m.TimestampMs != nil {
			dst = appendUint(dst, metricTimestamp, uint64(*m.TimestampMs))
		}
		dst = enclose(dst, start, familyMetric)
	}
	return dst
}

func appendMetricValue(dst []byte, t Type, m *Metric) []byte {
	start := len(dst)
	switch t {
	case Counter:
		dst = appendDouble(dst, scalarValue, m.Value)
		dst = appendExemplar(dst, counterExemplar, m.Exemplar)
		dst = appendTime(dst, counterCreated, m.Created)
		return enclose(dst, start, metricCounter)
	case Gauge:
		return enclose(appendDouble(dst, scalarValue, m.Value), start, metricGauge)
	case Summary:
		return enclose(appendSummary(dst, m), start, metricSummary)
	case Histogram, GaugeHistogram:
		return enclose(appendHistogram(dst, m), start, metricHistogram)
	default:
		return enclose(appendDouble(dst, scalarValue, m.Value), start, metricUntyped)
	}
}

func appendSummary(dst []byte, m *Metric) []byte {
	v := m.Summary
	if v == nil {
		v = &SummaryValue{}
	}
	dst = appendUint(dst, summaryCount, v.Count)
	dst = appendDouble(dst, summarySum, v.Sum)
	for _, q := range v.Quantiles {
		start := len(dst)
		dst = appendDouble(dst, quantileQuantile, q.Quantile)
		dst = appendDouble(dst, quantileValue, q.Value)
		dst = enclose(dst, start, summaryQuantile)
	}
	return appendTime(dst, summaryCreated, m.Created)
}

func appendHistogram(dst []byte, m *Metric) []byte {
	v := m.Histogram
	if v == nil {
		v = &HistogramValue{}
	}
	if v.Float {
		dst = appendDouble(dst, histogramCountFloat, v.CountFloat)
	} else {
		dst = appendUint(dst, histogramCount, v.Count)
	}
	dst = appendDouble(dst, histogramSum, v.Sum)
	for i := range v.Buckets {
		dst = appendBucket(dst, &v.Buckets[i], v.Float)
	}
	if v.Native != nil {
		dst = appendNative(dst, v.Native, v.Float)
	}
	dst = appendTime(dst, histogramCreated, m.Created)
	for i := range v.Exemplars {
		dst = appendExemplar(dst, histogramExemplar, &v.Exemplars[i])
	}
	return dst
}

func appendBucket(dst []byte, b *Bucket, float bool) []byte {
	start := len(dst)
	if float {
		dst = appendDouble(dst, bucketCountFloat, b.CountFloat)
	} else {
		dst = appendUint(dst, bucketCount, b.Count)
	}
	dst = appendDouble(dst, bucketBound, b.UpperBound)
	dst = appendExemplar(dst, bucketExemplar, b.Exemplar)
	return enclose(dst, start, histogramBucket)
}

func appendNative(dst []byte, n *NativeHistogram, float bool) []byte {
	dst = appendUint(dst, histogramSchema, protowire.EncodeZigZag(int64(n.Schema)))
	dst = appendDouble(dst, histogramZeroThreshold, n.ZeroThreshold)
	if float {
		dst = appendDouble(dst, histogramZeroCountFloat, n.ZeroCountFloat)
	} else {
		dst = appendUint(dst, histogramZeroCount, n.ZeroCount)
	}
	dst = appendSpans(dst, histogramNegativeSpan, n.NegativeSpans)
	dst = appendDeltas(dst, histogramNegativeDelta, n.NegativeDeltas)
	dst = appendDoubles(dst, histogramNegativeCount, n.NegativeCounts)
	dst = appendSpans(dst, histogramPositiveSpan, n.PositiveSpans)
	dst = appendDeltas(dst, histogramPositiveDelta, n.PositiveDeltas)
	return appendDoubles(dst, histogramPositiveCount, n.PositiveCounts)
}

func appendSpans(dst []byte, field protowire.Number, spans []Span) []byte {
	for _, s := range spans {
		start := len(dst)
		dst = appendUint(dst, spanOffset, protowire.EncodeZigZag(int64(s.Offset)))
		dst = appendUint(dst, spanLength, uint64(s.Length))
		dst = enclose(dst, start, field)
	}
	return dst
}

// appendDeltas and appendDoubles write unpacked elements: the fields are
// proto2.
func appendDeltas(dst []byte, field protowire.Number, deltas []int64) []byte {
	for _, d := range deltas {
		dst = appendUint(dst, field, protowire.EncodeZigZag(d))
	}
	return dst
}

func appendDoubles(dst []byte, field protowire.Number, values []float64) []byte {
	for _, v := range values {
		dst = appendDouble(dst, field, v)
	}
	return dst
}

func appendExemplar(dst []byte, field protowire.Number, e *Exemplar) []byte {
	if e == nil {
		return dst
	}
	start := len(dst)
	dst = appendLabels(dst, exemplarLabel, e.Labels)
	dst = appendDouble(dst, exemplarValue, e.Value)
	dst = appendTime(dst, exemplarTimestamp, e.Timestamp)
	return enclose(dst, start, field)
}

func appendLabels(dst []byte, field protowire.Number, labels []Label) []byte {
	for _, l := range labels {
		start := len(dst)
		dst = appendString(dst, pairName, l.Name)
		dst = appendString(dst, pairValue, l.Value)
		dst = enclose(dst, start, field)
	}
	return dst
}

// appendTime appends a google.protobuf.Timestamp, unless t is zero.
func appendTime(dst []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	start := len(dst)
	dst = appendUint(dst, timestampSeconds, uint64(t.Unix()))
	dst = appendUint(dst, timestampNanos, uint64(t.Nanosecond()))
	return enclose(dst, start, field)
}

func appendUint(dst []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), v)
}

func appendDouble(dst []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, field, protowire.Fixed64Type), math.Float64bits(v))
}

func appendString(dst []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), v)
}

// enclose turns dst[start:] into a message field: it moves the bytes to make
// room for the tag and the length, which is known only now.
func enclose(dst []byte, start int, field protowire.Number) []byte {
	var prefix [2 * 10]byte
	p := protowire.AppendTag(prefix[:0], field, protowire.BytesType)
	p = protowire.AppendVarint(p, uint64(len(dst)-start))
	dst = append(dst, p...)
	copy(dst[start+len(p):], dst[start:])
	copy(dst[start:], p)
	return dst
}

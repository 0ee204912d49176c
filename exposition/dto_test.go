package exposition

import (
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// familyToProto is what a family under a key is in client_model. It is the
// reference for both encodings.
func familyToProto(f Family, key *GroupingKey) *dto.MetricFamily {
	out := &dto.MetricFamily{Name: &f.Name, Type: protoType(f.Type).Enum()}
	if f.Help != "" {
		out.Help = &f.Help
	}
	if f.Unit != "" {
		out.Unit = &f.Unit
	}
	for _, m := range f.Metrics {
		d := &dto.Metric{Label: protoLabels(finalLabels(nil, key, m.Labels)), TimestampMs: m.TimestampMs}
		switch f.Type {
		case Counter:
			d.Counter = &dto.Counter{Value: &m.Value, Exemplar: protoExemplar(m.Exemplar), CreatedTimestamp: protoTime(m.Created)}
		case Gauge:
			d.Gauge = &dto.Gauge{Value: &m.Value}
		case Untyped:
			d.Untyped = &dto.Untyped{Value: &m.Value}
		case Summary:
			d.Summary = &dto.Summary{SampleCount: &m.Summary.Count, SampleSum: &m.Summary.Sum, CreatedTimestamp: protoTime(m.Created)}
			for _, q := range m.Summary.Quantiles {
				d.Summary.Quantile = append(d.Summary.Quantile, &dto.Quantile{Quantile: &q.Quantile, Value: &q.Value})
			}
		default:
			d.Histogram = protoHistogram(m.Histogram)
			d.Histogram.CreatedTimestamp = protoTime(m.Created)
		}
		out.Metric = append(out.Metric, d)
	}
	return out
}

func protoType(t Type) dto.MetricType {
	return map[Type]dto.MetricType{
		Untyped: dto.MetricType_UNTYPED, Counter: dto.MetricType_COUNTER, Gauge: dto.MetricType_GAUGE, Summary: dto.MetricType_SUMMARY,
		Histogram: dto.MetricType_HISTOGRAM, GaugeHistogram: dto.MetricType_GAUGE_HISTOGRAM,
	}[t]
}

func protoHistogram(h *HistogramValue) *dto.Histogram {
	out := &dto.Histogram{SampleSum: &h.Sum}
	if h.Float {
		out.SampleCountFloat = &h.CountFloat
	} else {
		out.SampleCount = &h.Count
	}
	for _, b := range h.Buckets {
		bucket := &dto.Bucket{UpperBound: &b.UpperBound, Exemplar: protoExemplar(b.Exemplar)}
		if h.Float {
			bucket.CumulativeCountFloat = &b.CountFloat
		} else {
			bucket.CumulativeCount = &b.Count
		}
		out.Bucket = append(out.Bucket, bucket)
	}
	for _, e := range h.Exemplars {
		out.Exemplars = append(out.Exemplars, protoExemplar(&e))
	}
	n := h.Native
	if n == nil {
		return out
	}
	out.Schema, out.ZeroThreshold = &n.Schema, &n.ZeroThreshold
	if h.Float {
		out.ZeroCountFloat = &n.ZeroCountFloat
	} else {
		out.ZeroCount = &n.ZeroCount
	}
	out.NegativeSpan, out.PositiveSpan = protoSpans(n.NegativeSpans), protoSpans(n.PositiveSpans)
	out.NegativeDelta, out.PositiveDelta = n.NegativeDeltas, n.PositiveDeltas
	out.NegativeCount, out.PositiveCount = n.NegativeCounts, n.PositiveCounts
	return out
}

func protoSpans(spans []Span) (out []*dto.BucketSpan) {
	for _, s := range spans {
		out = append(out, &dto.BucketSpan{Offset: proto.Int32(s.Offset), Length: proto.Uint32(s.Length)})
	}
	return out
}

func protoExemplar(e *Exemplar) *dto.Exemplar {
	if e == nil {
		return nil
	}
	return &dto.Exemplar{Label: protoLabels(e.Labels), Value: &e.Value, Timestamp: protoTime(e.Timestamp)}
}

func protoLabels(labels []Label) (out []*dto.LabelPair) {
	for _, l := range labels {
		out = append(out, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
	}
	return out
}

func protoTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

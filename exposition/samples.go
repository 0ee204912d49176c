package exposition

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// Sample is a sample as a scrape exposes it.
type Sample struct {
	// Metric is the name of the series. It is longer than the family's in parts of
	// histograms and summaries, as in backup_seconds_bucket.
	Metric string
	Labels []Label // all of them, sorted by name
	Value  float64
}

// Samples yields the samples of a family under a key, as the text format has them.
// Their labels are valid until the next one.
func Samples(key GroupingKey, f Family) iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		var final []Label
		for i := range f.Metrics {
			m := &f.Metrics[i]
			final = key.FinalLabels(final[:0], m.Labels)
			y := yielder{name: f.Name, labels: final, yield: yield}
			switch {
			case f.Type == Summary:
				y.summary(m.Summary)
			case f.Type.isHistogram():
				y.histogram(m.Histogram)
			default:
				y.one("", m.Value)
			}
			if y.stopped {
				return
			}
		}
	}
}

// yielder yields the samples of a metric.
type yielder struct {
	name    string
	labels  []Label
	further []Label // labels with le or quantile
	yield   func(Sample) bool
	stopped bool
}

func (y *yielder) one(suffix string, value float64) {
	y.stopped = y.stopped || !y.yield(Sample{y.name + suffix, y.labels, value})
}

// with yields a sample with a further label.
func (y *yielder) with(suffix, label string, of, value float64) {
	i, _ := slices.BinarySearchFunc(y.labels, Label{Name: label}, compareNames)
	y.further = append(y.further[:0], y.labels[:i]...)
	y.further = append(y.further, Label{label, string(appendNumber(nil, of))})
	y.further = append(y.further, y.labels[i:]...)
	y.stopped = y.stopped || !y.yield(Sample{y.name + suffix, y.further, value})
}

func (y *yielder) summary(v *SummaryValue) {
	for _, q := range v.Quantiles {
		y.with("", model.QuantileLabel, q.Quantile, q.Value)
	}
	y.one("_sum", v.Sum)
	y.one("_count", float64(v.Count))
}

func (y *yielder) histogram(v *HistogramValue) {
	for _, b := range v.Buckets {
		y.with("_bucket", model.BucketLabel, b.UpperBound, v.count(b.Count, b.CountFloat))
	}
	count := v.count(v.Count, v.CountFloat)
	if !hasInfBucket(v) {
		y.with("_bucket", model.BucketLabel, math.Inf(1), count)
	}
	y.one("_sum", v.Sum)
	y.one("_count", count)
}

// AppendSeries appends the name and the labels of the sample's series in the text
// formats. Empty labels are left out: they are none.
func (s Sample) AppendSeries(dst []byte) []byte {
	quoted := !legacyMetricName(s.Metric)
	if !quoted {
		dst = append(dst, s.Metric...)
	}
	dst = append(dst, '{')
	if quoted {
		dst = appendQuoted(dst, s.Metric)
	}
	for _, l := range s.Labels {
		if l.Value == "" {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = appendPairs(dst, []Label{l})
	}
	return append(dst, '}')
}

// AppendOpenMetrics appends the rest of the sample's line in OpenMetrics: its value,
// and a time to the millisecond.
func (s Sample) AppendOpenMetrics(dst []byte, at time.Time) []byte {
	dst = append(dst, ' ')
	dst = strconv.AppendFloat(dst, s.Value, 'g', -1, 64)
	dst = append(dst, ' ')
	dst = strconv.AppendFloat(dst, float64(at.UnixMilli())/1000, 'f', 3, 64)
	return append(dst, '\n')
}

// Get returns the value of a label, or "" if the sample does not have it.
func (s Sample) Get(name string) string {
	v, _ := lookup(s.Labels, name)
	return v
}

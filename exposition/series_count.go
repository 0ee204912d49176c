package exposition

import "math"

// SeriesCount returns how many series the family has in the text format.
func SeriesCount(f Family) int {
	n := 0
	for i := range f.Metrics {
		n += f.Metrics[i].samples(f.Type)
	}
	return n
}

// samples returns how many samples the metric, of the given type, has in the
// text format.
func (m *Metric) samples(t Type) int {
	switch {
	case t.Scalar():
		return 1
	case t == Summary:
		return len(m.Summary.Quantiles) + 2
	case hasInfBucket(m.Histogram):
		return len(m.Histogram.Buckets) + 2
	}
	return len(m.Histogram.Buckets) + 3
}

func hasInfBucket(h *HistogramValue) bool {
	for i := range h.Buckets {
		if math.IsInf(h.Buckets[i].UpperBound, +1) {
			return true
		}
	}
	return false
}

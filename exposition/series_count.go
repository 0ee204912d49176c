package exposition

import "math"

// SeriesCount returns how many series the family has in the text format.
func SeriesCount(f Family) int {
	switch {
	case f.Type.Scalar():
		return len(f.Metrics)
	case f.Type == Summary:
		n := 0
		for _, m := range f.Metrics {
			n += len(m.Summary.Quantiles) + 2
		}
		return n
	}
	n := 0
	for _, m := range f.Metrics {
		n += len(m.Histogram.Buckets) + 2
		if !hasInfBucket(m.Histogram) {
			n++
		}
	}
	return n
}

func hasInfBucket(h *HistogramValue) bool {
	for _, b := range h.Buckets {
		if math.IsInf(b.UpperBound, +1) {
			return true
		}
	}
	return false
}

// Hidden returns the names of the families that a clash keeps out of the
// exposition, sorted. The caller must not change it.
func (s *Snapshot) Hidden() []string { return s.hidden }

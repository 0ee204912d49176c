package exposition

import "slices"

// clone returns a copy that shares no memory that could change.
func (f *Family) clone() Family {
	c := *f
	c.Metrics = slices.Clone(f.Metrics)
	for i := range c.Metrics {
		m := &c.Metrics[i]
		m.Labels = slices.Clone(m.Labels)
		m.TimestampMs = clonePointer(m.TimestampMs)
		m.Exemplar = m.Exemplar.clone()
		m.Summary = clonePointer(m.Summary)
		if m.Summary != nil {
			m.Summary.Quantiles = slices.Clone(m.Summary.Quantiles)
		}
		m.Histogram = m.Histogram.clone()
	}
	return c
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func (e *Exemplar) clone() *Exemplar {
	e = clonePointer(e)
	if e != nil {
		e.Labels = slices.Clone(e.Labels)
	}
	return e
}

func (h *HistogramValue) clone() *HistogramValue {
	h = clonePointer(h)
	if h == nil {
		return nil
	}
	h.Buckets = slices.Clone(h.Buckets)
	for i := range h.Buckets {
		h.Buckets[i].Exemplar = h.Buckets[i].Exemplar.clone()
	}
	h.Exemplars = slices.Clone(h.Exemplars)
	for i := range h.Exemplars {
		h.Exemplars[i].Labels = slices.Clone(h.Exemplars[i].Labels)
	}
	if n := clonePointer(h.Native); n != nil {
		n.NegativeSpans, n.PositiveSpans = slices.Clone(n.NegativeSpans), slices.Clone(n.PositiveSpans)
		n.NegativeDeltas, n.PositiveDeltas = slices.Clone(n.NegativeDeltas), slices.Clone(n.PositiveDeltas)
		n.NegativeCounts, n.PositiveCounts = slices.Clone(n.NegativeCounts), slices.Clone(n.PositiveCounts)
		h.Native = n
	}
	return h
}

package exposition

import (
	"bytes"
	"math"
	"slices"
)

// maxInherited is how many labels of an earlier line may tell a summary or
// histogram from others: see errMisplaced.
const maxInherited = 64

// compound is what tells the summary or histogram of the line at hand, and
// which part of it the line is. Its lines may be anywhere in the body.
type compound struct {
	// identity is the name of the family, as a label without a name, and the
	// labels but for quantile and le. Where the name stands inside the braces
	// it is the family before, and if that is of another type, identity and
	// bounds are those of the last line that had any: so it is in expfmt, and
	// so series may be mixed up that bodies have in disorder.
	identity  []Label
	inherited int // labels of identity that are from earlier lines
	quantile  float64
	bucket    float64

	places    map[string]metricPlace // by key
	key, last []byte                 // of this line and of the one before
	place     metricPlace            // of last
}

// metricPlace says where a metric is.
type metricPlace struct{ family, metric int }

// emptied returns the memory of c without what it refers to.
func (c *compound) emptied() compound {
	return compound{identity: emptied(c.identity), places: emptiedMap(c.places), key: emptied(c.key), last: emptied(c.last)}
}

// forget drops the bounds: NaN stands for none.
func (c *compound) forget() { c.quantile, c.bucket = math.NaN(), math.NaN() }

// begin begins a line of the family.
func (c *compound) begin(family string) {
	c.identity = append(c.identity[:0], Label{Value: family})
	c.inherited = 0
	c.forget()
}

// inherit begins a line that may be of any family.
func (c *compound) inherit() { c.inherited = len(c.identity) }

func (c *compound) identify(l Label) error {
	if len(c.identity) == 0 || c.inherited > maxInherited {
		return errMisplaced
	}
	c.identity = append(c.identity, l)
	return nil
}

// setBound sets the quantile or bucket of the line.
func (c *compound) setBound(t Type, value []byte) error {
	v, ok := parseFloat(value)
	if !ok {
		return syntax("expected float as value for '%s' label, got %s", reservedLabel(t), quoted(value))
	}
	if t == Summary {
		c.quantile = v
	} else {
		c.bucket = v
	}
	return nil
}

// settle makes the key of the line's metric.
func (c *compound) settle(t Type) error {
	if c.inherited > maxInherited {
		return errMisplaced
	}
	if !slices.IsSortedFunc(c.identity, compareNames) {
		slices.SortStableFunc(c.identity, compareNames)
	}
	if c.inherited > 0 {
		c.identity = lastOfEachLabel(c.identity)
	}
	kind := byte(Summary)
	if t.isHistogram() {
		kind = byte(Histogram)
	}
	c.key = appendIdentity(append(c.key[:0], kind), c.identity)
	return nil
}

func lastOfEachLabel(sorted []Label) []Label {
	kept := sorted[:0]
	for i, l := range sorted {
		if i+1 == len(sorted) || sorted[i+1].Name != l.Name {
			kept = append(kept, l)
		}
	}
	return kept
}

// compoundMetric returns the summary or histogram of the line. If it is a new
// one, it is the current family's.
func (p *textParser) compoundMetric() (*Metric, error) {
	c := &p.compound
	if err := c.settle(p.current()); err != nil {
		return nil, err
	}
	if !bytes.Equal(c.key, c.last) {
		var ok bool
		if c.place, ok = c.places[string(c.key)]; !ok {
			c.place = metricPlace{p.family, len(p.families[p.family].Metrics)}
			c.places[string(c.key)] = c.place
			p.addMetric()
		}
		c.key, c.last = c.last, c.key
	}
	return &p.families[c.place.family].Metrics[c.place.metric], nil
}

func (p *textParser) addToSummary(s *SummaryValue, value float64) *SummaryValue {
	if s == nil {
		s = &SummaryValue{}
	}
	switch {
	case p.part == countPart:
		s.Count = uint64(value)
	case p.part == sumPart:
		s.Sum = value
	case !math.IsNaN(p.compound.quantile):
		s.Quantiles = append(s.Quantiles, Quantile{p.compound.quantile, value})
	}
	return s
}

func (p *textParser) addToHistogram(h *HistogramValue, value float64) (*HistogramValue, error) {
	if h == nil {
		h = &HistogramValue{}
	}
	switch {
	case p.part == countPart:
		return h, h.setCount(&h.Count, &h.CountFloat, value)
	case p.part == sumPart:
		h.Sum = value
	case !math.IsNaN(p.compound.bucket):
		h.Buckets = append(h.Buckets, Bucket{UpperBound: p.compound.bucket})
		b := &h.Buckets[len(h.Buckets)-1]
		return h, h.setCount(&b.Count, &b.CountFloat, value)
	}
	return h, nil
}

// setCount sets one of a pair of counts, and leaves the other one: one float
// makes a float histogram, see unifyCounts.
func (h *HistogramValue) setCount(integer *uint64, float *float64, value float64) error {
	if n := uint64(value); value == float64(n) {
		*integer = n
		return nil
	}
	if value < 0 {
		return syntax("negative count %v in a histogram: counts only grow", value)
	}
	*float, h.Float = value, true
	return nil
}

// unifyCounts gives each float histogram float counts only.
func unifyCounts(metrics []Metric) {
	for i := range metrics {
		h := metrics[i].Histogram
		if !h.Float {
			continue
		}
		h.Count, h.CountFloat = h.oneCount(h.Count, h.CountFloat)
		for j := range h.Buckets {
			b := &h.Buckets[j]
			b.Count, b.CountFloat = h.oneCount(b.Count, b.CountFloat)
		}
	}
}

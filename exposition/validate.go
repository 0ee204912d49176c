package exposition

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// checkTexts refuses a family whose name, help or unit cannot be exposed.
func checkTexts(f Family, scheme NameScheme) error {
	switch {
	case f.Name == "":
		return inconsistent("a metric family has no name: give it one")
	case !validText(f.Name) || !scheme.validation().IsValidMetricName(f.Name):
		return inconsistent("the metric name %q is invalid%s", excerpt(f.Name), metricNameHint(f.Name, scheme))
	case !validText(f.Help):
		return inconsistent("the HELP of %s must be UTF-8 without NUL: %q", excerpt(f.Name), excerpt(f.Help))
	case !validText(f.Unit):
		return inconsistent("the unit of %s must be UTF-8 without NUL: %q", excerpt(f.Name), excerpt(f.Unit))
	}
	return nil
}

func metricNameHint(name string, scheme NameScheme) string {
	switch {
	case !validText(name):
		return ": it must be UTF-8 without NUL"
	case scheme == LegacyNames:
		return ": UTF-8 names need --push.enable-utf8-names, other names consist of letters, digits, _ and :"
	}
	return ""
}

// checkMetrics refuses a family with a metric that could not be exposed.
func checkMetrics(key GroupingKey, f Family, scheme NameScheme) error {
	reserved := reservedLabel(f.Type)
	if _, ok := lookup(key.labels, reserved); ok && reserved != "" && len(f.Metrics) > 0 {
		return inconsistent("the %s %s cannot be in group %s: its samples need the label %s themselves; rename that label in the path",
			f.Type, excerpt(f.Name), excerpt(key.String()), reserved)
	}
	for i := range f.Metrics {
		if err := checkMetric(&f.Metrics[i], f.Type, reserved, scheme); err != nil {
			return inconsistent("metric %s %s", seriesText(f.Name, f.Metrics[i].Labels), err)
		}
	}
	return nil
}

// reservedLabel returns the label that samples of the type get when they are
// exposed, or "".
func reservedLabel(t Type) string {
	switch {
	case t == Summary:
		return model.QuantileLabel
	case t.isHistogram():
		return model.BucketLabel
	}
	return ""
}

func checkMetric(m *Metric, t Type, reserved string, scheme NameScheme) error {
	for _, l := range m.Labels {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			return fmt.Errorf("has the label %q: names that start with __ are reserved; rename it", excerpt(l.Name))
		}
		if l.Name == reserved {
			return fmt.Errorf("must not have the label %q: the samples of a %s get it themselves; rename it", reserved, t)
		}
	}
	if err := checkLabels(m.Labels, scheme); err != nil {
		return err
	}
	if err := checkExemplar(m.Exemplar, scheme); err != nil {
		return err
	}
	switch {
	case t == Summary:
		return checkSummary(m.Summary)
	case t.isHistogram():
		return checkHistogram(m.Histogram, scheme)
	}
	return nil
}

func checkLabels(labels []Label, scheme NameScheme) error {
	for _, l := range labels {
		if !validLabelName(l.Name, scheme) {
			return fmt.Errorf("has the invalid label name %q%s", excerpt(l.Name), nameHint(l.Name, scheme))
		}
		if !validText(l.Value) {
			return fmt.Errorf("has the label value %s=%q, which must be UTF-8 without NUL", excerpt(l.Name), excerpt(l.Value))
		}
	}
	return nil
}

func checkExemplar(e *Exemplar, scheme NameScheme) error {
	if e == nil {
		return nil
	}
	if name, ok := repeatedName(e.Labels); ok {
		return fmt.Errorf("has an exemplar that %w", repeatedLabel(name))
	}
	if err := checkLabels(e.Labels, scheme); err != nil {
		return fmt.Errorf("has an exemplar that %w", err)
	}
	return nil
}

func repeatedLabel(name string) error {
	return fmt.Errorf("has the label %q twice: give each label one value", excerpt(name))
}

func checkSummary(s *SummaryValue) error {
	quantiles := func(i int) float64 { return s.Quantiles[i].Quantile }
	if q, ok := repeated(len(s.Quantiles), quantiles); ok {
		return fmt.Errorf("has the quantile %v twice: push it once", q)
	}
	return nil
}

func checkHistogram(h *HistogramValue, scheme NameScheme) error {
	bounds := func(i int) float64 { return h.Buckets[i].UpperBound }
	if le, ok := repeated(len(h.Buckets), bounds); ok {
		return fmt.Errorf("has the bucket le=\"%v\" twice: push it once", le)
	}
	for i := range h.Buckets {
		if err := checkExemplar(h.Buckets[i].Exemplar, scheme); err != nil {
			return err
		}
	}
	for i := range h.Exemplars {
		if err := checkExemplar(&h.Exemplars[i], scheme); err != nil {
			return err
		}
	}
	if h.Native == nil {
		return nil
	}
	if err := checkBuckets("positive", h.Native.PositiveSpans, h.Native.PositiveDeltas, h.Native.PositiveCounts, h.Float); err != nil {
		return err
	}
	return checkBuckets("negative", h.Native.NegativeSpans, h.Native.NegativeDeltas, h.Native.NegativeCounts, h.Float)
}

// repeated returns a value that occurs twice among those of at, as they are
// exposed: all NaNs are one, and so are 0 and -0.
func repeated(n int, at func(int) float64) (float64, bool) {
	ascending := true
	for i := 1; i < n && ascending; i++ {
		ascending = at(i-1) < at(i)
	}
	if ascending {
		return 0, false
	}
	sorted := make([]float64, n)
	for i := range sorted {
		sorted[i] = at(i)
	}
	slices.Sort(sorted)
	for i := 1; i < n; i++ {
		if cmp.Compare(sorted[i-1], sorted[i]) == 0 {
			return sorted[i], true
		}
	}
	return 0, false
}

// checkBuckets refuses native buckets that do not fit their spans: whoever
// walks along the spans, here or in Prometheus, relies on it.
func checkBuckets(side string, spans []Span, deltas []int64, counts []float64, float bool) error {
	buckets := len(deltas)
	if float {
		buckets = len(counts)
		if len(deltas) > 0 {
			return fmt.Errorf("is a float histogram with %s deltas: give it %s counts", side, side)
		}
	}
	var length, index int64
	for i, s := range spans {
		if i > 0 && s.Offset < 0 {
			return fmt.Errorf("has a %s span that overlaps the one before it: correct its offset %d", side, s.Offset)
		}
		length += int64(s.Length)
		index += int64(s.Offset) + int64(s.Length)
		if length > int64(buckets) || index > math.MaxInt32 || index < math.MinInt32 {
			break
		}
	}
	if length != int64(buckets) {
		return fmt.Errorf("has %d %s buckets, but spans for another number: make them agree", buckets, side)
	}
	if index > math.MaxInt32 || index < math.MinInt32 {
		return fmt.Errorf("has %s spans beyond the 32 bits of a bucket index: correct their offsets", side)
	}
	return nil
}

package exposition

import (
	"math"
	"strconv"

	"github.com/prometheus/common/model"
)

// appendTextHeader appends a family's HELP, unless it is empty, and TYPE in
// text format 0.0.4.
func appendTextHeader(dst []byte, m *meta) []byte {
	if m.help != "" {
		dst = append(dst, "# HELP "...)
		dst = appendMetricName(dst, m.name, "")
		dst = append(dst, ' ')
		dst = appendHelp(dst, m.help)
		dst = append(dst, '\n')
	}
	dst = append(dst, "# TYPE "...)
	dst = appendMetricName(dst, m.name, "")
	dst = append(dst, ' ')
	if m.typ.isHistogram() {
		return append(dst, "histogram\n"...) // the format has no gauge histograms
	}
	dst = append(dst, m.typ.String()...)
	return append(dst, '\n')
}

// appendText appends the samples of a family in text format 0.0.4. The metrics
// get their final labels under the key; with a nil key their labels stand as
// they are.
func appendText(dst []byte, f *Family, key *GroupingKey) []byte {
	var final [16]Label
	var pairs [512]byte
	s := samples{name: f.Name, quoted: !legacyMetricName(f.Name)}
	for i := range f.Metrics {
		m := &f.Metrics[i]
		s.pairs = appendPairs(pairs[:0], finalLabels(final[:0], key, m.Labels))
		s.timestamp = m.TimestampMs
		switch f.Type {
		case Summary:
			dst = s.appendSummary(dst, m.Summary)
		case Histogram, GaugeHistogram:
			dst = s.appendHistogram(dst, m.Histogram)
		default:
			dst = s.append(dst, "", m.Value)
		}
	}
	return dst
}

func finalLabels(dst []Label, key *GroupingKey, own []Label) []Label {
	if key == nil {
		return append(dst, own...)
	}
	return key.FinalLabels(dst, own)
}

// samples writes the samples of one metric.
type samples struct {
	name      string
	quoted    bool   // the name stands quoted inside the braces
	pairs     []byte // the label pairs, without braces
	timestamp *int64
}

func (s *samples) appendSummary(dst []byte, v *SummaryValue) []byte {
	if v == nil {
		v = &SummaryValue{}
	}
	for _, q := range v.Quantiles {
		dst = s.appendWith(dst, "", model.QuantileLabel, q.Quantile, q.Value)
	}
	dst = s.append(dst, "_sum", v.Sum)
	return s.append(dst, "_count", float64(v.Count))
}

func (s *samples) appendHistogram(dst []byte, v *HistogramValue) []byte {
	if v == nil {
		v = &HistogramValue{}
	}
	for _, b := range v.Buckets {
		dst = s.appendWith(dst, "_bucket", model.BucketLabel, b.UpperBound, v.count(b.Count, b.CountFloat))
	}
	count := v.count(v.Count, v.CountFloat)
	if !hasInfBucket(v) {
		dst = s.appendWith(dst, "_bucket", model.BucketLabel, math.Inf(1), count)
	}
	dst = s.append(dst, "_sum", v.Sum)
	return s.append(dst, "_count", count)
}

// count returns the one of two counts that holds.
func (h *HistogramValue) count(integer uint64, float float64) float64 {
	if h.Float {
		return float
	}
	return float64(integer)
}

// append appends one sample of the series name+suffix.
func (s *samples) append(dst []byte, suffix string, value float64) []byte {
	dst = s.appendSeries(dst, suffix)
	return s.appendValue(dst, value)
}

// appendWith appends one sample with a further label, last.
func (s *samples) appendWith(dst []byte, suffix, label string, labelValue, value float64) []byte {
	dst = s.appendOpen(dst, suffix)
	if len(s.pairs) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, label...)
	dst = append(dst, `="`...)
	dst = appendNumber(dst, labelValue)
	dst = append(dst, `"} `...)
	return s.appendValue(dst, value)
}

// appendSeries appends all of a sample that stands before its value. No two
// samples of a valid exposition agree in it.
func (s *samples) appendSeries(dst []byte, suffix string) []byte {
	if len(s.pairs) == 0 && !s.quoted {
		dst = appendMetricName(dst, s.name, suffix)
		return append(dst, ' ')
	}
	dst = s.appendOpen(dst, suffix)
	if len(s.pairs) == 0 {
		dst = dst[:len(dst)-1] // the comma after the quoted name
	}
	return append(dst, "} "...)
}

// appendOpen appends the name, the opening brace and the label pairs.
func (s *samples) appendOpen(dst []byte, suffix string) []byte {
	if s.quoted {
		dst = append(dst, '{')
		dst = appendMetricName(dst, s.name, suffix)
		dst = append(dst, ',')
	} else {
		dst = append(dst, s.name...)
		dst = append(dst, suffix...)
		dst = append(dst, '{')
	}
	return append(dst, s.pairs...)
}

func (s *samples) appendValue(dst []byte, value float64) []byte {
	dst = appendNumber(dst, value)
	if s.timestamp != nil {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, *s.timestamp, 10)
	}
	return append(dst, '\n')
}

func appendPairs(dst []byte, labels []Label) []byte {
	for i, l := range labels {
		if i > 0 {
			dst = append(dst, ',')
		}
		if legacyLabelName(l.Name) {
			dst = append(dst, l.Name...)
		} else {
			dst = appendQuoted(dst, l.Name)
		}
		dst = append(dst, '=')
		dst = appendQuoted(dst, l.Value)
	}
	return dst
}

// appendMetricName appends the name as it is if it is of the legacy charset,
// and quoted otherwise.
func appendMetricName(dst []byte, name, suffix string) []byte {
	if legacyMetricName(name) {
		dst = append(dst, name...)
		return append(dst, suffix...)
	}
	dst = appendQuoted(dst, name)
	dst = append(dst[:len(dst)-1], suffix...)
	return append(dst, '"')
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		switch s[i] {
		case '\\', '"':
			dst = append(append(dst, s[start:i]...), '\\', s[i])
		case '\n':
			dst = append(append(dst, s[start:i]...), '\\', 'n')
		default:
			continue
		}
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// appendHelp appends s with the escapes of HELP, where quotes stand as they
// are.
func appendHelp(dst []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '\\':
			dst = append(dst, `\\`...)
		case '\n':
			dst = append(dst, `\n`...)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// appendNumber appends v in Go's shortest form. Negative zero is 0, as
// Pushgateway 1.11 prints it.
func appendNumber(dst []byte, v float64) []byte {
	switch {
	case v == 0:
		return append(dst, '0')
	case v == math.Trunc(v) && math.Abs(v) < 1e6:
		// Same digits as AppendFloat writes, at a third of its price.
		return strconv.AppendInt(dst, int64(v), 10)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// legacyBytes says of each byte where in names of the legacy charset it may be.
var legacyBytes = func() (t [256]struct{ label, metric, later bool }) {
	for c := range t {
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		digit := '0' <= c && c <= '9'
		t[c].label = letter
		t[c].metric = letter || c == ':'
		t[c].later = letter || digit
	}
	return t
}()

// legacyMetricName and legacyLabelName are model.LegacyValidation, which is
// slower: every label of every series is looked at when it is rendered.
func legacyMetricName(name string) bool {
	for i := range len(name) {
		b := &legacyBytes[name[i]]
		if !b.metric && (i == 0 || !b.later) {
			return false
		}
	}
	return name != ""
}

func legacyLabelName(name string) bool {
	for i := range len(name) {
		b := &legacyBytes[name[i]]
		if !b.label && (i == 0 || !b.later) {
			return false
		}
	}
	return name != ""
}

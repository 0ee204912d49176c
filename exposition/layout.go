package exposition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Most groups change in nothing but their numbers: what is stored for them, and
// what they expose, are the same texts as before with other numbers in them. A
// layout is those texts. A group whose stored JSON has a known layout is neither
// decoded nor rendered at once: the numbers are cut out of the one text, and
// are put into the other when the group gets into a leaf.

// layout is what groups have in common that have the same families, metrics and
// labels, and whose keys have the same label names. It is immutable.
//
// The numbers of a group are counted in the order of its JSON. After them come
// the two push times and then, though they are none, the values of the key's
// labels.
type layout struct {
	shape string // of the keys
	// The stored JSON is literals[0], a number, literals[1], and so on.
	literals []string
	isCount  []bool // of the numbers in it
	// families are what such a group exposes, push times included, by name. The
	// numbers in them mean nothing.
	families []Family
	texts    []template // of the families
}

// template is the text of a family in a group. A line break follows the last
// piece.
type template []piece

// piece is a text and which of the group's numbers follows it.
type piece struct {
	text string
	then int
}

// append appends the text with the numbers of a group.
func (t template) append(dst []byte, n numbers) []byte {
	for i := range t {
		dst = append(dst, t[i].text...)
		dst = append(dst, n.at(t[i].then)...)
	}
	return append(dst, '\n')
}

// maxLayout is how many bytes of JSON may have a layout.
const maxLayout = 16 << 10

// newLayout returns the layout of a group with these families, or nil if it has
// none: with anything but plain samples, with names that are escaped, or when it
// is large. The texts are found by writing families with odd numbers, which tell
// which ones they are.
func newLayout(key GroupingKey, families []Family) *layout {
	if len(key.labels) > 'Z'-'A' || !legacyLabels(key.labels) || slices.ContainsFunc(families, hasNoLayout) {
		return nil
	}
	json := string(AppendFamilies(nil, families))
	if len(json) > maxLayout || strings.Contains(json, oddFloat) || strings.Contains(json, oddCount) {
		return nil
	}
	l := &layout{shape: key.Shape()}
	odd := oddNumbers{}
	for i := range families {
		l.families = append(l.families, families[i].clone())
		odd.put(&l.families[i])
	}
	l.isCount = odd.isCount
	stored, last := cutOdd(string(AppendFamilies(nil, l.families)), 0)
	for _, p := range stored {
		l.literals = append(l.literals, p.text)
	}
	l.literals = append(l.literals, last)

	l.families = appendPushTimes(l.families, time.Time{}, time.Time{})
	for i := range 2 {
		odd.put(&l.families[len(families)+i])
	}
	slices.SortFunc(l.families, compareFamilies)
	oddKey := GroupingKey{labels: slices.Clone(key.labels)}
	for i := range oddKey.labels {
		oddKey.labels[i].Value = oddLabel + string(rune('A'+i))
	}
	for i := range l.families {
		text, _ := cutOdd(string(appendText(nil, &l.families[i], &oddKey)), len(odd.isCount))
		l.texts = append(l.texts, text)
	}
	return l
}

// hasNoLayout reports whether a family has something that layouts do not have.
func hasNoLayout(f Family) bool {
	if len(f.Metrics) == 0 || isPushTime(f.Name) || isForeign(&f) {
		return true
	}
	return slices.ContainsFunc(f.Metrics, func(m Metric) bool {
		h := m.Histogram
		return m.TimestampMs != nil || m.Exemplar != nil || !m.Created.IsZero() ||
			h != nil && (h.Float || h.Native != nil || len(h.Exemplars) > 0 ||
				slices.ContainsFunc(h.Buckets, func(b Bucket) bool { return b.Exemplar != nil }))
	})
}

// Odd numbers have an index in four of their digits. That of the float
// 8.05040312341e+299 is 1234, as is that of the count 805040312341, which is
// 8.05040312341e+11 in the text.
const (
	oddFloat = "8.050403"
	oddCount = "8050403"
	oddLabel = "\x00" // and a letter for the index; it is in no valid text
)

// oddNumbers counts the odd numbers that it puts.
type oddNumbers struct{ isCount []bool }

// put puts the next odd numbers in place of a family's numbers.
func (o *oddNumbers) put(f *Family) {
	for i := range f.Metrics {
		m := &f.Metrics[i]
		switch {
		case f.Type == Summary:
			o.count(&m.Summary.Count)
			o.float(&m.Summary.Sum)
			for i := range m.Summary.Quantiles {
				o.float(&m.Summary.Quantiles[i].Value)
			}
		case f.Type.isHistogram():
			o.count(&m.Histogram.Count)
			o.float(&m.Histogram.Sum)
			for i := range m.Histogram.Buckets {
				o.count(&m.Histogram.Buckets[i].Count)
			}
		default:
			o.float(&m.Value)
		}
	}
}

func (o *oddNumbers) float(v *float64) {
	// It cannot fail with so few digits: JSON of maxLayout has less than 9999 numbers.
	*v, _ = strconv.ParseFloat(fmt.Sprintf("%s%04d1e+299", oddFloat, len(o.isCount)), 64)
	o.isCount = append(o.isCount, false)
}

func (o *oddNumbers) count(v *uint64) {
	*v, _ = strconv.ParseUint(fmt.Sprintf("%s%04d1", oddCount, len(o.isCount)), 10, 64)
	o.isCount = append(o.isCount, true)
}

// cutOdd cuts a text at its odd numbers. It returns what is before each of them,
// with the index, and what is after the last one. The indices of labels are
// counted from firstLabel on.
func cutOdd(text string, firstLabel int) (pieces []piece, last string) {
	start := 0
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case rest[0] == oddLabel[0]:
			pieces = append(pieces, piece{text[start:i], firstLabel + int(rest[1]-'A')})
			i += 2
		case strings.HasPrefix(rest, oddFloat), strings.HasPrefix(rest, oddCount):
			digits := strings.IndexByte(rest, '3') + 1
			index, _ := strconv.Atoi(rest[digits : digits+4])
			pieces = append(pieces, piece{text[start:i], index})
			i += digits + 4 + strings.IndexAny(rest[digits+4:], "\"\n")
		default:
			i++
			continue
		}
		start = i
	}
	return pieces, text[start:]
}

package exposition

import (
	"bytes"
	"slices"
)

// familyMarks say what the body has told of a family.
type familyMarks struct{ help, typ bool }

// part is what a name stands for in its family.
type part uint8

const (
	wholePart part = iota
	bucketPart
	countPart
	sumPart
)

// enter makes the family that a name stands for the current one.
func (p *textParser) enter(name []byte, inQuotes bool) error {
	if p.family != none && bytes.Equal(name, p.name) {
		return nil
	}
	if len(name) == 0 || inQuotes && !p.scheme.validation().IsValidMetricName(string(name)) {
		return p.invalidName("metric", name)
	}
	p.name = append(p.name[:0], name...)
	p.family, p.part = p.find(p.name)
	if p.family == none {
		p.family = p.addFamily(p.name)
	}
	return nil
}

// enterSample is enter for the name of a sample: without a TYPE line before,
// it says that the family is untyped.
func (p *textParser) enterSample(name []byte, inQuotes bool) error {
	err := p.enter(name, inQuotes)
	if err == nil {
		p.marks[p.family].typ = true
	}
	return err
}

// find returns the family that a name stands for, as far as there is one. What
// it finds once it finds for the rest of the body.
func (p *textParser) find(name []byte) (int, part) {
	if i, ok := p.names[string(name)]; ok {
		return i, wholePart
	}
	base, part := cutPart(name)
	if i, ok := p.names[string(base)]; ok && part != wholePart {
		if t := p.families[i].Type; t.isHistogram() || t == Summary && part != bucketPart {
			return i, part
		}
	}
	return none, wholePart
}

// cutPart returns the name of the family that would have name as a part.
func cutPart(name []byte) (base []byte, _ part) {
	if base, ok := bytes.CutSuffix(name, []byte("_bucket")); ok {
		return base, bucketPart
	}
	if base, ok := bytes.CutSuffix(name, []byte("_count")); ok {
		return base, countPart
	}
	if base, ok := bytes.CutSuffix(name, []byte("_sum")); ok {
		return base, sumPart
	}
	return name, wholePart
}

func (p *textParser) addFamily(name []byte) int {
	p.closeMetrics()
	f := Family{Name: p.texts.copy(name)}
	p.names[f.Name] = len(p.families)
	p.families = append(p.families, f)
	p.marks = append(p.marks, familyMarks{})
	return len(p.families) - 1
}

func (p *textParser) readHelp() error {
	f, marks := &p.families[p.family], &p.marks[p.family]
	if marks.help {
		return syntax("second HELP line for metric name %q", excerpt(f.Name))
	}
	text, err := p.readRest()
	if err != nil {
		return err
	}
	f.Help, marks.help = p.texts.copy(text), true
	return nil
}

func (p *textParser) readType() error {
	f, marks := &p.families[p.family], &p.marks[p.family]
	if marks.typ {
		return syntax("second TYPE line for metric name %q, or TYPE reported after samples", excerpt(f.Name))
	}
	t, ok := typeOf(p.line[p.at:])
	if !ok {
		return syntax("unknown metric type %s: use counter, gauge, histogram, summary or untyped", quoted(p.line[p.at:]))
	}
	f.Type, marks.typ = t, true
	return nil
}

// addSample adds the sample of the current line to its metric.
func (p *textParser) addSample(value float64) (*Metric, error) {
	t := p.current()
	if t.Scalar() {
		m := p.addMetric()
		m.Value = value
		return m, nil
	}
	m, err := p.compoundMetric()
	switch {
	case err != nil:
	case t == Summary:
		m.Summary = p.addToSummary(m.Summary, value)
	default:
		m.Histogram, err = p.addToHistogram(m.Histogram, value)
	}
	return m, err
}

// addMetric adds a metric with the labels of the line to the current family.
// Metrics of a family mostly follow each other, so that they get all the room
// there is, and leave what they do not need to the next family. Those
// that come later have to move.
func (p *textParser) addMetric() *Metric {
	f := &p.families[p.family]
	if p.open != p.family {
		p.closeMetrics()
		if len(f.Metrics) == 0 {
			f.Metrics, p.open = p.metrics, p.family
		}
	}
	n := len(f.Metrics)
	if n == cap(f.Metrics) {
		f.Metrics = append(make([]Metric, 0, n+p.room(n)), f.Metrics...)
	}
	p.left--
	f.Metrics = f.Metrics[:n+1]
	f.Metrics[n].Labels = p.keepLabels(n)
	return &f.Metrics[n]
}

// room returns for how many more metrics the current family, which has n, is to
// get room: all that may still come, if they follow each other.
func (p *textParser) room(n int) int {
	const shortest = len("m 1\n")
	room := min(p.left, p.body.Len()/shortest)
	if p.open != p.family {
		room = min(room, n)
	}
	return max(room, n/4, 1)
}

func (p *textParser) closeMetrics() {
	if p.open == none {
		return
	}
	f := &p.families[p.open]
	p.metrics = f.Metrics[len(f.Metrics):]
	f.Metrics = slices.Clip(f.Metrics)
	p.open = none
}

// keepLabels returns the labels of the line for the metric i of the current
// family. Families that follow each other often have the same ones.
func (p *textParser) keepLabels(i int) []Label {
	if len(p.sorted) == 0 {
		return nil
	}
	if p.family > 0 {
		before := p.families[p.family-1].Metrics
		if i < len(before) && slices.Equal(before[i].Labels, p.sorted) {
			return before[i].Labels
		}
	}
	labels := p.labels.cut(len(p.sorted))
	copy(labels, p.sorted)
	return labels
}

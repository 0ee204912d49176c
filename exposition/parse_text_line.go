package exposition

import (
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
)

func (p *textParser) readLine() error {
	p.skipBlanks()
	switch p.here() {
	case '\n':
		return nil
	case '#':
		p.at++
		return p.readComment()
	}
	if err := p.readSeries(); err != nil {
		return err
	}
	p.skipBlanks()
	return p.readValue()
}

// readSeries reads the name and the labels of a sample.
func (p *textParser) readSeries() error {
	if p.here() == '{' {
		p.beginLabels(true)
		return p.readLabels(true)
	}
	name, inQuotes, err := p.readName(metricName)
	switch {
	case err != nil:
		return err
	case len(name) == 0 && !inQuotes:
		return p.invalidName("metric", p.word())
	}
	if err := p.enterSample(name, inQuotes); err != nil {
		return err
	}
	p.skipBlanks()
	p.beginLabels(false)
	if p.here() != '{' {
		return nil
	}
	return p.readLabels(false)
}

// readComment reads a line after its #.
func (p *textParser) readComment() error {
	p.skipBlanks()
	keyword := string(p.word())
	if keyword != "HELP" && keyword != "TYPE" {
		return nil
	}
	p.skipBlanks()
	start := p.at
	name, inQuotes, err := p.readName(metricName)
	switch {
	case err != nil:
		return err
	case p.at == len(p.line):
		return nil
	case !isBlank(p.here()):
		p.word()
		return p.invalidName("metric", p.line[start:p.at])
	}
	if err := p.enter(name, inQuotes); err != nil {
		return err
	}
	p.skipBlanks()
	switch {
	case p.at == len(p.line):
		return nil
	case keyword == "HELP":
		return p.readHelp()
	}
	return p.readType()
}

// beginLabels forgets the labels of the line before. If the name comes inside
// the braces, the current family is still that of the line before, and labels
// that precede the name are read as if they were of that one.
func (p *textParser) beginLabels(nameInside bool) {
	p.pairs, p.before, p.sorted = p.before[:0], p.pairs, nil
	switch {
	case !p.current().Scalar():
		p.compound.begin(p.families[p.family].Name)
	case nameInside:
		p.compound.inherit()
	}
}

// current returns the type of the family that was named last.
func (p *textParser) current() Type {
	if p.family == none {
		return Untyped
	}
	return p.families[p.family].Type
}

// readLabels reads the labels from brace to brace, and the name of the metric
// if it is to be among them.
func (p *textParser) readLabels(nameInside bool) error {
	named := !nameInside
	for p.at++; ; p.at++ { // past the brace, and past each comma
		p.skipBlanks()
		if p.here() == '}' {
			break
		}
		name, inQuotes, err := p.readName(labelName)
		if err != nil {
			return err
		}
		if len(name) == 0 {
			return p.invalidName("label", p.word())
		}
		p.skipBlanks()
		switch c := p.here(); {
		case c == '=':
			p.at++
			err = p.readLabel(name, inQuotes)
		case !nameInside:
			return syntax("expected '=' after label name, found %q", c)
		case named:
			return syntax("multiple metric names: %s is the second one", quoted(name))
		case c == ',' || c == '}':
			named = true
			err = p.enterSample(name, inQuotes)
		default:
			return syntax("unexpected end of metric name %s: found %q", quoted(name), c)
		}
		if err != nil {
			return err
		}
		if p.here() == '}' {
			break
		}
	}
	p.at++
	if !named {
		return p.invalidName("metric", nil)
	}
	return p.sortLabels()
}

// readLabel reads the value of a label, up to the comma or brace behind it.
func (p *textParser) readLabel(name []byte, inQuotes bool) error {
	if string(name) == model.MetricNameLabel {
		return syntax("label name %q is reserved", name)
	}
	if inQuotes && !p.scheme.validation().IsValidLabelName(string(name)) {
		return p.invalidName("label", name)
	}
	var before Label // the same as in the line before, most of the time
	if i := len(p.pairs); i < len(p.before) {
		before = p.before[i]
	}
	t := p.current()
	special := string(name) == reservedLabel(t)
	label := Label{}
	if !special {
		label.Name = p.texts.copyUnless(name, before.Name)
	}
	p.skipBlanks()
	value, err := p.readLabelValue()
	if err != nil {
		return err
	}
	if special {
		err = p.compound.setBound(t, value)
	} else {
		label.Value = p.texts.copyUnless(value, before.Value)
		p.pairs = append(p.pairs, label)
		if !t.Scalar() {
			err = p.compound.identify(label)
		}
	}
	if err != nil {
		return err
	}
	p.skipBlanks()
	if c := p.here(); c != ',' && c != '}' {
		return syntax("unexpected end of label value %s: found %q", quoted(value), c)
	}
	return nil
}

// sortLabels sorts the labels of the line. It does so in a copy, as the next
// line most often has the same ones in the same order.
func (p *textParser) sortLabels() error {
	p.sorted = p.pairs
	ascending := true
	for i := 1; i < len(p.pairs) && ascending; i++ {
		ascending = p.pairs[i-1].Name < p.pairs[i].Name
	}
	if ascending {
		return nil
	}
	p.ordered = append(p.ordered[:0], p.pairs...)
	p.sorted = p.ordered
	slices.SortFunc(p.sorted, compareNames)
	if name, ok := repeatedName(p.sorted); ok {
		return syntax("duplicate label names: %s is given twice", quoted([]byte(name)))
	}
	return nil
}

// readValue reads the value and the timestamp.
func (p *textParser) readValue() error {
	word := p.word()
	value, ok := parseFloat(word)
	if !ok {
		return syntax("expected float as value, got %s", quoted(word))
	}
	m, err := p.addSample(value)
	if err != nil || p.at == len(p.line) {
		return err
	}
	p.skipBlanks()
	if p.at == len(p.line) {
		return syntax("expected integer as timestamp, got nothing: remove the blanks at the end of the line")
	}
	word = p.word()
	ms, err := strconv.ParseInt(string(word), 10, 64)
	if err != nil {
		return syntax("expected integer as timestamp, got %s", quoted(word))
	}
	if p.at < len(p.line) {
		return syntax("spurious string after timestamp: %s", quoted(p.line[p.at:]))
	}
	m.TimestampMs = &p.times.cut(1)[0]
	*m.TimestampMs = ms
	return nil
}

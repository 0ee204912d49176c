package exposition

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// here returns the byte at which the line is read next. At its end that is the
// newline, which is nowhere else in a line.
func (p *textParser) here() byte {
	if p.at < len(p.line) {
		return p.line[p.at]
	}
	return '\n'
}

func (p *textParser) skipBlanks() {
	for p.at < len(p.line) && isBlank(p.line[p.at]) {
		p.at++
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// word reads up to the next blank, or the end of the line.
func (p *textParser) word() []byte {
	start := p.at
	for p.at < len(p.line) && !isBlank(p.line[p.at]) {
		p.at++
	}
	return p.line[start:p.at]
}

// What a byte may be in a name outside of quotes.
const (
	nameStart  = 1 << iota // of any name
	nameDigit              // not at the start
	nameColon              // in metric names only
	metricName = nameStart | nameDigit | nameColon
	labelName  = nameStart | nameDigit
)

var nameBytes = func() (classes [256]uint8) {
	for c := range classes {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			classes[c] = nameStart
		case c >= '0' && c <= '9':
			classes[c] = nameDigit
		case c == ':':
			classes[c] = nameColon
		}
	}
	return classes
}()

// readName reads a name of such bytes, which is empty if there is none. It may
// end in a part in quotes, and only then it may be invalid.
func (p *textParser) readName(allowed uint8) (name []byte, inQuotes bool, err error) {
	line := p.line[p.at:]
	n := 0
	if nameBytes[p.here()]&nameDigit == 0 {
		for n < len(line) && nameBytes[line[n]]&allowed != 0 {
			n++
		}
	}
	p.at += n
	if n < len(line) && line[n] == '"' {
		name, err = p.readQuotes(line[:n])
		return name, true, err
	}
	return line[:n], false, nil
}

// readQuotes reads from one quote to the next, with escapes, and returns what
// is between them after the prefix. The token is valid until the next one is read.
func (p *textParser) readQuotes(prefix []byte) ([]byte, error) {
	p.at++
	line := p.line[p.at:]
	n := 0
	for n < len(line) && line[n] != '"' && line[n] != '\\' {
		n++
	}
	p.at += n
	if p.here() == '"' && len(prefix) == 0 {
		p.at++
		return line[:n], nil
	}
	p.scratch = append(append(p.scratch[:0], prefix...), line[:n]...)
	for ; p.at < len(p.line); p.at++ {
		switch c := p.line[p.at]; c {
		case '"':
			p.at++
			return p.scratch, nil
		case '\\':
			p.at++
			if err := p.unescape(); err != nil {
				return nil, err
			}
		default:
			p.scratch = append(p.scratch, c)
		}
	}
	return nil, syntax("no closing quote after %s", quoted(p.scratch))
}

// readRest reads the rest of the line, with escapes.
func (p *textParser) readRest() ([]byte, error) {
	rest := p.line[p.at:]
	if bytes.IndexByte(rest, '\\') < 0 {
		return rest, nil
	}
	p.scratch = p.scratch[:0]
	for ; p.at < len(p.line); p.at++ {
		if c := p.line[p.at]; c != '\\' {
			p.scratch = append(p.scratch, c)
			continue
		}
		p.at++
		if err := p.unescape(); err != nil {
			return nil, err
		}
	}
	return p.scratch, nil
}

// unescape adds what the byte after a backslash stands for to the scratch.
func (p *textParser) unescape() error {
	switch c := p.here(); c {
	case '\\', '"':
		p.scratch = append(p.scratch, c)
	case 'n':
		p.scratch = append(p.scratch, '\n')
	default:
		return syntax(`invalid escape sequence '\%c': only \\, \" and \n are valid`, c)
	}
	return nil
}

// readLabelValue reads a value in quotes.
func (p *textParser) readLabelValue() ([]byte, error) {
	if p.here() != '"' {
		return nil, syntax(`expected '"' at start of label value, found %q`, p.here())
	}
	value, err := p.readQuotes(nil)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(value) {
		return nil, syntax("invalid label value %s: it must be UTF-8", quoted(value))
	}
	return value, nil
}

// parseFloat reads a number: neither in hexadecimal nor with underscores.
func parseFloat(token []byte) (float64, bool) {
	for _, c := range token {
		if c == 'p' || c == 'P' || c == '_' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(token), 64)
	return v, err == nil
}

// typeOf returns the type that a TYPE line names, in any case. Backslashes have
// no meaning.
func typeOf(token []byte) (Type, bool) {
	if t, ok := ParseType(string(token)); ok {
		return t, true
	}
	upper := strings.ToUpper(strings.ReplaceAll(string(token), `\`, ""))
	if upper == "GAUGEHISTOGRAM" { // as in OpenMetrics
		return GaugeHistogram, true
	}
	for t, name := range typeNames {
		if upper == strings.ToUpper(name) {
			return Type(t), true
		}
	}
	return 0, false
}

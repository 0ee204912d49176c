package exposition

import (
	"bytes"
	"strconv"
)

// numbers are those of a group, see layout, as the text has them.
type numbers struct {
	text []byte
	ends []uint32 // of each in the text
}

func (n numbers) at(i int) []byte {
	if i == 0 {
		return n.text[:n.ends[0]]
	}
	return n.text[n.ends[i-1]:n.ends[i]]
}

// end ends a number, which has been appended to the text.
func (n *numbers) end() { n.ends = append(n.ends, uint32(len(n.text))) }

// cut appends the numbers of stored JSON to n. It reports whether the JSON has
// the layout and all numbers are good; otherwise n is to be thrown away.
func (l *layout) cut(n *numbers, json []byte) bool {
	for i, literal := range l.literals {
		if len(json) < len(literal) || string(json[:len(literal)]) != literal {
			return false
		}
		json = json[len(literal):]
		if i == len(l.isCount) {
			break
		}
		length := bytes.IndexByte(json[:min(len(json), maxNumber)], '"')
		if length < 0 || !n.add(json[:length], l.isCount[i]) {
			return false
		}
		json = json[length:]
	}
	return len(json) == 0
}

// maxNumber is more than what any number needs that the gateway stores.
const maxNumber = 32

// add adds a stored number.
func (n *numbers) add(stored []byte, isCount bool) bool {
	switch {
	case isPlain(stored, isCount):
		n.text = append(n.text, stored...)
	case isCount:
		v, err := strconv.ParseUint(string(stored), 10, 64)
		if err != nil {
			return false
		}
		n.text = appendNumber(n.text, float64(v))
	default:
		v, err := strconv.ParseFloat(string(stored), 64)
		if err != nil {
			return false
		}
		n.text = appendNumber(n.text, v)
	}
	n.end()
	return true
}

// isPlain reports whether appendNumber surely makes the same text of the number
// that a text stands for. It looks for Go's shortest form with at most 15 digits,
// which no float rounds.
func isPlain(s []byte, isCount bool) bool {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	whole := digits(s)
	rest := s[whole:]
	if whole == 0 || whole > 6 || s[0] == '0' && (whole > 1 || negative && len(rest) == 0) {
		return false
	}
	if len(rest) == 0 {
		return !isCount || !negative
	}
	fraction := 0
	if rest[0] == '.' {
		fraction = digits(rest[1:])
		if fraction == 0 || rest[fraction] == '0' || s[0] == '0' && rest[1] == '0' {
			return false
		}
		rest = rest[1+fraction:]
	}
	if isCount || whole+fraction > 15 {
		return false
	}
	if len(rest) == 0 {
		return true
	}
	// From a million on there is an exponent, and below 0.0001, which is rare.
	return whole == 1 && s[0] != '0' && len(rest) == 4 && rest[0] == 'e' && rest[1] == '+' &&
		digits(rest[2:]) == 2 && (rest[2] != '0' || rest[3] >= '6')
}

// digits returns how many digits a text begins with.
func digits(s []byte) int {
	for i, c := range s {
		if c-'0' > 9 {
			return i
		}
	}
	return len(s)
}

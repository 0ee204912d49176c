package exposition

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// bodyLayout is what bodies in the text format have in common that differ in
// nothing but their numbers, pushed to groups whose keys have the same label
// names. What is stored of such bodies has the same texts around the numbers,
// too: it is written without families being built and checked. It is immutable.
type bodyLayout struct {
	shape string // of the keys
	// A body is literals[0], a number, literals[1], and so on.
	literals []string
	// The stored JSON is texts, each followed by a number, and last.
	texts   []storedPiece
	last    string
	size    int // of the JSON without the numbers
	facts   BodyFacts
	exposed renderedSize
}

// storedPiece is a text of the stored JSON, and which of the body's numbers follows
// it.
type storedPiece struct {
	text    string
	then    int
	isCount bool
}

// prepare returns a push of the body to the group, or nil if it has not the layout,
// which may be nil.
func (l *bodyLayout) prepare(key GroupingKey, body []byte, rules Rules, numbers *[][]byte) *Prepared {
	if l == nil || !l.fits(key, rules) {
		return nil
	}
	json, ok := l.read(body, numbers)
	if !ok {
		return nil
	}
	return &Prepared{json, &l.facts}
}

// fits reports whether pushes to the group, if their bodies have the layout,
// are accepted like the one that it was made of.
func (l *bodyLayout) fits(key GroupingKey, rules Rules) bool {
	if !key.hasShape(l.shape) || l.exposed.of(key) > maxRenderedBytes {
		return false
	}
	if len(rules.Own) == 0 || rules.Unchecked {
		return true
	}
	return !slices.ContainsFunc(l.facts.Claims, func(c Claim) bool {
		return c.Name == c.Owner && checkOwn(Family{Name: c.Owner, Type: c.Type}, rules.Own) != nil
	})
}

// read returns what is stored of a body, if it has the layout and all its numbers
// are ordinary ones. It uses the memory of numbers.
func (l *bodyLayout) read(body []byte, numbers *[][]byte) ([]byte, bool) {
	found, length := (*numbers)[:0], 0
	for i, literal := range l.literals {
		if len(body) < len(literal) || string(body[:len(literal)]) != literal {
			return nil, false
		}
		body = body[len(literal):]
		if i == len(l.literals)-1 {
			break
		}
		end := bytes.IndexByte(body[:min(len(body), maxNumber)], '\n')
		if end < 0 {
			return nil, false
		}
		found, length, body = append(found, body[:end]), length+end, body[end:]
	}
	if *numbers = found; len(body) > 0 {
		return nil, false
	}
	json := make([]byte, 0, l.size+length+16)
	for i := range l.texts {
		piece := &l.texts[i]
		json = append(json, piece.text...)
		var ok bool
		if json, ok = appendStored(json, found[piece.then], piece.isCount); !ok {
			return nil, false
		}
	}
	return append(json, l.last...), true
}

// appendStored appends a number of a body as it is stored. It reports false for
// what is no number, and for counts that are none.
func appendStored(dst, number []byte, isCount bool) ([]byte, bool) {
	if isPlain(number, isCount) {
		return append(dst, number...), true
	}
	v, ok := parseFloat(number)
	if !isCount {
		return strconv.AppendFloat(dst, v, 'g', -1, 64), ok
	}
	const exact = 1 << 53 // floats up to here are whole numbers
	if n := uint64(min(max(v, 0), exact)); float64(n) == v {
		return strconv.AppendUint(dst, n, 10), ok
	}
	return dst, false
}

// newBodyLayout returns the layout of a body, of which Normalize made the families,
// or nil if it has none: if it is large, if there is something but plain samples,
// if samples replace each other. Which number gets where is found by reading a body
// with odd numbers.
func newBodyLayout(key GroupingKey, body []byte, families []Family, rules Rules) *bodyLayout {
	if len(body) > maxLayout || rules.Timestamps != RejectTimestamps || slices.ContainsFunc(families, hasNoLayout) {
		return nil
	}
	want := string(AppendFamilies(nil, families))
	if strings.Contains(want, oddFloat) || strings.Contains(want, oddCount) {
		return nil
	}
	l := &bodyLayout{shape: key.Shape(), literals: cutBody(string(body))}
	n := len(l.literals) - 1
	if n == 0 || n > maxOdd || !l.learnTexts(key, rules) {
		return nil
	}
	for i := range families {
		l.facts.Claims = AppendClaims(l.facts.Claims, &families[i])
		l.exposed.add(&families[i])
	}
	l.facts.Series = l.exposed.samples
	for i := range l.facts.Claims {
		c := &l.facts.Claims[i]
		c.Name, c.Owner = strings.Clone(c.Name), strings.Clone(c.Owner)
	}
	l.facts.Set = FamilySet(families)
	if got, ok := l.read(body, new([][]byte)); !ok || string(got) != want {
		return nil
	}
	return l
}

// maxOdd is one less than how many odd numbers there are.
const maxOdd = 9999

// cutBody cuts a body at the numbers of its samples, which are their lines' last
// words, as there are no timestamps.
func cutBody(body string) (literals []string) {
	start, at := 0, 0
	for line := range strings.Lines(body) {
		first := strings.TrimLeft(line, " \t")
		if text, ended := strings.CutSuffix(line, "\n"); ended && first != "\n" && first[0] != '#' {
			number := at + strings.LastIndexAny(text, " \t") + 1
			literals = append(literals, body[start:number])
			start = at + len(text)
		}
		at += len(line)
	}
	return append(literals, body[start:])
}

// learnTexts reads the body with odd numbers. It reports false unless each of them
// is stored once.
func (l *bodyLayout) learnTexts(key GroupingKey, rules Rules) bool {
	var odd strings.Builder
	for i, literal := range l.literals {
		odd.WriteString(literal)
		if i < len(l.literals)-1 {
			fmt.Fprintf(&odd, "%s%04d1", oddCount, i)
		}
	}
	families, err := ParseText(strings.NewReader(odd.String()), rules.Names)
	if err == nil {
		families, err = Normalize(key, families, rules)
	}
	if err != nil {
		return false
	}
	json := string(AppendFamilies(nil, families))
	var pieces []piece
	pieces, l.last = cutOdd(json, 0)
	l.size = len(l.last)
	stored := make([]bool, len(l.literals)-1)
	for _, p := range pieces {
		if p.then >= len(stored) || stored[p.then] {
			return false
		}
		stored[p.then] = true
		l.size += len(p.text)
		json = json[len(p.text):]
		l.texts = append(l.texts, storedPiece{p.text, p.then, strings.HasPrefix(json, oddCount)})
		json = json[strings.IndexByte(json, '"'):]
	}
	return !slices.Contains(stored, false)
}

package exposition

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/prometheus/common/model"
)

// maxLines bounds the memory that a body takes once it is parsed, which is far
// more than its size where the lines are short.
const maxLines = 1_000_000

// ParseText reads a body in the text format 0.0.4. The families are sorted by
// name, their labels too; [Normalize] is what checks them. It returns an
// ErrMalformed, with the line, for what is not in the format, and the errors
// of r wrapped.
//
// It accepts what expfmt's parser accepts, and returns the same, oddities
// included, with two exceptions: bodies of more than maxLines lines, and
// summaries and histograms with the name inside the braces that follow lines of
// other families, see errMisplaced.
//
// Nothing of the result refers to the body, but strings of it are parts of
// larger ones: who keeps a few of them for long clones them. Metrics may share
// their labels, which nobody may change.
func ParseText(r io.Reader, scheme NameScheme) ([]Family, error) {
	p := textParsers.Get().(*textParser)
	defer p.release()
	if err := p.readFrom(r); err != nil {
		return nil, err
	}
	return p.parseAll(scheme)
}

// readFrom reads the body.
func (p *textParser) readFrom(r io.Reader) error {
	if _, err := p.body.ReadFrom(r); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

// parseAll parses the body.
func (p *textParser) parseAll(scheme NameScheme) ([]Family, error) {
	p.scheme, p.family, p.open = scheme, none, none
	p.compound.forget()
	return p.parse(p.body.Bytes())
}

// none is the family before the first one.
const none = -1

// textParser reads one body. What it keeps of a line are copies, so that a
// family holds no more in memory than what is its own.
type textParser struct {
	scheme NameScheme
	body   bytes.Buffer

	// The line, without its end, and how far it is read.
	number int
	line   []byte
	at     int

	// What the lines so far amount to.
	families []Family
	marks    []familyMarks  // of each family
	names    map[string]int // index in families
	metrics  []Metric       // room for those of the next family
	open     int            // the family whose metrics have that room now
	left     int            // how many metrics may still come
	labels   slab[Label]
	times    slab[int64]
	texts    textSlab

	// What the last name stood for.
	name   []byte
	family int
	part   part

	// The labels of the line at hand and of the one before it, as they stand
	// there.
	pairs, before []Label
	// sorted is those of the line at hand, sorted: pairs if they are, or else
	// copies in ordered.
	sorted, ordered []Label

	compound compound
	scratch  []byte   // of a token with escapes
	numbers  [][]byte // of a body with a known layout
}

// textParsers are kept for their buffers.
var textParsers = sync.Pool{New: func() any {
	return &textParser{names: map[string]int{}, compound: compound{places: map[string]metricPlace{}}}
}}

// Buffers that a huge body has made huge are not worth keeping.
const (
	keptBytes = 2 << 20
	keptItems = 1000
)

// release makes the parser ready for another body.
func (p *textParser) release() {
	if p.body.Cap() > keptBytes {
		p.body = bytes.Buffer{}
	}
	p.body.Reset()
	*p = textParser{
		body: p.body, names: emptiedMap(p.names), marks: emptied(p.marks), name: emptied(p.name), scratch: emptied(p.scratch), numbers: emptied(p.numbers),
		pairs: emptied(p.pairs), before: emptied(p.before), ordered: emptied(p.ordered), compound: p.compound.emptied(),
	}
	textParsers.Put(p)
}

// emptied returns the memory of s without what it refers to.
func emptied[T any](s []T) []T {
	if cap(s) > keptItems {
		return nil
	}
	clear(s[:cap(s)])
	return s[:0]
}

// emptiedMap does the same for maps.
func emptiedMap[V any](m map[string]V) map[string]V {
	if len(m) > keptItems {
		return map[string]V{}
	}
	clear(m)
	return m
}

func (p *textParser) parse(body []byte) ([]Family, error) {
	lines := bytes.Count(body, []byte("\n"))
	if lines > maxLines {
		return nil, malformed("the body has more than %d lines: push less at once", maxLines)
	}
	p.expect(body, lines)
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n')
		ended := end >= 0
		if !ended {
			end = len(body)
		}
		p.line, body = body[:end], body[min(end+1, len(body)):]
		p.number, p.at = p.number+1, 0
		err := p.readLine()
		if err == nil && !ended && len(bytes.Trim(p.line, " \t")) > 0 {
			err = errUnended
		}
		if err != nil {
			return nil, p.explain(err, lines)
		}
	}
	return p.finish(), nil
}

// expect makes room for what bodies usually hold: comments come in pairs, and
// each other line is a metric.
func (p *textParser) expect(body []byte, lines int) {
	comments := bytes.Count(body, []byte("#"))
	p.families = make([]Family, 0, 1+min(comments/2, len(body)/16))
	p.left = lines - comments
	p.texts.next = len(body) / 2
}

// finish returns the families that have metrics.
func (p *textParser) finish() []Family {
	p.closeMetrics()
	families := p.families[:0]
	for _, f := range p.families {
		if len(f.Metrics) == 0 {
			continue
		}
		if f.Type.isHistogram() {
			unifyCounts(f.Metrics)
		}
		families = append(families, f)
	}
	if !slices.IsSortedFunc(families, compareFamilies) {
		slices.SortFunc(families, compareFamilies)
	}
	return families
}

func (s NameScheme) validation() model.ValidationScheme {
	if s == UTF8Names {
		return model.UTF8Validation
	}
	return model.LegacyValidation
}

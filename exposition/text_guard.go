package exposition

import (
	"io"
	"strings"
)

// freeComparisons is what a body of any size may cost. For each label of a
// sample, expfmt's parser looks at all labels before it: without a bound, 10 MB
// of them would take it hours. With it, one sample can have 1,400 labels, and
// each of very many 50 of usual length.
const freeComparisons = 1 << 20

// maxLines bounds the memory that a body takes once it is parsed, which is far
// more than its size where the lines are short.
const maxLines = 1_000_000

// textGuard stands between the body of a push and the parser. It refuses
// bodies with far too many labels or lines, and remembers what explains a syntax error.
type textGuard struct {
	r              io.Reader
	start          [3]byte
	size           int
	comparisons    int
	newlines       int
	carriageReturn bool // at the end of a line

	// Of the current line:
	previous byte
	blank    bool // only blanks so far
	comment  bool
	quoted   bool
	escaped  bool
	labels   int
}

func newTextGuard(r io.Reader) *textGuard {
	return &textGuard{r: r, blank: true}
}

func (g *textGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if g.size < len(g.start) {
		copy(g.start[g.size:], p[:n])
	}
	g.size += n
	for _, c := range p[:n] {
		g.see(c)
		if g.comparisons > freeComparisons+2*g.size {
			return 0, malformed("text format parsing error in line %d: too many labels in a sample (%d): push samples with fewer", g.newlines+1, g.labels)
		}
		if g.newlines > maxLines {
			return 0, malformed("the body has more than %d lines: push less at once", maxLines)
		}
	}
	return n, err
}

// see follows the text format as far as it takes to count labels.
func (g *textGuard) see(c byte) {
	switch {
	case c == '\n':
		g.newlines++
		g.carriageReturn = g.carriageReturn || g.previous == '\r'
		g.blank, g.comment, g.quoted, g.escaped, g.labels = true, false, false, false, 0
	case g.comment:
	case g.escaped:
		g.escaped = false
	case c == '\\':
		g.escaped = true
	case c == '"':
		g.quoted = !g.quoted
	case c == '=' && !g.quoted:
		g.comparisons += g.labels
		g.labels++
	case c == '#' && g.blank:
		g.comment = true
	}
	g.blank = g.blank && (c == ' ' || c == '\t' || c == '\n')
	g.previous = c
}

func (g *textGuard) byteOrderMark() bool {
	return strings.HasPrefix(string(g.start[:min(g.size, len(g.start))]), "\ufeff")
}

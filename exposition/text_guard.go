package exposition

import (
	"io"
	"strings"
)

// maxSampleLabels bounds the labels of a sample in the text format, since the
// time that expfmt's parser takes grows with their square.
const maxSampleLabels = 256

// textGuard stands between the body of a push and the parser. It refuses
// samples with too many labels, and remembers what explains a syntax error.
type textGuard struct {
	r              io.Reader
	start          [3]byte
	size           int // bytes of start
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
	g.size += copy(g.start[g.size:], p[:n])
	for _, c := range p[:n] {
		g.see(c)
		if g.labels > maxSampleLabels {
			return 0, malformed("text format parsing error in line %d: a sample has more than %d labels: push fewer", g.newlines+1, maxSampleLabels)
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
		g.labels++
	case c == '#' && g.blank:
		g.comment = true
	}
	g.blank = g.blank && (c == ' ' || c == '\t' || c == '\n')
	g.previous = c
}

func (g *textGuard) byteOrderMark() bool {
	return strings.HasPrefix(string(g.start[:g.size]), "\ufeff")
}

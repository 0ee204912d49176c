package exposition

import (
	"bufio"
	"io"
	"sync"
)

// Exposition is what a scrape is answered with. It is immutable and safe for
// concurrent use. Nothing is compressed before it is asked for.
type Exposition struct {
	leaves sequence
	gzip   func() []byte // nil without compression
}

func newExposition(leaves sequence, enc Encoding) *Exposition {
	e := &Exposition{leaves: leaves}
	if enc.Gzip {
		e.gzip = sync.OnceValue(func() []byte { return leaves.gzip(enc.deflateCode()) })
	}
	return e
}

// Size returns how many bytes it has.
func (e *Exposition) Size() int {
	if e.gzip != nil {
		return len(e.gzip())
	}
	size := 0
	for _, l := range e.leaves {
		size += len(l.text)
	}
	return size
}

// Pieces returns the exposition in pieces, in a slice that is the caller's. The
// bytes must not be changed.
func (e *Exposition) Pieces() [][]byte {
	if e.gzip != nil {
		return [][]byte{e.gzip()}
	}
	pieces := make([][]byte, len(e.leaves))
	for i, l := range e.leaves {
		pieces[i] = l.text
	}
	return pieces
}

// writers gather leaves, which are small: each write to a connection has its
// price, and what was copied just before is read from the cache.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 128<<10) }}

// Write writes the exposition. It returns an error of w.
func (e *Exposition) Write(w io.Writer) error {
	if e.gzip != nil {
		_, err := w.Write(e.gzip())
		return err
	}
	b := writers.Get().(*bufio.Writer)
	defer writers.Put(b)
	defer b.Reset(nil)
	b.Reset(w)
	for _, l := range e.leaves {
		if _, err := b.Write(l.text); err != nil {
			return err
		}
	}
	return b.Flush()
}

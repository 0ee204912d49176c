package exposition

import (
	"bufio"
	"io"
	"iter"
	"slices"
	"sync"
)

// Exposition is what a scrape is answered with. It is immutable and safe for
// concurrent use. Nothing is compressed before it is asked for.
type Exposition struct {
	leaves sequence
	gzip   func() []byte // nil without compression
	pieces [][]byte      // the leaves' texts without compression, found once for all scrapes
	size   int           // of the pieces
}

func newExposition(leaves sequence, enc Encoding) *Exposition {
	e := &Exposition{leaves: leaves}
	if enc.Gzip {
		e.gzip = sync.OnceValue(func() []byte { return leaves.gzip(enc.deflateCode()) })
		return e
	}
	e.pieces = make([][]byte, len(leaves))
	for i, l := range leaves {
		e.pieces[i] = l.text
		e.size += len(l.text)
	}
	return e
}

// Size returns how many bytes it has.
func (e *Exposition) Size() int {
	if e.gzip != nil {
		return len(e.gzip())
	}
	return e.size
}

// Pieces yields the exposition in up to n pieces at a time. The slice is the
// caller's until the next one; the bytes must not be changed.
func (e *Exposition) Pieces(n int) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		if e.gzip != nil {
			yield([][]byte{e.gzip()})
			return
		}
		buffer := make([][]byte, min(n, len(e.pieces)))
		for pieces := range slices.Chunk(e.pieces, n) {
			if !yield(buffer[:copy(buffer, pieces)]) {
				return
			}
		}
	}
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
	for _, piece := range e.pieces {
		if _, err := b.Write(piece); err != nil {
			return err
		}
	}
	return b.Flush()
}

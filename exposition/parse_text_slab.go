package exposition

import "strings"

// Slabs grow up to this many elements, or bytes of text.
const (
	minSlab, maxSlab         = 4, 512
	minTextSlab, maxTextSlab = 32, 16 << 10
)

// slab is memory from which slices are cut.
type slab[T any] struct {
	rest []T
	size int
}

// cut returns a slice of n zero values.
func (s *slab[T]) cut(n int) []T {
	if n > len(s.rest) {
		s.size = min(max(2*s.size, minSlab), maxSlab)
		s.rest = make([]T, max(n, s.size))
	}
	slice := s.rest[:n:n]
	s.rest = s.rest[n:]
	return slice
}

// textSlab is memory from which strings are cut: a builder never moves what it
// has room for.
type textSlab struct {
	builder strings.Builder
	next    int // its size
}

// copy returns a copy of the token.
func (s *textSlab) copy(token []byte) string {
	if len(token) > s.builder.Cap()-s.builder.Len() {
		if len(token) >= maxTextSlab/4 {
			return string(token)
		}
		s.builder.Reset()
		s.builder.Grow(max(len(token), min(max(s.next, minTextSlab), maxTextSlab)))
		s.next = 2 * s.builder.Cap()
	}
	start := s.builder.Len()
	s.builder.Write(token)
	return s.builder.String()[start:]
}

// copyUnless returns the token as a string, which may be one that is there
// already.
func (s *textSlab) copyUnless(token []byte, known string) string {
	if string(token) == known {
		return known
	}
	return s.copy(token)
}

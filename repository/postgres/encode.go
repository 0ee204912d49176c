package postgres

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// arguments are those of one call in PostgreSQL's binary format, all in one
// buffer: a commit has dozens of arrays, and to have each value encoded by its
// type costs more than the rest of sending it.
type arguments struct {
	buf   []byte
	sizes []int // of each argument
	array int   // where the array that is being written starts
}

var argumentPool = sync.Pool{New: func() any { return new(arguments) }}

// maxPooled is the largest buffer that is kept.
const maxPooled = 1 << 20

func newArguments() *arguments {
	return argumentPool.Get().(*arguments)
}

// release gives the buffer back: values must not be used any more.
func (a *arguments) release() {
	if cap(a.buf) <= maxPooled {
		a.buf, a.sizes = a.buf[:0], a.sizes[:0]
		argumentPool.Put(a)
	}
}

// values returns the arguments.
func (a *arguments) values() [][]byte {
	values := make([][]byte, len(a.sizes))
	rest := a.buf
	for i, size := range a.sizes {
		values[i], rest = rest[:size:size], rest[size:]
	}
	return values
}

// end ends the argument that began at start.
func (a *arguments) end(start int) { a.sizes = append(a.sizes, len(a.buf)-start) }

func (a *arguments) bytes(b []byte) {
	a.buf = append(a.buf, b...)
	a.sizes = append(a.sizes, len(b))
}

func (a *arguments) text(s string) {
	a.buf = append(a.buf, s...)
	a.sizes = append(a.sizes, len(s))
}

func (a *arguments) bigint(v int64) {
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v))
	a.sizes = append(a.sizes, 8)
}

func (a *arguments) boolean(v bool) {
	a.buf = appendBool(a.buf, v)
	a.sizes = append(a.sizes, 1)
}

// epoch is when PostgreSQL's times begin; they count microseconds.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (a *arguments) timestamp(t time.Time) { a.bigint(t.UnixMicro() - epoch.UnixMicro()) }

// timestamp reads what arguments.timestamp writes.
func timestamp(b []byte) time.Time {
	return time.UnixMicro(epoch.UnixMicro() + int64(binary.BigEndian.Uint64(b)))
}

// begin begins an array of so many elements of a type.
func (a *arguments) begin(elementOID uint32, n int) {
	a.array = len(a.buf)
	dimensions := min(n, 1)
	const hasNulls = 1 // it may
	for _, v := range [...]uint32{uint32(dimensions), hasNulls, elementOID} {
		a.buf = binary.BigEndian.AppendUint32(a.buf, v)
	}
	if n > 0 {
		a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(n))
		a.buf = binary.BigEndian.AppendUint32(a.buf, 1) // the first index
	}
}

// finish ends the array.
func (a *arguments) finish() { a.end(a.array) }

// null adds an element to the array, as the following methods do.
func (a *arguments) null() { a.buf = append(a.buf, 0xff, 0xff, 0xff, 0xff) }

func (a *arguments) size(n int) { a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(n)) }

// texts and the following functions write an array of what value returns of
// each element of from.
func texts[T any](a *arguments, from []T, value func(*T) string) {
	a.begin(pgtype.TextOID, len(from))
	for i := range from {
		v := value(&from[i])
		a.size(len(v))
		a.buf = append(a.buf, v...)
	}
	a.finish()
}

// optionalTexts makes empty strings NULL.
func optionalTexts[T any](a *arguments, from []T, value func(*T) string) {
	a.begin(pgtype.TextOID, len(from))
	for i := range from {
		v := value(&from[i])
		if v == "" {
			a.null()
			continue
		}
		a.size(len(v))
		a.buf = append(a.buf, v...)
	}
	a.finish()
}

func byteas[T any](a *arguments, from []T, value func(*T) [32]byte) {
	a.begin(pgtype.ByteaOID, len(from))
	for i := range from {
		v := value(&from[i])
		a.size(len(v))
		a.buf = append(a.buf, v[:]...)
	}
	a.finish()
}

// byteaTexts writes the bytes of strings.
func byteaTexts[T any](a *arguments, from []T, value func(*T) string) {
	a.begin(pgtype.ByteaOID, len(from))
	for i := range from {
		v := value(&from[i])
		a.size(len(v))
		a.buf = append(a.buf, v...)
	}
	a.finish()
}

// uuids makes zero NULL.
func uuids[T any](a *arguments, from []T, value func(*T) [16]byte) {
	a.begin(pgtype.UUIDOID, len(from))
	for i := range from {
		v := value(&from[i])
		if v == ([16]byte{}) {
			a.null()
			continue
		}
		a.size(len(v))
		a.buf = append(a.buf, v[:]...)
	}
	a.finish()
}

func booleans[T any](a *arguments, from []T, value func(*T) bool) {
	a.begin(pgtype.BoolOID, len(from))
	for i := range from {
		a.size(1)
		a.buf = appendBool(a.buf, value(&from[i]))
	}
	a.finish()
}

// optionalBooleans makes nil NULL.
func optionalBooleans[T any](a *arguments, from []T, value func(*T) *bool) {
	a.begin(pgtype.BoolOID, len(from))
	for i := range from {
		v := value(&from[i])
		if v == nil {
			a.null()
			continue
		}
		a.size(1)
		a.buf = appendBool(a.buf, *v)
	}
	a.finish()
}

// integers makes negative numbers NULL.
func integers[T any](a *arguments, from []T, value func(*T) int) {
	a.begin(pgtype.Int4OID, len(from))
	for i := range from {
		v := value(&from[i])
		if v < 0 {
			a.null()
			continue
		}
		a.size(4)
		a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(v))
	}
	a.finish()
}

// jsons makes nil NULL.
func jsons[T any](a *arguments, from []T, value func(*T) []byte) {
	a.begin(pgtype.JSONOID, len(from))
	for i := range from {
		v := value(&from[i])
		if v == nil {
			a.null()
			continue
		}
		start := len(a.buf)
		a.size(0)
		a.buf = padded(append(a.buf, v...), len(v))
		binary.BigEndian.PutUint32(a.buf[start:], uint32(len(a.buf)-start-4))
	}
	a.finish()
}

// PostgreSQL compresses rows of more than about 2,000 bytes and no others. A
// row of a thousand bytes and more is half as large when it is, which takes no
// longer than to write it, so that its JSON ends with spaces, of which nothing
// is left then.
const (
	padFrom = 1000
	padTo   = 2000
)

var spaces = func() [padTo]byte {
	var s [padTo]byte
	for i := range s {
		s[i] = ' '
	}
	return s
}()

// padded pads the JSON of size n at the end of dst.
func padded(dst []byte, n int) []byte {
	if n < padFrom || n >= padTo {
		return dst
	}
	return append(dst, spaces[:padTo-n]...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

package postgres

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// arguments are those of one call in PostgreSQL's binary format, all in one
// buffer: a commit has dozens of arrays, and to have each value encoded by its
// type costs more than the rest of sending it.
type arguments struct {
	buf   []byte
	sizes []int // of each argument
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
	return time.UnixMicro(epoch.UnixMicro() + bigint(b))
}

// bigint reads what arguments.bigint writes.
func bigint(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// array writes an array of what write adds for each element of from.
func array[T any](a *arguments, elementOID uint32, from []T, write func(*T)) {
	start := len(a.buf)
	const mayHaveNulls, firstIndex = 1, 1
	dimensions := min(len(from), 1)
	header := [...]int{dimensions, mayHaveNulls, int(elementOID), len(from), firstIndex}
	for _, v := range header[:3+2*dimensions] {
		a.size(v)
	}
	for i := range from {
		write(&from[i])
	}
	a.sizes = append(a.sizes, len(a.buf)-start)
}

func (a *arguments) size(n int) { a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(n)) }

func (a *arguments) null() { a.size(-1) }

// element adds the bytes of an element.
func element[B string | []byte](a *arguments, v B) {
	a.size(len(v))
	a.buf = append(a.buf, v...)
}

// texts and the following functions write an array of what value returns of
// each element of from.
func texts[T any](a *arguments, from []T, value func(*T) string) {
	array(a, pgtype.TextOID, from, func(v *T) { element(a, value(v)) })
}

// labels writes the labels of grouping keys as JSON.
func labels[T any](a *arguments, from []T, key func(*T) exposition.GroupingKey) {
	array(a, pgtype.TextOID, from, func(v *T) {
		start := len(a.buf)
		a.size(0)
		a.buf = key(v).AppendJSON(a.buf)
		binary.BigEndian.PutUint32(a.buf[start:], uint32(len(a.buf)-start-4))
	})
}

// optionalTexts makes empty strings NULL.
func optionalTexts[T any](a *arguments, from []T, value func(*T) string) {
	array(a, pgtype.TextOID, from, func(v *T) {
		if s := value(v); s != "" {
			element(a, s)
		} else {
			a.null()
		}
	})
}

func byteas[T any](a *arguments, from []T, value func(*T) [32]byte) {
	array(a, pgtype.ByteaOID, from, func(v *T) {
		digest := value(v)
		element(a, digest[:])
	})
}

// byteaTexts writes the bytes of strings.
func byteaTexts[T any](a *arguments, from []T, value func(*T) string) {
	array(a, pgtype.ByteaOID, from, func(v *T) { element(a, value(v)) })
}

// uuids makes zero NULL.
func uuids[T any](a *arguments, from []T, value func(*T) [16]byte) {
	array(a, pgtype.UUIDOID, from, func(v *T) {
		if id := value(v); id != ([16]byte{}) {
			element(a, id[:])
		} else {
			a.null()
		}
	})
}

func booleans[T any](a *arguments, from []T, value func(*T) bool) {
	array(a, pgtype.BoolOID, from, func(v *T) { a.booleanElement(value(v)) })
}

// optionalBooleans makes nil NULL.
func optionalBooleans[T any](a *arguments, from []T, value func(*T) *bool) {
	array(a, pgtype.BoolOID, from, func(v *T) {
		if b := value(v); b != nil {
			a.booleanElement(*b)
		} else {
			a.null()
		}
	})
}

func (a *arguments) booleanElement(v bool) {
	a.size(1)
	a.buf = appendBool(a.buf, v)
}

// integers makes negative numbers NULL.
func integers[T any](a *arguments, from []T, value func(*T) int) {
	array(a, pgtype.Int4OID, from, func(v *T) {
		if n := value(v); n >= 0 {
			a.size(4)
			a.size(n)
		} else {
			a.null()
		}
	})
}

// jsons makes nil NULL.
func jsons[T any](a *arguments, from []T, value func(*T) []byte) {
	array(a, pgtype.JSONOID, from, func(v *T) {
		text := value(v)
		if text == nil {
			a.null()
			return
		}
		a.size(paddedSize(len(text)))
		a.buf = padded(append(a.buf, text...), len(text))
	})
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

// paddedSize is how long JSON of size n is made.
func paddedSize(n int) int {
	if n < padFrom {
		return n
	}
	return max(n, padTo)
}

// padded pads the JSON of size n at the end of dst.
func padded(dst []byte, n int) []byte { return append(dst, spaces[:paddedSize(n)-n]...) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

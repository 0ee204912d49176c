package exposition

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

// deflated is the compressed form of a leaf. It ends on a byte boundary and
// refers to nothing before it but the end of the leaf before, so that the
// leaves' forms, one after the other, are one deflate stream.
type deflated struct {
	before string // the end of the leaf before
	bytes  []byte
	crc    uint32 // of the text
	shift  uint32 // what the text's length does to the CRC of what precedes it
}

// maxBefore is how much of a leaf the next one may refer to: the last entries,
// which mostly are like its own first ones. Without, all leaves would begin
// with what does not compress.
const maxBefore = 512

// before returns the end of the leaf before leaf i.
func (q sequence) before(i int) []byte {
	if i == 0 {
		return nil
	}
	text := q[i-1].text
	return text[max(len(text)-maxBefore, 0):]
}

// deflaters are flate writers, which are far larger than what they compress
// here.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

func deflate(text, before []byte) *deflated {
	var out bytes.Buffer
	out.Grow(len(text)/6 + 64)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.ResetDict(&out, before)
	// A bytes.Buffer returns no errors.
	_, _ = w.Write(text)
	_ = w.Flush()
	return &deflated{string(before), out.Bytes(), crc32.ChecksumIEEE(text), crcShift(len(text))}
}

// deflated returns the compressed forms of all leaves. Those that are not known
// are made, on all processors.
func (q sequence) deflated() []*deflated {
	forms := make([]*deflated, len(q))
	var todo []int
	for i, l := range q {
		if d := l.packed.Load(); d != nil && d.before == string(q.before(i)) {
			forms[i] = d
		} else {
			todo = append(todo, i)
		}
	}
	var next atomic.Int64
	work := func() {
		for n := next.Add(1) - 1; n < int64(len(todo)); n = next.Add(1) - 1 {
			i := todo[n]
			forms[i] = deflate(q[i].text, q.before(i))
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(todo)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return forms
}

// The parts of a gzip member around the deflate stream (RFC 1952): no name, no
// time, so that equal texts have equal bytes; and an empty last block.
const (
	gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
	lastBlock  = "\x03\x00"
)

// gzip returns the sequence's text as one gzip member. From then on the leaves'
// compressed forms are parts of it.
func (q sequence) gzip() []byte {
	forms := q.deflated()
	size := len(gzipHeader) + len(lastBlock) + 8
	for _, d := range forms {
		size += len(d.bytes)
	}
	member := append(make([]byte, 0, size), gzipHeader...)
	var crc, length uint32
	for i, l := range q {
		d := *forms[i]
		start := len(member)
		member = append(member, d.bytes...)
		d.bytes = member[start:len(member):len(member)]
		l.packed.Store(&d)
		crc = crcMultiply(d.shift, crc) ^ d.crc
		length += uint32(len(l.text))
	}
	member = append(member, lastBlock...)
	member = binary.LittleEndian.AppendUint32(member, crc)
	return binary.LittleEndian.AppendUint32(member, length)
}

package exposition

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

// deflated is the compressed form of a leaf. It ends on a byte boundary and
// refers to nothing before it, so that the leaves' forms, one after the other,
// are one deflate stream.
type deflated struct {
	bytes []byte
	crc   uint32 // of the text
	shift uint32 // what the text's length does to the CRC of what precedes it
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

func deflate(text []byte) *deflated {
	var out bytes.Buffer
	out.Grow(len(text)/6 + 64)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	// A bytes.Buffer returns no errors.
	_, _ = w.Write(text)
	_ = w.Flush()
	return &deflated{bytes.Clone(out.Bytes()), crc32.ChecksumIEEE(text), crcShift(len(text))}
}

// deflateAll compresses the leaves that are not yet, on all processors.
func deflateAll(leaves []*leaf) {
	var todo []*leaf
	for _, l := range leaves {
		if l.packed.Load() == nil {
			todo = append(todo, l)
		}
	}
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(todo)); i = next.Add(1) - 1 {
			todo[i].deflated()
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(todo)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// The parts of a gzip member around the deflate stream (RFC 1952): no name, no
// time, so that equal texts have equal bytes; and an empty last block.
const (
	gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
	lastBlock  = "\x03\x00"
)

// writeGzip writes the sequence's text as one gzip member.
func (q sequence) writeGzip(w io.Writer) error {
	deflateAll(q)
	out := bufio.NewWriterSize(w, 64<<10)
	// A bufio.Writer keeps its first error for Flush.
	_, _ = out.WriteString(gzipHeader)
	var crc, size uint32
	for _, l := range q {
		d := l.deflated()
		_, _ = out.Write(d.bytes)
		crc = crcMultiply(d.shift, crc) ^ d.crc
		size += uint32(len(l.text))
	}
	trailer := binary.LittleEndian.AppendUint32([]byte(lastBlock), crc)
	_, _ = out.Write(binary.LittleEndian.AppendUint32(trailer, size))
	return out.Flush()
}

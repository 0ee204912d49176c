package exposition

import (
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"sync"
	"sync/atomic"
)

// deflated is the compressed form of a leaf in a sequence, in two parts. Only
// the first, small one may refer to the leaf before: without, all leaves would
// begin with what does not compress, and with more, each change would spoil the
// next leaf's form, too.
type deflated struct {
	head bitString
	rest *deflatedRest
	// before is the leaf before's rest, nil for the first leaf. It stands for
	// that leaf, without keeping its text in memory.
	before *deflatedRest
}

// deflatedRest is what depends on the leaf alone.
type deflatedRest struct {
	bitString
	stored bool   // the leaf is not compressed, since that would make it larger
	crc    uint32 // of the whole text
	shift  uint32 // what the text's length does to the CRC of what precedes it
}

const (
	headSize   = 256 // of a leaf's text
	beforeSize = 384 // how much of the leaf before the head may refer to
)

func (enc Encoding) deflateCode() *deflateCode {
	if enc.Protobuf {
		return protobufCode
	}
	return textCode
}

func (d *deflater) rest(c *deflateCode, text []byte) *deflatedRest {
	rest := &deflatedRest{crc: crc32.ChecksumIEEE(text), shift: crcShift(len(text))}
	if len(text) <= headSize {
		return rest
	}
	rest.bitString = d.deflate(c, text, headSize)
	// After a stored leaf the next one needs a header.
	if rest.size > 8*(len(text)-headSize)+c.headerSize() {
		rest.bitString, rest.stored = bitString{}, true
	}
	return rest
}

func (d *deflater) head(c *deflateCode, text, before []byte) bitString {
	before = before[max(len(before)-beforeSize, 0):]
	d.joined = append(append(d.joined[:0], before...), text[:min(len(text), headSize)]...)
	return d.deflate(c, d.joined, len(before))
}

// deflated returns the compressed forms of all leaves. Those that are not known
// are made, on all processors.
func (q sequence) deflated(c *deflateCode) []*deflated {
	forms := make([]*deflated, len(q))
	var todo []int
	var before *deflatedRest
	for i, l := range q {
		form := l.packed.Load()
		switch {
		case form == nil:
			form = &deflated{}
			todo = append(todo, i)
		case form.before != before || i > 0 && before == nil:
			form = &deflated{rest: form.rest}
			todo = append(todo, i)
		}
		forms[i], before = form, form.rest
	}
	var next atomic.Int64
	work := func() {
		d := deflaters.Get().(*deflater)
		defer deflaters.Put(d)
		for n := next.Add(1) - 1; n < int64(len(todo)); n = next.Add(1) - 1 {
			i := todo[n]
			form, text := forms[i], q[i].text
			if form.rest == nil {
				form.rest = d.rest(c, text)
			}
			switch {
			case form.rest.stored:
			case i == 0:
				form.head = d.head(c, text, nil)
			default:
				form.head = d.head(c, text, q[i-1].text)
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(todo)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	for _, i := range todo {
		if i > 0 {
			forms[i].before = forms[i-1].rest
		}
		q[i].packed.Store(forms[i])
	}
	return forms
}

// gzipHeader begins a gzip member (RFC 1952): no name, no time, so that equal
// texts have equal bytes.
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"

// gzip returns the sequence's text as one gzip member. Its bytes depend on the
// leaves' texts alone.
func (q sequence) gzip(c *deflateCode) []byte {
	forms := q.deflated(c)
	b := newBlocks(c, q, forms)
	var crc, length uint32
	for i, l := range q {
		b.add(forms[i], l.text)
		crc = crcMultiply(forms[i].rest.shift, crc) ^ forms[i].rest.crc
		length += uint32(len(l.text))
	}
	member := binary.LittleEndian.AppendUint32(b.close(), crc)
	return binary.LittleEndian.AppendUint32(member, length)
}

// blocks joins the forms of leaves to blocks of a deflate stream. All leaves
// that are compressed and follow each other are in one.
type blocks struct {
	bitStream
	code *deflateCode
	open bool // a block of the code
}

func newBlocks(c *deflateCode, q sequence, forms []*deflated) *blocks {
	size := c.headerSize() // in bits
	for i, f := range forms {
		size += f.head.size + f.rest.size
		if f.rest.stored {
			size += 8*len(q[i].text) + 2*c.headerSize()
		}
	}
	b := &blocks{code: c}
	b.bytes = append(make([]byte, 0, size/8+64), gzipHeader...)
	return b
}

func (b *blocks) add(form *deflated, text []byte) {
	if form.rest.stored {
		b.store(text)
		return
	}
	if !b.open {
		b.code.appendHeader(&b.bitStream)
		b.open = true
	}
	b.appendString(form.head)
	b.appendString(form.rest.bitString)
}

// end ends a block of the code.
func (b *blocks) end() {
	if b.open {
		end := b.code.symbols[endOfBlock]
		b.append(end.bits(), end.size())
		b.open = false
	}
}

// store appends a leaf in blocks that are not compressed.
func (b *blocks) store(text []byte) {
	b.end()
	for len(text) > 0 {
		n := min(len(text), 1<<16-1)
		b.append(0, 3) // not compressed, not the last block
		b.align()
		b.bytes = binary.LittleEndian.AppendUint16(b.bytes, uint16(n))
		b.bytes = binary.LittleEndian.AppendUint16(b.bytes, ^uint16(n))
		b.bytes = append(b.bytes, text[:n]...)
		text = text[n:]
	}
}

// close appends an empty last block and returns all bytes.
func (b *blocks) close() []byte {
	b.end()
	b.append(3, 3+7) // the last block, with the fixed code, and its end
	b.align()
	return b.bytes
}

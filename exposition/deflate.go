package exposition

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// bitString is a string of bits, the lowest one of a word first.
type bitString struct {
	words []uint64
	size  int // in bits; the rest of the last word is 0
}

// deflater compresses leaves. It looks for matches of the last place only that
// had the same four bytes, as far as it was looked at: series look like those
// just before.
type deflater struct {
	places [1 << placeBits]uint16 // by hash; only the low bits of places
	out    []byte
	joined []byte // the end of a leaf and the start of the next one
}

// A head needs fewer places, which have to be cleared each time.
const (
	placeBits      = 12
	shortPlaceBits = 10
	shortText      = 1 << shortPlaceBits
)

var deflaters = sync.Pool{New: func() any { return new(deflater) }}

func hashFour(v uint64, shift uint) uint32 {
	return uint32(v) * 2654435761 >> shift & (1<<placeBits - 1)
}

// deflate returns the bits for text[from:], which may refer to all of the text.
func (d *deflater) deflate(c *deflateCode, text []byte, from int) bitString {
	shift := uint(32 - placeBits)
	if len(text) <= shortText {
		shift = 32 - shortPlaceBits
	}
	clear(d.places[:1<<(32-shift)])
	if need := 2*(len(text)-from) + 16; len(d.out) < need {
		d.out = make([]byte, 2*need) // no byte takes more than 16 bits
	}
	last := len(text) - 8 // the last place where there are eight bytes
	for i := range min(from, last) {
		d.places[hashFour(binary.LittleEndian.Uint64(text[i:]), shift)] = uint16(i)
	}
	out, pos, acc, n := d.out, 0, uint64(0), uint(0)
	length, distance := 0, 0 // of a match that ends at i and is not written yet
	for i := from; i < len(text); {
		found, back := 0, 0
		if i <= last {
			four := binary.LittleEndian.Uint64(text[i:])
			place := &d.places[hashFour(four, shift)]
			back = int(uint16(i) - *place)
			*place = uint16(i)
			if 0 < back && back <= min(i, maxDistance) && uint32(four) == binary.LittleEndian.Uint32(text[i-back:]) {
				found = matchLength(text, i, back)
			}
		}
		if found > 0 {
			if end := i + found; end <= last {
				d.places[hashFour(binary.LittleEndian.Uint64(text[end-1:]), shift)] = uint16(end - 1)
			}
			if length > 0 && covers(text, i-length, length, back) && length+found <= maxMatch {
				length, distance = length+found, back
				i += found
				continue
			}
		}
		if length > 0 {
			code, size := c.match(length, distance)
			pos, acc, n = put(out, pos, acc, n, code, size)
		}
		if length, distance = found, back; found > 0 {
			i += found
			continue
		}
		literal := c.symbols[text[i]]
		pos, acc, n = put(out, pos, acc, n, literal.bits(), literal.size())
		i++
	}
	if length > 0 {
		code, size := c.match(length, distance)
		pos, acc, n = put(out, pos, acc, n, code, size)
	}
	binary.LittleEndian.PutUint64(out[pos:], acc)
	return bitString{words(out, pos*8+int(n)), pos*8 + int(n)}
}

// put writes bits at out[pos:], after the n < 8 bits of acc, which are not
// written yet. At most 56 may come.
func put(out []byte, pos int, acc uint64, n uint, code uint64, size uint) (int, uint64, uint) {
	acc |= code << n
	n += size
	binary.LittleEndian.PutUint64(out[pos:], acc)
	return pos + int(n>>3), acc >> (n &^ 7), n & 7
}

// matchLength returns how many bytes at i are like those so far back, of which
// four are known to be.
func matchLength(text []byte, i, back int) int {
	length := 4
	end := min(len(text), i+maxMatch)
	for i+length+8 <= end {
		differ := binary.LittleEndian.Uint64(text[i+length:]) ^ binary.LittleEndian.Uint64(text[i+length-back:])
		if differ != 0 {
			return length + bits.TrailingZeros64(differ)>>3
		}
		length += 8
	}
	for i+length < end && text[i+length] == text[i+length-back] {
		length++
	}
	return length
}

// covers reports whether a match found after another one, at i, could have
// begun there: then one match replaces two. In families of several series a
// group this is the rule, as the nearest series has another label value.
func covers(text []byte, i, length, back int) bool {
	if i < back {
		return false
	}
	for ; length >= 8; length -= 8 {
		end := i + length
		if binary.LittleEndian.Uint64(text[end-8:]) != binary.LittleEndian.Uint64(text[end-8-back:]) {
			return false
		}
	}
	return string(text[i:i+length]) == string(text[i-back:i-back+length])
}

func words(bytes []byte, size int) []uint64 {
	w := make([]uint64, (size+63)/64)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(bytes[8*i:])
	}
	return w
}

// bitStream joins bits to bytes.
type bitStream struct {
	bytes []byte
	acc   uint64 // the last n < 64 bits
	n     uint
}

// append appends up to 64 bits; those above size must be 0.
func (s *bitStream) append(code uint64, size uint) {
	s.acc |= code << s.n
	if s.n+size < 64 {
		s.n += size
		return
	}
	s.bytes = binary.LittleEndian.AppendUint64(s.bytes, s.acc)
	s.acc = code >> (64 - s.n)
	s.n = s.n + size - 64
}

func (s *bitStream) appendString(b bitString) {
	size := b.size
	for _, w := range b.words {
		s.append(w, uint(min(size, 64)))
		size -= 64
	}
}

// align goes on to the next byte and appends what is left.
func (s *bitStream) align() {
	for ; s.n > 0; s.n -= min(s.n, 8) {
		s.bytes = append(s.bytes, byte(s.acc))
		s.acc >>= 8
	}
	s.acc = 0
}

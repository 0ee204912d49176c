package exposition

import (
	"math/bits"
	"slices"
)

// deflateCode is a Huffman code of deflate (RFC 1951). There is one for text
// and one for protobuf, made beforehand of expositions of batch jobs: codes of
// their own would cost leaves, which are small, more than they save, and it
// would take longer. All symbols have a code.
type deflateCode struct {
	symbolSizes, distanceSizes []byte // of the codes, in bits
	symbols                    []bitCode
	distances                  []bitCode // without extra bits
	lengths                    [maxMatch + 1]bitCode
}

// bitCode is up to 24 bits, of which the lowest comes first, and in the highest
// byte their number.
type bitCode uint32

func (c bitCode) bits() uint64 { return uint64(c & (1<<24 - 1)) }
func (c bitCode) size() uint   { return uint(c >> 24) }

const (
	endOfBlock  = 256 // after the bytes
	firstLength = 257
	minMatch    = 4 // shorter ones seldom pay
	maxMatch    = 258
	maxDistance = 32 << 10
)

// The sizes of the codes as hexadecimal digits: of the bytes, 64 in a line, of
// the end of a block and of the lengths; of the distances.
var (
	textCode = newDeflateCode(
		"cccccccccc8ccccccccccccccccccccc8c8cccccccc8cc5c4444454545cccccc"+
			"ccccccccc9ccccccccccccccccccccccc99898899999988899989899999cc8cc"+
			"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"+
			"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"+
			"cb68889977857657555567bbbbbbbb",
		"999999999996282645344467899999")
	protobufCode = newDeflateCode(
		"78999999698998898799899989899999898989999999999a77777777779a9aa9"+
			"789a9a9a99aa9a9a9999999a8a999aa99999989a999a9999999999aa999a9aa9"+
			"7999999999999999999999999999999989999999998999998999999999999999"+
			"8999999999998999999999999999999989999999999999998999999999999999"+
			"cc569969955565457558a9bccccccb",
		"9ccbbbb7baa53625434535565788bb")
)

// lengthBases are the shortest matches that the symbols of lengths stand for.
var lengthBases = [...]int{
	3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258, 259,
}

func newDeflateCode(symbolSizes, distanceSizes string) *deflateCode {
	c := &deflateCode{symbolSizes: hexDigits(symbolSizes), distanceSizes: hexDigits(distanceSizes)}
	c.symbols, c.distances = canonical(c.symbolSizes), canonical(c.distanceSizes)
	for i, base := range lengthBases[:len(lengthBases)-1] {
		symbol, next := c.symbols[firstLength+i], lengthBases[i+1]
		extra := uint(bits.Len(uint(next - base - 1)))
		for length := base; length < next; length++ {
			c.lengths[length] = newBitCode(symbol.bits()|uint64(length-base)<<symbol.size(), symbol.size()+extra)
		}
	}
	return c
}

func newBitCode(bits uint64, size uint) bitCode { return bitCode(bits) | bitCode(size)<<24 }

func hexDigits(digits string) []byte {
	values := []byte(digits)
	for i, d := range values {
		if values[i] = d - '0'; d >= 'a' {
			values[i] = d - 'a' + 10
		}
	}
	return values
}

// canonical returns the codes that have these sizes, as RFC 1951 assigns them.
func canonical(sizes []byte) []bitCode {
	codes := make([]bitCode, len(sizes))
	next := uint16(0)
	for size := byte(1); size <= slices.Max(sizes); size++ {
		next <<= 1
		for symbol, s := range sizes {
			if s == size {
				codes[symbol] = newBitCode(uint64(bits.Reverse16(next)>>(16-size)), uint(size))
				next++
			}
		}
	}
	return codes
}

// match returns the bits of a match, at most 39.
func (c *deflateCode) match(length, distance int) (code uint64, size uint) {
	l := c.lengths[length]
	d := uint(distance - 1)
	symbol, extra := d, uint(0)
	if d >= 4 {
		extra = uint(bits.Len(d)) - 2
		symbol = 2*extra + d>>extra
	}
	s := c.distances[symbol]
	code = l.bits() | s.bits()<<l.size() | uint64(d&(1<<extra-1))<<(l.size()+s.size())
	return code, l.size() + s.size() + extra
}

// sizeOrder is the order in which the header of a block gives the code of the
// sizes, which here is four bits for each of 0 to 15, and none for repetitions.
var sizeOrder = [...]byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// headerSize returns the size of the header in bits.
func (c *deflateCode) headerSize() int {
	return 3 + 5 + 5 + 4 + 3*len(sizeOrder) + 4*(len(c.symbols)+len(c.distances))
}

// appendHeader begins a block that has the code.
func (c *deflateCode) appendHeader(s *bitStream) {
	const dynamic = 2 << 1 // and not the last block
	s.append(dynamic, 3)
	s.append(uint64(len(c.symbols)-257), 5)
	s.append(uint64(len(c.distances)-1), 5)
	s.append(uint64(len(sizeOrder)-4), 4)
	for _, size := range sizeOrder {
		if size < 16 {
			s.append(4, 3)
		} else {
			s.append(0, 3)
		}
	}
	for _, sizes := range [][]byte{c.symbolSizes, c.distanceSizes} {
		for _, size := range sizes {
			s.append(uint64(bits.Reverse8(size)>>4), 4)
		}
	}
}

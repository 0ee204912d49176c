package exposition

import "hash/crc32"

// CRC-32 is a remainder of polynomials over GF(2), so the CRC of two texts one
// after the other is crc(a)·x^(8·len(b)) + crc(b): no byte is read twice.
// Polynomials are held as in hash/crc32, highest bit first: 1<<31 is 1.

const crcOne uint32 = 1 << 31

// crcPowers[i] is x^(2^i) modulo the CRC's polynomial.
var crcPowers = func() (p [64]uint32) {
	p[0] = crcOne >> 1
	for i := 1; i < len(p); i++ {
		p[i] = crcMultiply(p[i-1], p[i-1])
	}
	return p
}()

// crcShift returns x^(8·n).
func crcShift(n int) uint32 {
	product := crcOne
	for i := 3; n > 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			product = crcMultiply(crcPowers[i], product)
		}
	}
	return product
}

// crcMultiply returns a·b modulo the CRC's polynomial.
func crcMultiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a&crcOne != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

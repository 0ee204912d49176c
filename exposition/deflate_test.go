package exposition

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	klauspost "github.com/klauspost/compress/gzip"
)

// leavesOf makes a sequence that has nothing but texts.
func leavesOf(texts ...string) sequence {
	var q sequence
	for _, text := range texts {
		q = append(q, &leaf{text: []byte(text)})
	}
	return q
}

// readGzip reads a member with two libraries and returns its text.
func readGzip(t testing.TB, member []byte) string {
	t.Helper()
	text := gunzip(t, string(member))
	r, err := klauspost.NewReader(bytes.NewReader(member))
	if err != nil {
		t.Fatal(err)
	}
	other, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if string(other) != text {
		t.Error("two libraries read different texts")
	}
	return text
}

var deflateCodes = map[string]*deflateCode{"text": textCode, "protobuf": protobufCode}

func TestDeflateCodesAreComplete(t *testing.T) {
	t.Parallel()
	for name, c := range deflateCodes {
		for _, sizes := range [][]byte{c.symbolSizes, c.distanceSizes} {
			sum := 0
			for _, size := range sizes {
				if size == 0 || size > 12 {
					t.Fatalf("%s: a code of %d bits", name, size)
				}
				sum += 1 << (12 - size)
			}
			if sum != 1<<12 {
				t.Errorf("%s: the codes fill %d of %d", name, sum, 1<<12)
			}
		}
		if len(c.symbolSizes) != 286 || len(c.distanceSizes) != 30 {
			t.Errorf("%s: %d and %d codes", name, len(c.symbolSizes), len(c.distanceSizes))
		}
	}
}

func noise(size int) string {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func TestEveryTextIsReadBackFromGzip(t *testing.T) {
	t.Parallel()
	var lengths, distances []string
	for n := range 2 * maxMatch {
		lengths = append(lengths, fmt.Sprintf("<%d>", n)+noise(maxMatch)[:n/2]+strings.Repeat("x", n%7))
	}
	for n := range 16 {
		start := noise(200)
		distances = append(distances, start+strings.Repeat("-", 1<<n-200*min(n/8, 1)-1)+start+strings.Repeat("+", 1<<n)+start)
	}
	tests := map[string][]string{
		"no leaf":                         {},
		"empty leaves":                    {"", "", "a", ""},
		"single bytes":                    {"a", "b", "\xff", "\x00"},
		"matches of all lengths":          {strings.Join(lengths, "")},
		"distances of all sizes":          distances,
		"one byte again and again":        {strings.Repeat("a", 100_000), strings.Repeat("a", 300)},
		"heads like the leaf before":      {strings.Repeat("abcdefgh", 90), strings.Repeat("abcdefgh", 90), "abcdefgh", "abcdefgh"},
		"a long leaf of noise":            {noise(200_000)},
		"noise between series":            {strings.Repeat("a{b=\"c\"} 1\n", 300), noise(3000), strings.Repeat("a{b=\"c\"} 2\n", 300), noise(3001), noise(3002)},
		"noise too far away to match":     {noise(40_000) + noise(40_000), noise(40_000) + strings.Repeat("a", 60_000) + noise(40_000)},
		"leaves around the head's length": {noise(headSize - 1), noise(headSize), noise(headSize + 1), noise(headSize + 9)},
	}
	for name, texts := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for encoding, c := range deflateCodes {
				if readGzip(t, leavesOf(texts...).gzip(c)) != strings.Join(texts, "") {
					t.Errorf("%s: another text was read", encoding)
				}
			}
		})
	}
}

func TestHostileTextHardlyGrowsInGzip(t *testing.T) {
	t.Parallel()
	var letters, kinds []string
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 100 {
		var b strings.Builder
		for range 700 {
			b.WriteRune(rune(0x4e00 + r.IntN(0x5000)))
		}
		letters = append(letters, b.String())
		kinds = append(kinds, noise(2048+i), strings.Repeat("x ", i))
	}
	for name, texts := range map[string][]string{"Chinese letters": letters, "noise and none": kinds} {
		text := strings.Join(texts, "")
		for encoding, c := range deflateCodes {
			if size := len(leavesOf(texts...).gzip(c)); size > len(text)*11/10+200 {
				t.Errorf("%s of %d bytes takes %d as %s", name, len(text), size, encoding)
			}
		}
	}
}

func TestAChangedLeafSpoilsOnlyTheNextOnesHead(t *testing.T) {
	t.Parallel()
	series := func(i int) string {
		var b strings.Builder
		for j := range 40 {
			fmt.Fprintf(&b, "some_total{instance=\"%d\",zone=\"%d\"} %d\n", i, j, i*j)
		}
		return b.String()
	}
	old := leavesOf(series(1), series(2), series(3), series(4))
	old.gzip(textCode)
	before := old.deflated(textCode)
	changed := sequence{old[0], leavesOf(series(5))[0], old[2], old[3]}
	after := changed.deflated(textCode)
	if after[0] != before[0] || after[3] != before[3] {
		t.Error("leaves far from the change were compressed again")
	}
	if after[2] == before[2] || after[2].rest != before[2].rest {
		t.Error("of the leaf after the changed one not just the head was compressed again")
	}
	for name, q := range map[string]sequence{
		"after a change": changed, "as before": old, "without the first leaf": changed[1:], "the last leaf first": {old[3], old[0]},
	} {
		var texts []string
		for _, l := range q {
			texts = append(texts, string(l.text))
		}
		if !bytes.Equal(q.gzip(textCode), leavesOf(texts...).gzip(textCode)) {
			t.Errorf("%s: the bytes depend on what was compressed before", name)
		}
	}
}

// FuzzGzip cuts bytes into leaves and reads them back.
func FuzzGzip(f *testing.F) {
	f.Add([]byte("a{b=\"c\"} 1\na{b=\"d\"} 2\n"), uint16(9), true)
	f.Add([]byte(noise(600)+strings.Repeat("ab", 300)), uint16(400), false)
	f.Fuzz(func(t *testing.T, text []byte, size uint16, protobuf bool) {
		var q sequence
		for i := 0; i < len(text); {
			n := min(len(text)-i, len(text)/100+1+int(size)*(1+len(q)%3))
			q = append(q, &leaf{text: text[i : i+n]})
			i += n
		}
		c := Encoding{Protobuf: protobuf}.deflateCode()
		member := q.gzip(c)
		if readGzip(t, member) != string(text) {
			t.Fatal("another text was read")
		}
		if len(q) > 1 {
			q[len(q)/2] = &leaf{text: q[0].text}
			var changed []byte
			for _, l := range q {
				changed = append(changed, l.text...)
			}
			if readGzip(t, q.gzip(c)) != string(changed) {
				t.Fatal("another text was read after a change")
			}
		}
	})
}

package exposition

import (
	"bytes"
	"compress/gzip"
	"hash/crc32"
	"strings"
	"testing"
)

func TestCRCOfJoinedTextsIsComputedFromTheParts(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("some text, not short ", 9000))
	for _, cut := range []int{0, 1, 2, 255, 4096, 70000, len(text)} {
		a, b := text[:cut], text[cut:]
		got := crcMultiply(crcShift(len(b)), crc32.ChecksumIEEE(a)) ^ crc32.ChecksumIEEE(b)
		if want := crc32.ChecksumIEEE(text); got != want {
			t.Errorf("cut at %d: %08x, want %08x", cut, got, want)
		}
	}
}

func TestAnEmptyExpositionIsValidGzip(t *testing.T) {
	t.Parallel()
	if text := gunzip(t, write(t, NewState().Snapshot(), Encoding{Gzip: true})); text != "" {
		t.Errorf("got %q", text)
	}
}

func TestGzipIsHardlyLargerThanThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	s := NewState()
	var groups []Group
	for i := range 1000 {
		groups = append(groups, largeGroup(t, i, 1))
	}
	s.Apply(Change{Groups: groups})
	var standard bytes.Buffer
	w := gzip.NewWriter(&standard)
	if _, err := w.Write([]byte(write(t, s.Snapshot(), Encoding{}))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(write(t, s.Snapshot(), Encoding{Gzip: true})); got > standard.Len()*5/4 {
		t.Errorf("%d bytes, the standard library needs %d", got, standard.Len())
	}
}

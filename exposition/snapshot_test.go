package exposition

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"
)

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	t.Parallel()
	s := goldenState(t).Snapshot()
	gone := errors.New("client went away")
	for _, enc := range []Encoding{{}, {Gzip: true}, {Protobuf: true}} {
		if err := s.WriteExposition(failingWriter{gone}, enc); !errors.Is(err, gone) {
			t.Errorf("%+v: %v", enc, err)
		}
	}
}

func TestPiecesAreTheWholeExposition(t *testing.T) {
	t.Parallel()
	s := NewState()
	var groups []Group
	for i := range 200 {
		groups = append(groups, testGroup(t, testKey(t, "job", "a", "instance", strconv.Itoa(i)), simple("m", Gauge), simple("h", Histogram)))
	}
	s.Apply(Change{Groups: groups})
	for _, enc := range []Encoding{{}, {Gzip: true}} {
		want := write(t, s.Snapshot(), enc)
		e, err := s.Snapshot().Exposition(enc)
		if err != nil {
			t.Fatal(err)
		}
		if e.Size() != len(want) {
			t.Errorf("%+v: size %d of %d bytes", enc, e.Size(), len(want))
		}
		for _, n := range []int{1, 3, 1000} {
			var got []byte
			for pieces := range e.Pieces(n) {
				if len(pieces) > n {
					t.Errorf("%+v: %d pieces at a time, not %d", enc, len(pieces), n)
				}
				for i, piece := range pieces {
					got = append(got, piece...)
					pieces[i] = nil // as writev does
				}
			}
			if !bytes.Equal(got, []byte(want)) {
				t.Errorf("%+v: %d at a time are not what is written", enc, n)
			}
		}
	}
}

func TestScrapesRunBesideChanges(t *testing.T) {
	t.Parallel()
	c := newChanges(t, 5, true)
	var scrapes sync.WaitGroup
	for range 40 {
		c.apply()
		snapshot := c.state.Snapshot()
		for _, enc := range []Encoding{{}, {Gzip: true, Escaping: schemes[1]}, {Protobuf: true, Gzip: true}} {
			scrapes.Go(func() {
				if err := snapshot.WriteExposition(io.Discard, enc); err != nil {
					t.Error(err)
				}
				snapshot.Groups()
				snapshot.Stats()
			})
		}
	}
	scrapes.Wait()
}

func TestGroupsAreListedByKeyWithWhatWasPushed(t *testing.T) {
	t.Parallel()
	s := NewState()
	failed := time.Unix(3, 0)
	b := testGroup(t, testKey(t, "job", "b"), simple("h", Histogram), Family{Name: "gone", Type: Gauge})
	b.Families[0].Help = "Help."
	s.Apply(Change{Groups: []Group{b, {Key: testKey(t, "job", "a"), PushFailureTime: failed}}})
	groups := s.Snapshot().Groups()
	if len(groups) != 2 || groups[0].Key.Job() != "a" || len(groups[0].Families) != 0 || !groups[0].PushTime.IsZero() || !groups[0].PushFailureTime.Equal(failed) {
		t.Fatalf("got %+v", groups)
	}
	if got := groups[1]; len(got.Families) != 1 || got.Families[0] != (FamilySummary{"h", Histogram, "Help.", 1}) || !got.PushTime.Equal(b.PushTime) {
		t.Errorf("got %+v", got)
	}
	want := Stats{Groups: 2, Families: 3, Series: 3 + 4, Bytes: len(write(t, s.Snapshot(), Encoding{}))}
	if got := s.Snapshot().Stats(); got.Groups != want.Groups || got.Families != want.Families || got.Series != want.Series || got.Bytes != want.Bytes {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

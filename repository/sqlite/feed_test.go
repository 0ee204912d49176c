package sqlite

import (
	"encoding/binary"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func digest(i int) (d exposition.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(i))
	return d
}

// TestFeed protects a replica that reads seldom, and the memory of a gateway
// that nobody scrapes.
func TestFeed(t *testing.T) {
	t.Parallel()
	change := func(f *feed, seq int64, key int) {
		f.announce(seq, []exposition.Digest{digest(key)}, false)
		f.settle(true)
	}
	expect := func(t *testing.T, f *feed, after, shown int64, keys int, wiped, ok bool) {
		t.Helper()
		gotKeys, gotWiped, gotOK := f.since(after, shown)
		if len(gotKeys) != keys || gotWiped != wiped || gotOK != ok {
			t.Errorf("since %d there are %d keys, wiped: %t, %t; want %d, %t, %t", after, len(gotKeys), gotWiped, gotOK, keys, wiped, ok)
		}
	}
	t.Run("many changes of few groups are remembered", func(t *testing.T) {
		t.Parallel()
		var f feed
		for i := range 3 * maxFeed {
			change(&f, int64(i+1), i%100)
		}
		expect(t, &f, 0, 3*maxFeed, 100, false, true)
		expect(t, &f, 3*maxFeed-7, 3*maxFeed, 7, false, true)
		if len(f.entries) > maxFeed {
			t.Errorf("there are %d entries, want at most %d", len(f.entries), maxFeed)
		}
	})
	t.Run("too many changed groups are forgotten, the oldest first", func(t *testing.T) {
		t.Parallel()
		var f feed
		for i := range maxFeed + 1 {
			change(&f, int64(i+1), i)
		}
		expect(t, &f, 0, maxFeed+1, 0, false, false)
		expect(t, &f, maxFeed/2+1, maxFeed+1, maxFeed/2, false, true)
		expect(t, &f, maxFeed/2, maxFeed+1, 0, false, false)
	})
	t.Run("a wipe counts if the snapshot shows it", func(t *testing.T) {
		t.Parallel()
		var f feed
		change(&f, 1, 1)
		f.announce(2, nil, true)
		f.settle(true)
		change(&f, 3, 3)
		f.announce(4, nil, true)
		expect(t, &f, 0, 1, 2, false, true)
		expect(t, &f, 0, 3, 2, true, true)
		expect(t, &f, 2, 3, 1, false, true)
		expect(t, &f, 2, 4, 1, true, true)
		f.settle(false)
		expect(t, &f, 2, 4, 1, false, true)
	})
	t.Run("a commit that is being made is read if it can be visible", func(t *testing.T) {
		t.Parallel()
		var f feed
		f.announce(1, []exposition.Digest{digest(1)}, false)
		expect(t, &f, 0, 1, 1, false, true)
		f.settle(false)
		expect(t, &f, 0, 0, 0, false, true)
	})
}

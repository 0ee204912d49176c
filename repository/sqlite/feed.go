package sqlite

import (
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// maxFeed bounds the memory of a feed: what is older has to be read as a whole.
const maxFeed = 1 << 18

// feed is what has changed in this process' life, in the order of the commits.
type feed struct {
	mu      sync.Mutex
	entries []entry
	pending []entry // of a commit that may have been made
	// forgotten is the last commit of which something is not in entries.
	forgotten int64
}

// entry says that the commit changed the key's group, or all groups.
type entry struct {
	seq  int64
	key  exposition.Digest
	wipe bool
}

// announce adds a commit that is about to be made. Until it is settled it may
// be visible, or not.
func (f *feed) announce(seq int64, keys []exposition.Digest, wipe bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		f.pending = append(f.pending, entry{seq: seq, key: k})
	}
	if wipe {
		f.pending = append(f.pending, entry{seq: seq, wipe: true})
	}
}

// settle ends what announce began.
func (f *feed) settle(made bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if made {
		f.entries = append(f.entries, f.pending...)
	}
	f.pending = f.pending[:0]
	if len(f.entries) > maxFeed {
		f.compact()
	}
}

// compact keeps the last entry of each key, and if that is not enough the
// newer half.
func (f *feed) compact() {
	seen := make(map[exposition.Digest]bool, len(f.entries))
	var kept []entry
	for _, e := range slices.Backward(f.entries) {
		if e.wipe || !seen[e.key] {
			seen[e.key] = seen[e.key] || !e.wipe
			kept = append(kept, e)
		}
	}
	if len(kept) > maxFeed/2 {
		f.forgotten = kept[maxFeed/2].seq
		kept = kept[:maxFeed/2]
	}
	slices.Reverse(kept)
	f.entries = kept
}

// since returns the keys of all groups that commits after the given one have
// changed, and perhaps some more, and whether one of them, up to the last one
// that a snapshot shows, wiped all groups. It reports false if it cannot tell.
func (f *feed) since(after, shown int64) (keys []exposition.Digest, wiped, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if after < f.forgotten {
		return nil, false, false
	}
	first, _ := slices.BinarySearchFunc(f.entries, after+1, func(e entry, seq int64) int { return int(e.seq - seq) })
	seen := map[exposition.Digest]bool{}
	for _, entries := range [][]entry{f.entries[first:], f.pending} {
		for _, e := range entries {
			switch {
			case e.wipe:
				wiped = wiped || e.seq <= shown
			case !seen[e.key]:
				seen[e.key] = true
				keys = append(keys, e.key)
			}
		}
	}
	return keys, wiped, true
}

// maxFates is how many commits are remembered: many more than run at once.
const maxFates = 1024

// fates are what became of the latest commits.
type fates struct {
	mu   sync.Mutex
	made map[uuid.UUID]bool
	ids  []uuid.UUID // from the oldest on
}

// set notes that the commit was made, or that it never will be.
func (f *fates) set(id uuid.UUID, made bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made == nil {
		f.made = map[uuid.UUID]bool{}
	}
	if _, known := f.made[id]; !known {
		f.ids = append(f.ids, id)
	}
	f.made[id] = made
	if len(f.ids) > maxFates {
		delete(f.made, f.ids[0])
		f.ids = f.ids[1:]
	}
}

func (f *fates) get(id uuid.UUID) (made, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	made, known = f.made[id]
	return made, known
}

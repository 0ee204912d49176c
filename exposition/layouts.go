package exposition

import "sync"

// Layouts remembers how the JSON of groups looks, so that a [Decoder] needs not
// decode what differs in nothing but the numbers. The zero value is ready. It is
// safe for concurrent use, and bounded.
type Layouts struct {
	mu           sync.Mutex
	ofJob        map[string]*layout // that of the job's group that was decoded last
	last         *layout            // that was found, or learnt
	bytes        int                // of JSON
	hits, misses int
}

// maxLayouts is how many bytes of JSON the layouts may have together. Each takes
// about three times as much memory.
const maxLayouts = 2 << 20

// of returns the layouts that a group of the job might have.
func (l *Layouts) of(job string) [2]*layout {
	l.mu.Lock()
	defer l.mu.Unlock()
	return [2]*layout{l.ofJob[job], l.last}
}

// hit says that a group had the layout.
func (l *Layouts) hit(found *layout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = found
	l.hits++
}

// learn makes a layout of a group that had none, unless there have been too many
// that were of no use.
func (l *Layouts) learn(key GroupingKey, families []Family, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.misses++; l.misses > 64+l.hits {
		return
	}
	made := newLayout(key, families)
	if made == nil {
		return
	}
	if l.bytes += bytes; l.ofJob == nil || l.bytes > maxLayouts {
		l.ofJob, l.bytes = map[string]*layout{}, bytes
	}
	l.ofJob[key.Job()], l.last = made, made
}

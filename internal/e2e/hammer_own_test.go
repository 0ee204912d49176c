package e2e

import (
	"fmt"
	"sync"
	"time"
)

// never is the end of what was not acknowledged.
const never = time.Duration(1<<63 - 1)

// span is the time from a request to its answer, since the hammer began.
type span struct{ start, end time.Duration }

// own is a series that only one worker writes, with what a scrape may show of
// it: the values are the numbers of the writes.
type own struct {
	mu     sync.Mutex
	writes []write // in the order in which they were sent
	lost   []int   // indices of those without an answer: they may land later
}

// write is a push of the value that is its index, or a deletion.
type write struct {
	span
	gone bool
}

// newOwn returns a series that does not exist.
func newOwn() *own {
	return &own{writes: []write{{span{-1, -1}, true}}}
}

// begin notes that the next value, or a deletion, is about to be sent.
func (o *own) begin(now time.Duration, gone bool) (value int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes = append(o.writes, write{span{now, never}, gone})
	return len(o.writes) - 1
}

// next returns the value that begin will return.
func (o *own) next() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.writes)
}

// end notes when the write was acknowledged, or that there was no answer.
func (o *own) end(value int, now time.Duration, acknowledged bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if acknowledged {
		o.writes[value].end = min(o.writes[value].end, now)
	} else {
		o.lost = append(o.lost, value)
	}
}

// check returns an error unless a scrape may show the value, or with 0 no
// series: it must be that of a write that was sent before the scrape ended and
// that no write, acknowledged before the scrape began, came after. What a
// scrape has shown counts as acknowledged from then on.
func (o *own) check(scrape span, shown int, wipes []span) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	newest := -1 // acknowledged before the scrape
	for i := len(o.writes) - 1; i >= 0; i-- {
		w := &o.writes[i]
		if w.start < scrape.end && o.shows(i, shown) && !wiped(w.span, scrape, wipes, shown) {
			if shown > 0 {
				w.end = min(w.end, scrape.end)
			}
			return nil
		}
		if w.end < scrape.start {
			newest = i
			break
		}
	}
	for _, i := range o.lost {
		if o.shows(i, shown) && o.writes[i].end == never {
			return nil
		}
	}
	if shown == 0 {
		for _, w := range wipes {
			if w.start < scrape.end && w.end >= o.writes[newest].start {
				return nil
			}
		}
	}
	return fmt.Errorf("a scrape of %v to %v shows the value %d (0 is none), but write %d, %+v, was acknowledged before it began; the last writes are %+v, wipes were %+v",
		scrape.start, scrape.end, shown, newest, o.writes[newest], o.writes[max(0, len(o.writes)-5):], wipes)
}

// shows reports whether a scrape after write i would show the value.
func (o *own) shows(i, shown int) bool {
	if o.writes[i].gone {
		return shown == 0
	}
	return shown == i
}

// wiped reports whether a wipe came after the write and before the scrape, and
// the scrape shows the value all the same.
func wiped(w, scrape span, wipes []span, shown int) bool {
	for _, wipe := range wipes {
		if shown > 0 && wipe.start > w.end && wipe.end < scrape.start {
			return true
		}
	}
	return false
}
